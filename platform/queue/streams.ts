import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/transport-node';
import { progress, queue } from '../../contract/cluster.ts';
import { isMissing } from './failures.ts';

/** The streams, as the operator makes them. */

/** Numbers that tests make small. */
export interface StreamLimits {
  /** A delivery without a sign of life for this long goes to another worker. */
  readonly ackWaitMs: number;
  /** A message that was delivered so often stays parked. */
  readonly maxDeliver: number;
  /** Copies that a NATS cluster keeps. */
  readonly replicas: number;
}

export const DEFAULT_LIMITS: StreamLimits = { ackWaitMs: 30_000, maxDeliver: 20, replicas: 1 };

const HOUR_MS = 3_600_000;
const DEDUPE_MS = 6 * HOUR_MS;
/** Covers workers that start together and announce the same plan; short, so that a restored stream gets the plan again. */
const DEDUPE_PLAN_MS = 30_000;
/** As many deliveries as there can be workers. */
const MAX_IN_FLIGHT = 20_000;

/** Under which a stream says for which plan it is filled. */
export const FILLED_FOR = 'cohortfarm-filled-for';

/** Requests to JetStream's API; nothing is asked yet. */
export const managerOf = (connection: NatsConnection): Promise<JetStreamManager> =>
  jetstreamManager(connection, { checkAPI: false });

/**
 * Sequences of a recreated stream begin beyond those of the one that was lost, so that neither a late
 * acknowledgement nor a reader's place in the old stream means another message in the new one.
 */
const firstSequence = (): number => Date.now() * 1000;

const workStream = (uid: string, { replicas }: StreamLimits): Partial<StreamConfig> & { name: string } => ({
  name: queue.stream(uid),
  subjects: [queue.subject(uid)],
  description: 'CohortFarm: shards of one dataset that are to be done',
  retention: RetentionPolicy.Workqueue,
  storage: StorageType.File,
  duplicate_window: nanos(DEDUPE_MS),
  num_replicas: replicas,
  first_seq: firstSequence(),
});

const progressStream = ({ replicas }: StreamLimits): Partial<StreamConfig> & { name: string } => ({
  name: progress.stream,
  subjects: [progress.subjects],
  description: 'CohortFarm: the last word on each plan and shard',
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  max_msgs_per_subject: 1,
  duplicate_window: nanos(DEDUPE_PLAN_MS),
  num_replicas: replicas,
  first_seq: firstSequence(),
});

const workConsumer = ({ ackWaitMs, maxDeliver }: StreamLimits): Partial<ConsumerConfig> => ({
  durable_name: queue.consumer,
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  ack_wait: nanos(ackWaitMs),
  max_deliver: maxDeliver,
  max_ack_pending: MAX_IN_FLIGHT,
});

export async function ensureProgress(manager: JetStreamManager, limits: StreamLimits): Promise<StreamInfo> {
  return ensureStream(manager, progressStream(limits));
}

export async function ensureWork(manager: JetStreamManager, uid: string, limits: StreamLimits): Promise<void> {
  await ensureStream(manager, workStream(uid, limits));
  await manager.consumers.add(queue.stream(uid), workConsumer(limits));
}

const NAME_IN_USE = 10058;

async function ensureStream(
  manager: JetStreamManager,
  config: Partial<StreamConfig> & { name: string },
): Promise<StreamInfo> {
  try {
    return await manager.streams.info(config.name);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  try {
    return await manager.streams.add(config);
  } catch (error) {
    // Another operator made it a moment ago, with another first sequence.
    if (!(error instanceof JetStreamApiError) || error.code !== NAME_IN_USE) throw error;
    return manager.streams.info(config.name);
  }
}

/** The digest of the plan that a stream is filled for. */
export const filledFor = ({ config }: StreamInfo): string | null => config.metadata?.[FILLED_FOR] ?? null;
