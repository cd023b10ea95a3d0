/** A compute thread: joins the pool of its engine and stays there until the pool stops. */
import { serve } from '../js/host.js';
import { Instance } from './instance.js';

serve((message, post) => {
  if (message.type === 'hello') {
    post({ type: 'here' });
  } else if (message.type === 'join') {
    new Instance(message.module, message.memory, message.stack).x.worker_run(message.thread);
    post({ type: 'left' });
  }
});
