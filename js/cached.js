import { hasFiles } from './host.js';
import { listStored, removeStored } from './store.js';
import { toParts } from './source.js';

/**
 * @typedef {object} CachedModel
 * @property {string} url
 * @property {string} name
 * @property {number} bytes stored
 * @property {number} size of the whole file, 0 where unknown
 * @property {boolean} complete
 * @property {number} usedAt milliseconds since 1970
 */

/**
 * The models in the cache, complete or not, the most recently used first.
 * @param {{cacheFolder?: string}} [options]
 * @returns {Promise<CachedModel[]>}
 */
export async function cachedModels(options = {}) {
  const list = await listStored(options.cacheFolder);
  return list.sort((a, b) => b.usedAt - a.usedAt);
}

/**
 * Deletes a model from the cache; a model that is open stays usable.
 * @param {string | URL} url as in cachedModels, or as given to loadModel
 * @param {{cacheFolder?: string, hubUrl?: string}} [options]
 * @returns {Promise<boolean>} whether there was one
 */
export async function deleteCachedModel(url, options = {}) {
  const [part] = toParts(String(url), { hubUrl: options.hubUrl ?? 'https://huggingface.co' });
  if (part.kind !== 'url') return false;
  const run = () => removeStored(part.url, options.cacheFolder);
  return !hasFiles && navigator.locks ? navigator.locks.request(`sotto:${part.url}`, run) : run();
}
