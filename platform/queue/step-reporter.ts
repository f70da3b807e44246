import { live } from '../../contract/cluster.ts';
import type { StepEvent } from '../../contract/schema/task.ts';
import { ReconnectingConnection } from './connection.ts';
import { encodePayload } from './payload.ts';
import type { QueueOptions } from './types.ts';

/** The queue as the publish pod uses it: to report how far it is. Reports may be lost, and hold nothing up. */

export interface StepReporter {
  /** As often as one likes. */
  report(done: number, all: number): void;
  close(): Promise<void>;
}

const INTERVAL_MS = 2000;

/** Begins to connect and returns at once. @throws QueueError (terminal) for a bad URL */
export function openStepReporter({ uid, ...options }: QueueOptions & { readonly uid: string }): StepReporter {
  const nats = new ReconnectingConnection(options);
  // Until the first report the pod fetches models: that time says nothing of the steps.
  let first: { readonly done: number; readonly at: number } | undefined;
  let sentAt = 0;
  const eventOf = (done: number, all: number): StepEvent => {
    first ??= { done, at: Date.now() };
    const rate = (done - first.done) / (Date.now() - first.at);
    return { done, all, ...(rate > 0 && { secondsLeft: Math.round((all - done) / rate / 1000) }) };
  };
  return {
    report(done, all) {
      const event = eventOf(done, all);
      if (!nats.connected || (done < all && Date.now() - sentAt < INTERVAL_MS)) return;
      sentAt = Date.now();
      const send = async () => (await nats.connection(0)).publish(live.step(uid), encodePayload(event).data);
      void send().catch(() => {}); // The next one says it again.
    },
    close: () => nats.close(),
  };
}
