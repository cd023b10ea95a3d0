/** The model sheet and the loading card: catalogue with verdicts, own files, stored files, progress. */
import { cachedModels, deleteCachedModel, measureMachine } from './sotto/js/index.js';
import { catalogue, recommend, verdict } from './catalogue.js';
import { $, bytes, duration, focusPrompt, make, notice, openDialog, speak } from './dom.js';
import { cancel, engine, load, onEngine, pause, spareMemory, token } from './engine.js';
import { sentence } from './chat-view.js';
import { settings } from './settings.js';
import { saveSetting } from './store.js';

/** @typedef {import('./engine.js').Choice} Choice */

/** Models the page's own server offers, if any (`models/index.json`). @type {{name: string, file: string, bytes: number}[]} */
let served = [];
/** @type {{memory: number, streamGBs: number, threads: number} | null} */
let device = null;

/** Loads a choice and shows how it goes. @param {Choice} choice */
export async function choose(choice) {
  /** @type {HTMLDialogElement} */ ($('models')).close();
  notice('');
  $('loading-title').textContent = choice.name;
  $('loading-figures').textContent = 'asking for it …';
  figures = '';
  /** @type {HTMLProgressElement} */ ($('loading-bar')).removeAttribute('value');
  speak(`Loading ${choice.name}`);
  try {
    if (await load(choice, progress)) {
      speak(`${choice.name} is ready`);
      if (typeof choice.source === 'string') await saveSetting('choice', choice);
      focusPrompt();
    }
  } catch (error) {
    const { code } = /** @type {any} */ (error);
    const action =
      code === 'SOTTO_UNAUTHORIZED' || code === 'SOTTO_FORBIDDEN' ? { label: 'Enter a token', run: askForToken }
      : code === 'SOTTO_NETWORK' || code === 'SOTTO_OFFLINE' || code === 'SOTTO_HTTP' ? { label: 'Try again', run: () => void choose(choice) }
      : { label: 'Choose another', run: openModels };
    notice(`${choice.name}: ${sentence(error)}`, 'error', action);
  }
}

/** The figures of the progress line, without what is said of a pause. */
let figures = '';

/** @param {{phase: string, loaded: number, total: number, bytesPerSecond: number, cached: number, warning?: string}} p */
function progress(p) {
  const bar = /** @type {HTMLProgressElement} */ ($('loading-bar'));
  if (!p.total) return;
  bar.value = p.loaded / p.total;
  const left = p.bytesPerSecond > 0 ? (p.total - p.loaded) / p.bytesPerSecond : 0;
  figures = `${bytes(p.loaded)} of ${bytes(p.total)}`;
  const words = [figures];
  if (p.bytesPerSecond > 0 && p.loaded < p.total) words.push(`${bytes(p.bytesPerSecond)}/s`, `${duration(left)} left`);
  if (p.cached) words.push(`${bytes(p.cached)} from this device`);
  if (p.phase === 'wait') words.push('another tab is loading it');
  if (p.warning) notice(p.warning, 'info');
  $('loading-figures').textContent = words.join(' · ');
}

function drawState() {
  const { state, choice } = engine;
  $('model-dot').dataset.state = state === 'paused' ? 'loading' : state;
  $('model-name').textContent = choice && state !== 'none' ? choice.name : 'Choose a model';
  $('loading').hidden = state !== 'loading' && state !== 'paused';
  $('loading-pause').textContent = state === 'paused' ? 'Resume' : 'Pause';
  if (state === 'paused') $('loading-figures').textContent = `${figures ? `${figures} · ` : ''}paused, what arrived is kept`;
  $('welcome-models').hidden = state !== 'none' && state !== 'failed';
}

async function measure() {
  if (device) return device;
  let machine = { streamGBs: 0, threads: navigator.hardwareConcurrency || 1 };
  try {
    const { stream_gbs: streamGBs, threads } = await measureMachine({ milliseconds: 100 });
    machine = { streamGBs, threads };
  } catch { /* the list then has no predictions */ }
  device = { memory: spareMemory(), ...machine };
  return device;
}

async function drawCatalogue() {
  const list = $('catalogue');
  $('device').textContent = 'Measuring this device …';
  const dev = await measure();
  const options = { contextLength: Number(settings.contextLength), kvType: settings.kvType };
  const rows = catalogue.map((entry) => ({ entry, ...verdict(entry, dev, options) }));
  const best = recommend(rows);
  $('device').textContent = dev.streamGBs
    ? `Speeds are predicted from a measurement: ${dev.streamGBs.toFixed(1)} GB/s of memory, ${dev.threads} thread${dev.threads === 1 ? '' : 's'}${globalThis.crossOriginIsolated ? '' : ' (the page is not isolated, so one is used)'}. Memory is for ${options.contextLength.toLocaleString('en')} tokens of context.`
    : '';
  rows.sort((a, b) => Number(b.entry === best) - Number(a.entry === best));
  list.replaceChildren(
    ...served.map((file) => card(
      { id: `served-${file.file}`, name: file.name, source: new URL(`models/${file.file}`, document.baseURI).href },
      '', [`${bytes(file.bytes)} download`, 'from this server'], { tag: 'at hand' })),
    ...rows.map(({ entry, fits, why, memory, tokensPerSecond }) => card(
      { id: entry.id, name: entry.name, source: entry.source },
      entry.about,
      [
        ...(tokensPerSecond ? [`about ${tokensPerSecond >= 10 ? Math.round(tokensPerSecond) : tokensPerSecond.toFixed(1)} tok/s`] : []),
        `${bytes(entry.bytes)} download`, `${bytes(memory)} memory`, `${entry.licence} licence`, ...(entry.gated ? ['asks for a token'] : []),
      ],
      { tag: entry === best ? 'recommended here' : fits ? 'fits' : `does not fit: ${why}`, fits, plain: fits && entry !== best })),
  );
}

