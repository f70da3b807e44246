import type { ReasonName } from '../../contract/reasons.ts';
import type { LiveEvent, PlanEvent, ShardEvent, Task } from '../../contract/schema/task.ts';
import type { QueueErrorKind } from './errors.ts';
import type { QueueOptions } from './types.ts';

/** What a worker's main thread and the thread of its queue say to each other. */

export interface WorkerQueueOptions extends QueueOptions {
  readonly uid: string;
  /** How long calls wait for a server that is away, and for a stream that is not filled yet. */
  readonly patienceMs: number;
  /** A worker that waits for a stream to be filled tells its plan again so often. */
  readonly retellMs: number;
  /** A main thread that shows no sign of life for so long is taken for stuck: its shard goes to another worker. */
  readonly stallMs: number;
}

/** Calls that are answered. */
export type Call =
  | { readonly op: 'tellPlan'; readonly event: PlanEvent }
  | { readonly op: 'take' }
  | { readonly op: 'done'; readonly delivery: number; readonly event: ShardEvent }
  | { readonly op: 'giveBack'; readonly delivery: number; readonly delayMs: number }
  | { readonly op: 'close' };

export type ToThread =
  | { readonly type: 'call'; readonly id: number; readonly call: Call }
  | { readonly type: 'live'; readonly event: LiveEvent }
  | { readonly type: 'beat' };

/** A delivery as the main thread knows it. */
export interface Taken {
  readonly delivery: number;
  readonly task: Task;
  readonly deliveryCount: number;
}

export type FromThread =
  | { readonly id: number; readonly value: unknown }
  | {
      readonly id: number;
      readonly error: { readonly kind: QueueErrorKind; readonly message: string; readonly reason: ReasonName };
    };
