import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { StoppedError } from '../contract/failure.ts';
import type { SyntheticDataset } from '../contract/schema/spec.ts';
import { decodePart } from '../dataset/shard/part.ts';
import { readShardSamples } from '../dataset/shard/read.ts';
import { TAR_END } from '../dataset/shard/tar.ts';
import { type ObjectStore, openStore } from '../platform/store/store.ts';
import { arraySource } from '../worker/array-source.ts';
import type { Prepared } from '../worker/prepare.ts';
import { work } from '../worker/work.ts';

/** Measures a plan: its first images are grown on this machine, by one engine, in a temporary folder. */

export interface Measurement {
  readonly accepted: number;
  readonly attempts: number;
  /** Images that one engine generates in a second, accepted or not; null after a single batch. */
  readonly imagesPerSecond: number | null;
  /** Mean bytes of an accepted image; null when none was accepted. */
  readonly imageBytes: number | null;
  /** The execution provider that the engine computed on. */
  readonly engine: string;
}

/** Grows images until so many are accepted, or all of the plan. Nothing of it is left. */
export async function measure(
  prepared: Prepared,
  { spec }: SyntheticDataset,
  images: number,
  stop: AbortSignal,
): Promise<Measurement> {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-measure-'));
  try {
    const store = openStore(folder);
    const enough = new AbortController();
    const batches: { readonly attempts: number; readonly accepted: number; readonly at: number }[] = [];
    let engine = '';
    let accepted = 0;
    const { plan } = prepared;
    const shards = Math.min(plan.shards, Math.ceil(images / plan.spec.output.shard.samples));
    await work({
      prepared,
      store,
      claimant: { owner: { kind: 'Run', id: 'measure' } },
      source: arraySource({ shards: [...Array(shards).keys()], onRetry: () => {} }),
      engines: { count: 1, provider: spec.model.executionProvider, threads: availableParallelism() },
      name: 'measure',
      stop: AbortSignal.any([stop, enough.signal]),
      observer: {
        ready: ({ provider }) => {
          engine = provider;
        },
        begun: () => {},
        resumed: () => {},
        sampled(batch) {
          batches.push({ ...batch, at: performance.now() / 1000 });
          accepted += batch.accepted;
          if (accepted >= images) enough.abort(new StoppedError('enough is measured'));
        },
        committed: () => {},
        crashed: () => {},
      },
    }).catch((error: unknown) => {
      if (!(error instanceof StoppedError) || stop.aborted) throw error;
    });
    const attempts = batches.reduce((sum, batch) => sum + batch.attempts, 0);
    return { accepted, attempts, imagesPerSecond: rateOf(batches), imageBytes: await meanBytes(store), engine };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The first batch warms up: time counts from its end. */
function rateOf(batches: readonly { readonly attempts: number; readonly at: number }[]): number | null {
  const [first, ...others] = batches;
  const last = others.at(-1);
  if (!first || !last || last.at <= first.at) return null;
  return others.reduce((sum, { attempts }) => sum + attempts, 0) / (last.at - first.at);
}

/** The mean size of the images that were stored, in parts or in shards. */
async function meanBytes(store: ObjectStore): Promise<number | null> {
  let [images, bytes] = [0, 0];
  for await (const { key } of store.list('')) {
    if (!key.endsWith('.tar')) continue;
    const tar = (await store.get(key))!;
    const members = key.startsWith('shards/') ? tar : Buffer.concat([decodePart(tar).members, TAR_END]);
    for (const { image } of readShardSamples(members)) {
      images++;
      bytes += image.size;
    }
  }
  return images > 0 ? bytes / images : null;
}
