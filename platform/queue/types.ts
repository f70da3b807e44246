import type { LiveEvent, PlanEvent, ShardEvent, StepEvent } from '../../contract/schema/task.ts';

/** The queue's two faces: the operator's, which owns the streams, and a worker's, which takes shards from one of them. */

/** The address of a server and the credentials for it. */
export interface QueueOptions {
  /** `nats://host:4222`; several servers of one cluster with commas between. */
  readonly url: string;
  /** Path of a NATS credentials file, read at each connection. */
  readonly credentials?: string;
  /** Path of a token to present instead, read at each connection. */
  readonly token?: string;
  /** Begins the subjects of answers; `_INBOX` by default. */
  readonly inboxPrefix?: string;
  /** The name that the server shows for this client, such as the pod's name. */
  readonly name?: string;
}

/** State of a dataset's work-queue stream. */
export interface QueueState {
  /** Shards not acknowledged: available + inFlight + parked. */
  readonly messages: number;
  /** Never delivered yet. */
  readonly available: number;
  /** With a worker, or with one that died or gave it back, waiting to be delivered again. */
  readonly inFlight: number;
  /** Delivered `maxDeliver` times without success: not delivered any more until `resetConsumer`. */
  readonly parked: number;
  /** Shards ever put into this stream. */
  readonly added: number;
  /** Digest of the plan whose shards were all put in; null before. */
  readonly filledFor: string | null;
  /** When the stream was made (RFC 3339): another one after a server has lost its disk. */
  readonly created: string;
}

/** Events of workers. Plans and shards are delivered at least once each, in any order; all others may be lost. */
export type QueueEvent =
  | { readonly uid: string; readonly kind: 'plan'; readonly event: PlanEvent }
  | { readonly uid: string; readonly kind: 'shard'; readonly event: ShardEvent }
  | { readonly uid: string; readonly kind: 'live'; readonly event: LiveEvent }
  | { readonly uid: string; readonly kind: 'step'; readonly event: StepEvent };

export interface ProgressWatch {
  /**
   * True once every plan and shard that was stored when the watch connected has been handed over. False again while the
   * server is unreachable, until what came meanwhile has been read.
   */
  current(): boolean;
  /** Messages that are not events as this version writes them; they are logged and skipped. */
  malformed(): number;
  close(): Promise<void>;
}

/** The operator's face. Methods reject with a QueueError; all but the reading ones may be repeated without harm. */
export interface QueueAdmin {
  /** Whether the server is connected now. It is tried for ever, at most every two seconds. */
  readonly connected: boolean;
  /** Why it is not connected, for a condition: names the server and the fix. Null while it is connected. */
  readonly problem: string | null;
  /** Makes the dataset's stream and consumer and the progress stream where they are missing. */
  ensureStreams(uid: string): Promise<void>;
  /** Puts one message for each shard into the dataset's stream, and then records there which plan it is filled for. */
  fill(uid: string, planDigest: string, shards: Iterable<number>): Promise<void>;
  /** Null when the stream or its consumer is missing. */
  state(uid: string): Promise<QueueState | null>;
  /** Resets the count of deliveries: parked messages become available again. */
  resetConsumer(uid: string): Promise<void>;
  /**
   * Removes the dataset's stream and recreates it, empty and not filled: for shards that turn out to be missing although
   * they were acknowledged, whose message ids the old stream would take for duplicates.
   */
  remake(uid: string): Promise<void>;
  /** Removes the dataset's stream and all its events. */
  remove(uid: string): Promise<void>;
  /** Delivers every stored plan and shard event, new ones from now on, and live events. Survives lost servers and disks. */
  watchProgress(onEvent: (event: QueueEvent) => void): ProgressWatch;
  close(): Promise<void>;
}

/** One shard that is this worker's until it is complete or released, or its ack_wait passes without a sign of life. */
export interface Lease {
  readonly shard: number;
  /** From 1. */
  readonly deliveryCount: number;
  /**
   * Stores the shard's event, then acknowledges the shard. Where that does not arrive, the next worker finds the shard's
   * record in the store.
   */
  complete(event: ShardEvent): Promise<void>;
  /** Makes the shard available again after a failure. @returns whether this worker may take another. @throws what ends it */
  release(error?: unknown): Promise<boolean>;
}

/** The source of a worker's shards. */
export interface ShardSource {
  /** Reports the plan, before the first shard is asked for. Once the signal is aborted, it rejects with its reason. */
  announce(plan: PlanEvent, signal?: AbortSignal): Promise<void>;
  /**
   * The next shard; null when none is available any more. Once the signal is aborted, it takes no shard, and rejects with its
   * reason.
   */
  next(signal?: AbortSignal): Promise<Lease | null>;
  /** Reports running work, as often as one likes: reports are merged, and may be lost. */
  report(live: LiveEvent): void;
  close(): Promise<void>;
}
