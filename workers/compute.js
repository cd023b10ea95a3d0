/** A compute thread: joins the pool of its engine and stays there until the pool stops. */
import { serve } from '../js/host.js';
import { Instance } from './instance.js';

serve((message, post) => {
  if (message.type === 'hello') {
    post({ type: 'here' });
  } else if (message.type === 'join') {
    try {
      new Instance(message.module, message.memory, message.stack).x.worker_run(message.thread);
    } catch (error) {
      /* The engine may be waiting for this thread in a barrier, where it hears of nothing but the pool. */
      new Instance(message.module, message.memory, message.stack).x.workers_lost();
      throw error;
    }
    post({ type: 'left' });
  }
});
