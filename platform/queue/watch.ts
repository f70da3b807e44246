import { setTimeout as sleep } from 'node:timers/promises';
import { type ConsumerMessages, DeliverPolicy, type JsMsg, jetstream } from '@nats-io/jetstream';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { live, progress, uidOfSubject } from '../../contract/cluster.ts';
import { liveEventSchema, planEventSchema, shardEventSchema, stepEventSchema } from '../../contract/schema/task.ts';
import type { Logger } from '../log.ts';
import type { ReconnectingConnection } from './connection.ts';
import { wrapQueueError } from './failures.ts';
import { decodePayload } from './payload.ts';
import { ensureProgress, managerOf, type StreamLimits } from './streams.ts';
import type { ProgressWatch, QueueEvent } from './types.ts';

/**
 * Follows the events of workers: the progress stream from the beginning, then on from the last message seen, over as many
 * connections as it takes.
 */

interface WatchContext {
  readonly nats: ReconnectingConnection;
  readonly limits: StreamLimits;
  readonly log: Logger;
  readonly onEvent: (event: QueueEvent) => void;
}

const PAUSE_MS = 500;
/** A stream that was removed under the watch is noticed within a few of these. */
const HEARTBEAT_MS = 2500;
const EXPIRES_MS = 10_000;

export function watchProgress(context: WatchContext): ProgressWatch {
  const { nats, log } = context;
  const place: Place = { last: 0, current: false };
  let malformed = 0;
  let closing = false;
  let session: ConsumerMessages | null = null;

  function hand(message: Msg | JsMsg): void {
    const event = readEvent(message);
    if ('fault' in event) {
      malformed++;
      log.warn({ subject: message.subject, fault: event.fault }, 'skipped a message that is not an event');
      return;
    }
    try {
      context.onEvent(event);
    } catch (err) {
      log.error({ err, uid: event.uid, kind: event.kind }, 'an event could not be taken in');
    }
  }

  async function follow(connection: NatsConnection): Promise<void> {
    const reports = connection.subscribe(live.subjects, {
      callback: (err, message) => (err ? log.warn({ err }, 'live events cannot be followed') : hand(message)),
    });
    try {
      session = await consume(connection, context.limits, place);
      // A lost connection ends this session; the next resumes from the last message seen.
      void nats.changed().then(() => session?.close());
      for await (const message of session) {
        hand(message);
        place.last = message.seq;
        if (message.info.pending === 0) place.current = true;
      }
    } finally {
      place.current = false;
      reports.unsubscribe();
      await session?.close();
    }
  }

  async function run(): Promise<void> {
    while (!closing && !nats.closed) {
      try {
        await follow(await nats.connection(Number.POSITIVE_INFINITY));
      } catch (error) {
        if (!closing && !nats.closed)
          log.warn({ err: wrapQueueError(error, 'follow the progress', nats.url) }, 'following again');
      }
      if (!closing) await sleep(PAUSE_MS);
    }
  }

  const done = run();
  return {
    current: () => place.current && nats.connected,
    malformed: () => malformed,
    async close() {
      closing = true;
      await session?.close();
      await Promise.race([done, sleep(5000, undefined, { ref: false })]);
    },
  };
}

interface Place {
  /** Sequence of the last message handed over. */
  last: number;
  current: boolean;
}

/** Reads on from the place, or from the beginning of a stream that has lost what was read. */
async function consume(connection: NatsConnection, limits: StreamLimits, place: Place): Promise<ConsumerMessages> {
  const { state } = await ensureProgress(await managerOf(connection), limits);
  if (state.last_seq < place.last) place.last = 0;
  const consumer = await jetstream(connection).consumers.get(progress.stream, {
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: place.last + 1,
  });
  if ((await consumer.info(true)).num_pending === 0) place.current = true;
  return consumer.consume({ expires: EXPIRES_MS, idle_heartbeat: HEARTBEAT_MS, abort_on_missing_resource: true });
}

function readEvent(message: Msg | JsMsg): QueueEvent | { fault: string } {
  const uid = uidOfSubject(message.subject);
  if (uid === null) return { fault: 'its subject names no dataset' };
  const kind = kindOf(message.subject, uid);
  if (kind === 'plan') return eventOf(decodePayload(message, planEventSchema), (event) => ({ uid, kind, event }));
  if (kind === 'shard') return eventOf(decodePayload(message, shardEventSchema), (event) => ({ uid, kind, event }));
  if (kind === 'live') return eventOf(decodePayload(message, liveEventSchema), (event) => ({ uid, kind, event }));
  if (kind === 'step') return eventOf(decodePayload(message, stepEventSchema), (event) => ({ uid, kind, event }));
  return { fault: 'its subject is of no kind' };
}

function kindOf(subject: string, uid: string): QueueEvent['kind'] | null {
  if (subject === live.subject(uid)) return 'live';
  if (subject === live.step(uid)) return 'step';
  if (subject === progress.plan(uid)) return 'plan';
  return subject.startsWith(progress.shard(uid, 0).slice(0, -1)) ? 'shard' : null;
}

const eventOf = <T>(
  decoded: { value: T } | { fault: string },
  wrap: (event: T) => QueueEvent,
): QueueEvent | { fault: string } => ('fault' in decoded ? decoded : wrap(decoded.value));
