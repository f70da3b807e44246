import type { Manifest, Outline } from '../../contract/schema/manifest.ts';
import type { CellTally } from '../../contract/schema/record.ts';
import type { Place } from './index-file.ts';

/** A dataset as the browser sees it, published or still growing. */

/** The wanted samples; from a manifest, or an outline. */
export type Wanted = Pick<Outline, 'name' | 'planDigest' | 'model' | 'first' | 'cells' | 'dataset'> & {
  /** Once it is published. */
  readonly plan?: Manifest['plan'];
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
}
