import { parentPort, workerData } from 'node:worker_threads';
import { QueueError } from './errors.ts';
import type { Call, FromThread, ToThread, WorkerQueueOptions } from './worker-messages.ts';
import { WorkerSession } from './worker-session.ts';

/** A thread of its own for a worker's connection to NATS: sampling must not keep it from saying that the work goes on. */

let session: WorkerSession | null = null;
let failure: unknown;
try {
  session = new WorkerSession(workerData as WorkerQueueOptions);
} catch (error) {
  // An error that ends a thread loses its class on the way.
  failure = error;
}
const answer = (message: FromThread): void => parentPort!.postMessage(message);

async function perform(call: Call): Promise<unknown> {
  if (!session) throw failure;
  switch (call.op) {
    case 'tellPlan':
      return session.tellPlan(call.event);
    case 'take':
      return session.take();
    case 'done':
      return session.done(call.delivery, call.event);
    case 'giveBack':
      return session.giveBack(call.delivery, call.delayMs);
    case 'close':
      return session.close();
  }
}

parentPort!.on('message', (message: ToThread) => {
  session?.beat();
  if (message.type === 'live') session?.live(message.event);
  if (message.type !== 'call') return;
  perform(message.call).then(
    (value) => answer({ id: message.id, value }),
    (error) => {
      const { retryable, reason } = error instanceof QueueError ? error : new QueueError('retryable', '');
      const kind = retryable ? 'retryable' : 'terminal';
      answer({ id: message.id, error: { kind, reason, message: String(error.message) } });
    },
  );
});