/**
 * @param {Choice} choice @param {string} about @param {string[]} facts
 * @param {{tag?: string, fits?: boolean, plain?: boolean}} more plain: the tag is no distinction
 */
function card(choice, about, facts, { tag = '', fits = true, plain = false }) {
  const inUse = engine.choice?.id === choice.id && engine.state === 'ready';
  const hub = /^hf:/.test(choice.source) ? choice.source : '';
  const word = inUse ? 'In use' : 'Load';
  return make('li', { className: 'card', 'data-fits': fits ? 'yes' : 'no' },
    make('div', { className: 'name' }, choice.name, ...(tag ? [make('span', { className: `tag${plain ? ' plain' : fits ? '' : ' no'}` }, tag)] : [])),
    ...(about ? [make('div', { className: 'about' }, about)] : []),
    make('div', { className: 'facts' }, ...facts.map((fact) => make('span', {}, fact))),
    ...(hub ? [make('div', { className: 'address', title: hub }, hub)] : []),
    make('button', { type: 'button', className: 'do', disabled: inUse || !fits, onclick: () => void choose(choice), 'aria-label': `${word}: ${choice.name}` }, word));
}

async function drawStored() {
  const files = await cachedModels().catch(() => []);
  $('stored').replaceChildren(...files.map((file) => make('li', { className: 'card' },
    make('div', { className: 'name' }, file.name || file.url),
    make('div', { className: 'facts' }, file.complete ? bytes(file.bytes) : `${bytes(file.bytes)} of ${bytes(file.size)} so far`),
    make('div', { className: 'row do' },
      make('button', { type: 'button', onclick: () => void choose({ id: file.url, name: file.name || file.url, source: file.url }) }, file.complete ? 'Load' : 'Resume'),
      make('button', { type: 'button', 'aria-label': `Delete ${file.name || file.url}`, onclick: async () => { await deleteCachedModel(file.url); await drawStored(); } }, 'Delete')))));
  const estimate = await navigator.storage?.estimate?.().catch(() => null);
  $('quota').textContent = estimate?.quota
    ? `${bytes(estimate.usage ?? 0)} in use of ${bytes(estimate.quota)} this browser allows.`
    : files.length ? '' : 'Nothing is stored yet.';
}

/** @param {FileList | File[]} list */
function chooseFiles(list) {
  const files = [...list].filter((file) => /\.gguf$/i.test(file.name)).sort((a, b) => a.name.localeCompare(b.name));
  if (!files.length) return notice('That is not a .gguf file.');
  void choose({ id: files[0].name, name: files[0].name.replace(/\.gguf$/i, ''), source: files.length === 1 ? files[0] : files });
}

/** @param {string} text */
function nameOf(text) {
  return decodeURIComponent(text.split(/[?#]/)[0].split('/').pop() || text).replace(/\.gguf$/i, '');
}

function openModels() {
  openDialog(/** @type {HTMLDialogElement} */ ($('models')));
  void drawCatalogue();
  void drawStored();
}

function askForToken() {
  openModels();
  /** @type {HTMLDetailsElement} */ ($('token-details')).open = true;
  $('token').scrollIntoView({ block: 'center' });
  $('token').focus();
}

export async function setUpModels() {
  onEngine(drawState);
  drawState();
  const open = openModels;
  $('open-models').addEventListener('click', open);
  $('welcome-models').addEventListener('click', open);
  document.addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') { event.preventDefault(); open(); }
  });
  $('loading-pause').addEventListener('click', () => {
    if (engine.state === 'paused' && engine.choice) void choose(engine.choice);
    else pause();
  });
  $('loading-cancel').addEventListener('click', () => { cancel(); if (engine.state === 'paused') { engine.state = 'none'; drawState(); } });

  const drop = $('drop');
  for (const [target, mark] of /** @type {[HTMLElement, HTMLElement][]} */ ([[drop, drop], [document.body, document.body]])) {
    target.addEventListener('dragover', (event) => { event.preventDefault(); mark.classList.add(mark === drop ? 'over' : 'dropping'); });
    target.addEventListener('dragleave', () => mark.classList.remove('over', 'dropping'));
    target.addEventListener('drop', (event) => {
      event.preventDefault();
      event.stopPropagation();
      drop.classList.remove('over');
      document.body.classList.remove('dropping');
      if (event.dataTransfer?.files.length) chooseFiles(event.dataTransfer.files);
    });
  }
  const file = /** @type {HTMLInputElement} */ ($('file'));
  file.addEventListener('change', () => { if (file.files?.length) chooseFiles(file.files); file.value = ''; });
  $('from-address').addEventListener('submit', (event) => {
    event.preventDefault();
    const address = /** @type {HTMLInputElement} */ ($('address')).value.trim();
    if (address) void choose({ id: address, name: nameOf(address), source: address });
  });
  const field = /** @type {HTMLInputElement} */ ($('token'));
  field.value = token.get();
  field.addEventListener('change', () => token.set(field.value.trim()));

  try {
    const response = await fetch('models/index.json');
    if (response.ok) served = await response.json();
  } catch { /* a host without models of its own */ }
}

/** The choice to load without being asked: the last one if its bytes are on this device, else what the server has. @param {Choice | null} last */
export async function firstChoice(last) {
  const stored = await cachedModels().catch(() => []);
  const wanted = last && nameOf(last.source);
  if (last && stored.some((file) => file.complete && nameOf(file.url) === wanted)) return last;
  const file = served[0];
  return file ? { id: `served-${file.file}`, name: file.name, source: new URL(`models/${file.file}`, document.baseURI).href } : null;
}
