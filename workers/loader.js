/** The loader's thread: brings one model into the memory that the engine made, then ends. */
import { toPlain } from '../js/errors.js';
import { serve } from '../js/host.js';
import { Instance } from './instance.js';
import { Load } from './load.js';

/** @type {Load | undefined} */
let load;
/** @type {(module: WebAssembly.Module) => void} */
let compiled;
/** @type {Promise<WebAssembly.Module>} */
const compiling = new Promise((resolve) => (compiled = resolve));

serve(async (message, post) => {
  try {
    if (message.type === 'load') {
      load = new Load(message, compiling, (progress) => post({ type: 'progress', progress }));
      post({ type: 'header', ...(await load.header()) });
    } else if (message.type === 'module') {
      compiled(message.module);
    } else if (message.type === 'target') {
      const instance = new Instance(await compiling, message.memory, message.stack);
      await load?.feed(instance, message.model, message.scratch);
      const stored = !!load?.stored;
      const reason = load?.unstored;
      await load?.close();
      post({ type: 'loaded', stored, reason });
    } else if (message.type === 'stop') {
      await load?.close();
      post({ type: 'stopped' });
    }
  } catch (error) {
    await load?.close().catch(() => {});
    post({ type: 'failure', id: 0, error: toPlain(error) });
  }
});
