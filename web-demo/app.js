/** The chat page: puts the parts together. */
import { $, make, notice } from './dom.js';
import { currentId, setUpChat, show } from './chat-view.js';
import { choose, firstChoice, setUpModels } from './models-view.js';
import { loadSettings, setUpSettings } from './settings.js';
import { conversation, conversations, removeConversation, saveSetting, setting } from './store.js';

async function drawConversations() {
  const all = await conversations();
  $('conversations').replaceChildren(...all.map((c) => {
    const item = make('div', { className: 'conversation' },
      make('button', { type: 'button', className: 'open', onclick: () => void open(c.id) }, c.title || 'Untitled'),
      make('button', { type: 'button', className: 'remove', 'aria-label': `Delete “${c.title || 'Untitled'}”`, onclick: () => void remove(c.id) }, '✕'));
    if (c.id === currentId()) item.setAttribute('aria-current', 'true');
    return item;
  }));
  await saveSetting('conversation', currentId());
}

/** @param {string} [id] */
async function open(id) {
  await show(id ? await conversation(id) : undefined);
  sidebar(false);
  await drawConversations();
}

/** @param {string} id */
async function remove(id) {
  if (id === currentId()) await show(); // which ends an answer that would be saved
  await removeConversation(id);
  await drawConversations();
}

/** @param {boolean} isOpen */
function sidebar(isOpen) {
  $('sidebar').classList.toggle('open', isOpen);
  $('sidebar-open').setAttribute('aria-expanded', String(isOpen));
}

/** Offline use, and isolation on hosts that cannot send the headers: then the page reloads once under the worker. */
async function registerServiceWorker() {
  if (!navigator.serviceWorker) return;
  try {
    await navigator.serviceWorker.register('./sw.js');
    await navigator.serviceWorker.ready;
    if (!globalThis.crossOriginIsolated && !sessionStorage.getItem('sotto-reloaded')) {
      sessionStorage.setItem('sotto-reloaded', 'yes');
      location.reload();
      await new Promise(() => {});
    }
  } catch (error) {
    console.warn('no offline use:', error);
  }
}

async function start() {
  await loadSettings();
  setUpSettings();
  setUpChat(() => void drawConversations());
  $('new-chat').addEventListener('click', () => void open());
  $('sidebar-open').addEventListener('click', () => sidebar(true));
  $('sidebar-close').addEventListener('click', () => sidebar(false));
  document.addEventListener('click', (event) => {
    const target = /** @type {Node} */ (event.target);
    if ($('sidebar').classList.contains('open') && !$('sidebar').contains(target) && !$('sidebar-open').contains(target)) sidebar(false);
  });
  await setUpModels();
  await open(await setting('conversation', undefined));
  // a page that is about to be reloaded must not begin a download
  if (!globalThis.crossOriginIsolated && !sessionStorage.getItem('sotto-reloaded')) await registerServiceWorker();
  else void registerServiceWorker();
  const choice = await firstChoice(await setting('choice', null));
  if (choice) await choose(choice);
}

start().catch((error) => notice(`The page could not start: ${error?.message ?? error}`));
