/**
 * The page's one model: loading with pause and resume, and a fresh chat per conversation.
 * Invariant: at most one load runs, and a model that is replaced is closed before the next one opens.
 */
import { loadModel } from './sotto/js/index.js';
import { engineOptions, settings } from './settings.js';

/** @typedef {{id: string, name: string, source: any}} Choice  source: what loadModel takes */

export const engine = {
  /** @type {Awaited<ReturnType<typeof loadModel>> | null} */
  model: null,
  /** @type {Choice | null} */
  choice: null,
  /** @type {'none'|'loading'|'paused'|'ready'|'failed'} */
  state: 'none',
  /** @type {AbortController | null} */
  loading: null,
};

/** @type {Set<() => void>} */
const listeners = new Set();
/** @param {() => void} listener */
export const onEngine = (listener) => listeners.add(listener);
/** @param {typeof engine.state} state */
function become(state) {
  engine.state = state;
  for (const listener of listeners) listener();
}

/** The access token for the hub, kept on this device. */
export const token = {
  get: () => localStorage.getItem('sotto-token') ?? '',
  /** @param {string} value */
  set: (value) => (value ? localStorage.setItem('sotto-token', value) : localStorage.removeItem('sotto-token')),
};

/**
 * The options that carry the token to a source: only the hub gets it, no other server.
 * @param {any} source
 */
export function tokenFor(source) {
  const ofHub = typeof source === 'string' && /^(hf:|https:\/\/huggingface\.co\/)/.test(source);
  return ofHub && token.get() ? { token: token.get() } : {};
}

/**
 * Bytes of memory that a model may take here; 0 where the device does not tell. The browser rounds what the device
 * has down and stops at 8 GiB, which is no limit for what fits a page.
 */
export function spareMemory() {
  const { deviceMemory = 8 } = /** @type {any} */ (navigator);
  return deviceMemory >= 8 ? 0 : deviceMemory * 0.7 * 2 ** 30;
}

/**
 * Loads a choice in place of the present model. Resolves true when it is ready, false when it was paused or
 * cancelled; throws the engine's error.
 * @param {Choice} choice @param {(p: any) => void} onProgress
 */
export async function load(choice, onProgress) {
  engine.loading?.abort();
  await unload();
  const controller = new AbortController();
  engine.loading = controller;
  engine.choice = choice;
  become('loading');
  try {
    const model = await loadModel(choice.source, {
      ...engineOptions(),
      memoryLimit: spareMemory() || undefined,
      signal: controller.signal,
      onProgress,
      ...tokenFor(choice.source),
    });
    if (controller.signal.aborted) {
      await model.close();
      return false;
    }
    if (model.info.encoder) {
      await model.close();
      throw new Error('This model makes vectors of texts; it cannot chat.');
    }
    engine.model = model;
    become('ready');
    return true;
  } catch (error) {
    if (controller.signal.aborted) {
      if (engine.loading === controller) become(controller.signal.reason === 'pause' ? 'paused' : 'none');
      return false;
    }
    become('failed');
    throw error;
  } finally {
    if (engine.loading === controller) engine.loading = null;
  }
}

/** Stops the download; what has arrived stays on disk, so that loading the choice again goes on from there. */
export const pause = () => engine.loading?.abort('pause');
export const cancel = () => engine.loading?.abort('cancel');

export async function unload() {
  const model = engine.model;
  engine.model = null;
  if (model) await model.close();
  if (engine.state === 'ready') become('none');
}

/**
 * A chat that holds the given turns. Nothing is evaluated until the next question; the engine then reuses what
 * it has in common with the turns before.
 * @param {{role: string, content: string}[]} messages
 */
export function chatOf(messages) {
  if (!engine.model) throw new Error('No model is loaded.');
  return engine.model.createChat({
    ...(settings.system ? { system: settings.system } : {}),
    messages: messages.map(({ role, content }) => ({ role, content })),
  });
}
