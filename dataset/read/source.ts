import type { Manifest, Outline } from '../../contract/schema/manifest.ts';
import type { CellTally } from '../../contract/schema/record.ts';
import type { Place } from './index-file.ts';

/** A dataset as the browser sees it, published or still growing. */

/** The wanted samples; from a manifest, or an outline. */
export type Wanted = Pick<Outline, 'name' | 'planDigest' | 'model' | 'first' | 'cells' | 'dataset' | 'encoder'> & {
  /** Once it is published. */
  readonly plan?: Manifest['plan'];
  readonly evidence?: Manifest['evidence'];
};

export interface Counts {
  /** The cells that have any, in any order. */
  readonly tallies: readonly CellTally[];
  readonly committed: number;
}

/** The place of a sample. */
export type Located =
  | { readonly state: 'stored'; readonly object: string; readonly place: Place }
  | { readonly state: 'exhausted' | 'pending' };

export interface Source {
  readonly state: 'published' | 'running';
  readonly wanted: Wanted;
  readonly shards: number;
  counts(): Promise<Counts>;
  locate(index: number): Promise<Located>;
  /** The row of a sample in the features of its shard; null where there is no image, or its shard is not committed. */
  featureRow(index: number): Promise<FeatureRow | null>;
}

export interface FeatureRow {
  /** The object of the features of its shard. */
  readonly key: string;
  readonly row: number;
}

/** The row of a sample among the images of its shard; null when it has none. @param exhausted of the shard, in order */
export const rowInShard = (sample: number, start: number, exhausted: readonly number[]): number | null =>
  exhausted.includes(sample) ? null : sample - start - exhausted.filter((other) => other < sample).length;
