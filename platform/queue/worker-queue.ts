import { Worker } from 'node:worker_threads';
import { installedProgram } from '../files.ts';
import { QueueError } from './errors.ts';
import type { Delivery, QueueOptions, WorkerQueue } from './types.ts';
import type { Call, FromThread, Taken, ToThread, WorkerQueueOptions } from './worker-messages.ts';

/** A worker's face of the queue, as its main thread uses it; all talk with the server is in a thread beside it. */

const PATIENCE_MS = 300_000;
const RETELL_MS = 10_000;
/** An event loop may be kept busy by one batch for as long as that takes on a slow machine. */
const STALL_MS = 900_000;
const BEAT_MS = 1000;
/** A thread that does not end by itself is ended. */
const CLOSE_MS = 5000;

export type OpenWorkerQueue = QueueOptions & { readonly uid: string } & Partial<WorkerQueueOptions>;

/** Starts the thread; the server is contacted by the first call. @throws QueueError (terminal) for a bad URL or file */
export async function openWorkerQueue(options: OpenWorkerQueue): Promise<WorkerQueue> {
  const workerData: WorkerQueueOptions = {
    patienceMs: PATIENCE_MS,
    retellMs: RETELL_MS,
    stallMs: STALL_MS,
    ...options,
  };
  const thread = new Worker(installedProgram('platform/queue/worker-thread.ts'), { workerData });
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let calls = 0;
  let failure: QueueError | null = null;

  const send = (message: ToThread): void => thread.postMessage(message);

  function call<T>(what: Call): Promise<T> {
    if (failure) return Promise.reject(failure);
    const answer = Promise.withResolvers<unknown>();
    const id = ++calls;
    waiting.set(id, answer);
    send({ type: 'call', id, call: what });
    return answer.promise as Promise<T>;
  }

  function fail(error: QueueError): void {
    failure ??= error;
    for (const { reject } of waiting.values()) reject(failure);
    waiting.clear();
  }

  thread.on('message', (message: FromThread) => {
    const answer = waiting.get(message.id);
    waiting.delete(message.id);
    if ('error' in message) {
      const { kind, message: text, reason } = message.error;
      answer?.reject(new QueueError(kind, text, { reason }));
    } else answer?.resolve(message.value);
  });
  thread.on('error', (cause) =>
    fail(
      cause instanceof QueueError
        ? cause
        : new QueueError('retryable', `the queue's thread failed: ${cause}`, { cause }),
    ),
  );
  thread.on('exit', () => fail(new QueueError('retryable', "the queue's thread has ended")));
  const beat = setInterval(() => send({ type: 'beat' }), BEAT_MS);
  beat.unref();

  function deliveryOf({ delivery, task, deliveryCount }: Taken): Delivery {
    return {
      task,
      deliveryCount,
      done: (event) => call({ op: 'done', delivery, event }),
      giveBack: (delayMs = 0) => call({ op: 'giveBack', delivery, delayMs }),
    };
  }

  return {
    tellPlan: (event) => call({ op: 'tellPlan', event }),
    take: async () => {
      const taken = await call<Taken | null>({ op: 'take' });
      return taken && deliveryOf(taken);
    },
    live: (event) => send({ type: 'live', event }),
    async close() {
      clearInterval(beat);
      const closed = call({ op: 'close' }).catch(() => {});
      const timer = Promise.withResolvers<void>();
      const timeout = setTimeout(timer.resolve, CLOSE_MS);
      await Promise.race([closed, timer.promise]);
      clearTimeout(timeout);
      await thread.terminate();
    },
  };
}
