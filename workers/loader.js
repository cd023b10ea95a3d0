/** The loader's thread: brings one model into the memory that the engine made, then ends. */
import { toPlain } from '../js/errors.js';
import { serve } from '../js/host.js';
import { Instance } from './instance.js';
import { Load } from './load.js';

/** @type {Load | undefined} */
let load;
/** @type {WebAssembly.Module} */
let module;

serve(async (message, post) => {
  try {
    if (message.type === 'load') {
      module = message.module;
      load = new Load(message, (progress) => post({ type: 'progress', progress }));
      post({ type: 'header', ...(await load.header()) });
    } else if (message.type === 'target') {
      const instance = new Instance(module, message.memory, message.stack);
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
