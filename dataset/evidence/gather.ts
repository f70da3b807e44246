import type { Evidence } from '../../contract/schema/evidence.ts';
import type { Gate } from '../../contract/schema/spec.ts';
import { fromHalf } from '../../platform/half.ts';
import type { HalfMatrix } from '../../platform/npy.ts';
import { type Reference, readReference } from '../reference.ts';
import { type Described, evidenceInSteps, type RealImages } from './evidence.ts';
import { type Features, featuresOfHalves, scaleToUnit } from './features.ts';
import { type Group, groupName, isOf } from './groups.ts';
import { createRefusalCounter, type JudgedSample, type RefusedCell } from './refused.ts';
import { boundedGroups, createSampler } from './sample.ts';

/** The evidence about a cohort whose shards are read one after another, in bounded memory. */

export interface Cohort {
  /** Digest of the plan. */
  readonly planDigest: string;
  /** SHA-256 of the encoder. */
  readonly encoder: string;
  /** The values of all axes of each cell, in order of the grid. */
  readonly cells: readonly Group[];
  /** Gates of the plan, of which those of type Novelty count. */
  readonly gates: readonly Gate[];
}

/** An image as far as it counts here. */
export interface GatheredSample {
  readonly key: string;
  readonly record: JudgedSample;
}

export interface Gatherer {
  /** Takes the images of a shard, and their features in the same order. */
  add(samples: readonly GatheredSample[], features: HalfMatrix): void;
  /** Null when there were no images. @param cells the outcome of each cell, with its axis values */
  finish(reference: RealImages | null, cells: readonly RefusedCell[]): Promise<Evidence | null>;
}

export function createGatherer({ planDigest, encoder, cells, gates }: Cohort): Gatherer {
  const refusals = createRefusalCounter(gates);
  const sampler = createSampler<Uint16Array>(boundedGroups(cells), planDigest);
  const counts = new Map<string, { readonly group: Group; images: number }>();
  return {
    add(samples, { columns, bits }) {
      for (const [row, { key, record }] of samples.entries()) {
        const group = record.axes;
        sampler.add({ key, group, item: bits.slice(row * columns, (row + 1) * columns) });
        const count = counts.get(groupName(group)) ?? { group, images: 0 };
        count.images++;
        counts.set(groupName(group), count);
        refusals.add(record);
      }
    },
    async finish(reference, tallies) {
      const kept = sampler.finish();
      if (kept.length === 0) return null;
      return evidenceInSteps({
        encoder,
        seed: planDigest,
        synthetic: {
          features: featuresOfHalves(kept.map(({ item }) => item)),
          keys: kept.map(({ key }) => key),
          groups: kept.map(({ group }) => group),
        },
        imagesOf: (group) =>
          [...counts.values()].reduce((sum, cell) => sum + (isOf(group, cell.group) ? cell.images : 0), 0),
        cells,
        reference,
        refused: refusals.finish(boundedGroups(cells).groups, tallies),
      });
    },
  };
}

/** Columns of a reference beside those of axes. */
const OWN = new Set(['split', 'image', 'patient', 'nearest']);

/** Reads a reference. @param sha256 digest of its folder */
export const readRealImages = async (dir: string, sha256: string): Promise<RealImages> =>
  realImagesOf(await readReference(dir), sha256);

/** SHA-256 and features, of length 1, of the training images of a reference. */
export function trainingOf(reference: Reference): { readonly keys: readonly string[]; readonly unit: Features } {
  const { keys, features } = realImagesOf(reference, '').training;
  scaleToUnit(features);
  return { keys, unit: features };
}

/** The two sides of a reference. @param sha256 digest of its folder */
export function realImagesOf({ description, features, rows }: Reference, sha256: string): RealImages {
  const { columns, bits } = features;
  const { training, heldOut } = description.images;
  const side = (start: number, end: number): Described => ({
    features: {
      rows: end - start,
      dimensions: columns,
      values: fromHalf(bits.subarray(start * columns, end * columns)),
    },
    keys: rows.slice(start, end).map((row) => row.image!),
    groups: rows
      .slice(start, end)
      .map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => !OWN.has(name)))),
  });
  return { sha256, training: side(0, training), heldOut: side(training, training + heldOut) };
}
