import type { PrefixOwner } from '../contract/schema/record.ts';
import type { SyntheticDataset } from '../contract/schema/spec.ts';
import type { ProviderName } from '../diffusion/onnx.ts';
import type { ResourceContext } from '../platform/resource.ts';
import type { BatchProgress } from './run-shard.ts';

/** What a local farm and its worker processes say to each other, over Node's IPC channel. */

export interface StartMessage {
  readonly type: 'start';
  readonly dataset: SyntheticDataset;
  /** The plan that the worker must arrive at by itself. */
  readonly planDigest: string;
  readonly resources: ResourceContext;
  readonly output: string;
  readonly owner: PrefixOwner;
  readonly adoptFrom?: string | undefined;
  readonly provider: ProviderName;
  readonly threads: number;
}

export type ToWorker = StartMessage | { readonly type: 'shard'; readonly shard: number } | { readonly type: 'stop' };

export type FromWorker =
  | { readonly type: 'idle' }
  | ({ readonly type: 'progress' } & Omit<BatchProgress, 'cells'>)
  | { readonly type: 'resumed'; readonly shard: number; readonly samples: number }
  | {
      readonly type: 'committed';
      readonly shard: number;
      readonly attempts: number;
      readonly accepted: number;
      readonly exhausted: number;
    }
  | { readonly type: 'failed'; readonly exitCode: number; readonly message: string };
