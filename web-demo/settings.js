/** The settings sheet: system prompt, sampling, engine options. Values live in IndexedDB under "settings". */
import { $, make, openDialog } from './dom.js';
import { saveSetting, setting } from './store.js';

export const defaults = {
  system: '',
  temperature: '', topK: '', topP: '', minP: '', repeatPenalty: '', seed: '', maxTokens: '',
  contextLength: '4096', kvType: 'f16', threads: '', theme: 'auto',
};
/** @typedef {typeof defaults} Settings */

/** Sampling fields; an empty one leaves the choice to the model's own metadata. */
const sampling = [
  ['temperature', 'Temperature', { min: 0, max: 2, step: 0.05 }],
  ['topK', 'Top-k', { min: 0, max: 1000, step: 1 }],
  ['topP', 'Top-p', { min: 0, max: 1, step: 0.01 }],
  ['minP', 'Min-p', { min: 0, max: 1, step: 0.01 }],
  ['repeatPenalty', 'Repeat penalty', { min: 1, max: 2, step: 0.01 }],
  ['maxTokens', 'Longest answer', { min: 1, max: 131072, step: 1 }],
  ['seed', 'Seed', { min: 0, max: 4294967295, step: 1 }],
];

/** @type {Settings} */
export let settings = { ...defaults };

export async function loadSettings() {
  settings = { ...defaults, ...(await setting('settings', {})) };
  applyTheme();
  return settings;
}

/** @param {Partial<Settings>} change */
export async function changeSettings(change) {
  Object.assign(settings, change);
  applyTheme();
  await saveSetting('settings', settings);
}

function applyTheme() {
  if (settings.theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = settings.theme;
}

/** The sampling options for a call of the engine: only what was set. */
export function samplingOptions() {
  /** @type {Record<string, number>} */
  const options = {};
  for (const [key] of sampling) {
    const value = settings[/** @type {keyof Settings} */ (key)];
    if (value !== '') options[/** @type {string} */ (key)] = Number(value);
  }
  return options;
}

/** The engine options for loadModel. */
export function engineOptions() {
  return {
    contextLength: Number(settings.contextLength),
    kvType: settings.kvType,
    ...(settings.threads ? { threads: Number(settings.threads) } : {}),
  };
}

export function setUpSettings() {
  for (const [key, label, limits] of sampling) {
    const input = make('input', { type: 'number', id: key, placeholder: key === 'seed' ? 'random' : key === 'maxTokens' ? 'no limit' : 'model’s own', ...limits });
    $('sampling').append(make('label', { className: 'field' }, /** @type {string} */ (label), input));
  }
  for (const n of [1024, 2048, 4096, 8192, 16384, 32768]) {
    $('contextLength').append(make('option', { value: String(n) }, `${n.toLocaleString('en')} tokens`));
  }
  const fields = [...sampling.map(([key]) => key), 'system', 'contextLength', 'kvType', 'threads'];
  const fill = () => {
    for (const key of fields) /** @type {any} */ ($(/** @type {string} */ (key))).value = /** @type {any} */ (settings)[/** @type {string} */ (key)];
  };
  $('open-settings').addEventListener('click', () => { fill(); openDialog($('settings')); });
  $('settings').addEventListener('close', () => {
    /** @type {Record<string, string>} */
    const change = {};
    for (const key of fields) change[/** @type {string} */ (key)] = /** @type {any} */ ($(/** @type {string} */ (key))).value;
    void changeSettings(change);
  });
  $('settings-reset').addEventListener('click', () => {
    Object.assign(settings, defaults, { theme: settings.theme });
    fill();
  });
  const theme = /** @type {HTMLSelectElement} */ ($('theme'));
  theme.value = settings.theme;
  theme.addEventListener('change', () => void changeSettings({ theme: theme.value }));
}
