import { type JetStreamClient, type JetStreamManager, jetstream } from '@nats-io/jetstream';
import { progress, queue } from '../../contract/cluster.ts';
import type { Task } from '../../contract/schema/task.ts';
import type { Logger } from '../log.ts';
import { ReconnectingConnection } from './connection.ts';
import { QueueError } from './errors.ts';
import { isMissing, wrapQueueError } from './failures.ts';
import { encodePayload } from './payload.ts';
import {
  DEFAULT_LIMITS,
  ensureProgress,
  ensureWork,
  FILLED_FOR,
  filledFor,
  managerOf,
  type StreamLimits,
} from './streams.ts';
import type { QueueAdmin, QueueOptions, QueueState } from './types.ts';
import { watchProgress } from './watch.ts';

/** The operator's face of the queue. */

export interface QueueAdminOptions extends QueueOptions {
  readonly log: Logger;
  readonly limits?: Partial<StreamLimits>;
}

/** A request without a connection fails after this long: the operator requeues by itself. */
const PATIENCE_MS = 2000;
const IN_FLIGHT = 256;

/** Begins to connect and returns at once. @throws QueueError (terminal) for a bad URL */
export function openQueueAdmin({ log, limits: changed, ...options }: QueueAdminOptions): QueueAdmin {
  const nats = new ReconnectingConnection(options);
  const limits = { ...DEFAULT_LIMITS, ...changed };

  async function ask<T>(action: string, uid: string, run: (api: Api) => Promise<T>): Promise<T> {
    assertUid(uid);
    try {
      const connection = await nats.connection(PATIENCE_MS);
      return await run({ manager: await managerOf(connection), client: jetstream(connection) });
    } catch (error) {
      throw wrapQueueError(error, `${action} of dataset ${uid}`, nats.url);
    }
  }

  return {
    get connected() {
      return nats.connected;
    },
    get problem() {
      return nats.problem;
    },
    ensureStreams: (uid) =>
      ask('make the streams', uid, async ({ manager }) => {
        await Promise.all([ensureProgress(manager, limits), ensureWork(manager, uid, limits)]);
      }),
    fill: (uid, planDigest, shards) =>
      ask('fill the queue', uid, async ({ manager, client }) => {
        await putAll(client, uid, planDigest, shards);
        const { config } = await manager.streams.info(queue.stream(uid));
        const metadata = { ...config.metadata, [FILLED_FOR]: planDigest };
        await manager.streams.update(queue.stream(uid), { metadata });
      }),
    state: (uid) => ask('read the queue', uid, ({ manager }) => readState(manager, uid)),
    resetConsumer: (uid) =>
      ask('reset the delivery count of the queue', uid, async ({ manager }) => {
        await tolerateMissing(manager.consumers.delete(queue.stream(uid), queue.consumer));
        await ensureWork(manager, uid, limits);
      }),
    remake: (uid) =>
      ask('recreate the stream', uid, async ({ manager }) => {
        await tolerateMissing(manager.streams.delete(queue.stream(uid)));
        await ensureWork(manager, uid, limits);
      }),
    remove: (uid) =>
      ask('remove the queue', uid, async ({ manager }) => {
        await tolerateMissing(manager.streams.delete(queue.stream(uid)));
        await tolerateMissing(manager.streams.purge(progress.stream, { filter: progress.ofDataset(uid) }));
      }),
    watchProgress: (onEvent) => watchProgress({ nats, limits, log, onEvent }),
    close: () => nats.close(),
  };
}

interface Api {
  readonly manager: JetStreamManager;
  readonly client: JetStreamClient;
}

/** A UID becomes part of subjects, where dots and wildcards mean something. */
function assertUid(uid: string): void {
  if (!/^[A-Za-z0-9-]+$/.test(uid))
    throw new QueueError('terminal', `${JSON.stringify(uid)} is not the UID of a dataset`);
}

async function tolerateMissing(call: Promise<unknown>): Promise<void> {
  await call.catch((error) => {
    if (!isMissing(error)) throw error;
  });
}

/** Publishes with a bounded number of messages under way. Stops at the first that fails. */
async function putAll(
  client: JetStreamClient,
  uid: string,
  planDigest: string,
  shards: Iterable<number>,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  const put = async (shard: number): Promise<void> => {
    const { data, headers } = encodePayload({ planDigest, shard } satisfies Task);
    await client.publish(queue.subject(uid), data, { headers, msgID: queue.messageId(planDigest, shard) });
  };
  for (const shard of shards) {
    const one: Promise<void> = put(shard).finally(() => underWay.delete(one));
    one.catch(() => {}); // Raced or awaited below.
    underWay.add(one);
    if (underWay.size >= IN_FLIGHT) await Promise.race(underWay);
  }
  await Promise.all(underWay);
}

async function readState(manager: JetStreamManager, uid: string): Promise<QueueState | null> {
  try {
    // In this order: what is acknowledged between the two answers must not look parked.
    const consumer = await manager.consumers.info(queue.stream(uid), queue.consumer);
    const stream = await manager.streams.info(queue.stream(uid));
    const { messages, last_seq: last } = stream.state;
    const [available, inFlight] = [consumer.num_pending, consumer.num_ack_pending];
    return {
      messages,
      available,
      inFlight,
      parked: Math.max(0, messages - available - inFlight),
      added: last - (stream.config.first_seq || 1) + 1,
      filledFor: filledFor(stream),
      created: stream.created,
    };
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
