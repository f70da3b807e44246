import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDataset } from '../contract/validate/parse.ts';
import { openStore } from '../platform/store/store.ts';
import { arraySource } from '../worker/array-source.ts';
import { engineStart, shardContext } from '../worker/context.ts';
import { startEngine } from '../worker/engine/engine.ts';
import { prepare } from '../worker/prepare.ts';
import { createKeeper } from '../worker/rejected-store.ts';
import { runShard } from '../worker/run-shard.ts';
import { work } from '../worker/work.ts';

/** The worker end to end: prompt, noise, denoise, decode, JPEG, tar, commit; gates off. */

export const PROMPT = '63 year old BLACK female. Moderate cardiomegaly .';
export const GUIDANCE = 3;

export interface WorkerOptions {
  readonly model: string;
  readonly images: number;
  readonly batch: number;
  readonly steps: number;
}

/** The resource that the benchmarks grow: one cell, one shard. */
export function benchDataset({ model, images, batch, steps }: WorkerOptions) {
  return parseDataset({
    apiVersion: 'cohortfarm.dev/v1alpha1',
    kind: 'SyntheticDataset',
    metadata: { name: 'bench' },
    spec: {
      quota: { samples: images, axes: { sex: { values: ['female'] } } },
      prompt: { template: PROMPT },
      model: { uri: model, sampling: { scheduler: 'PNDM', steps, guidanceScale: GUIDANCE, height: 128, width: 128 } },
      output: { uri: 'unused', shard: { samples: images } },
      workers: { batchSize: batch, checkpointSamples: images },
    },
  });
}

/** Returns an action that grows one whole shard into a fresh directory. The model is loaded once. */
export async function endToEnd(options: WorkerOptions): Promise<() => Promise<void>> {
  const prepared = await prepare(benchDataset(options), { baseDir: process.cwd(), cacheDir: tmpdir() });
  const engine = startEngine({ start: engineStart(prepared, { provider: 'cpu', threads: null }) });
  await engine.ready;
  return async () => {
    const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-bench-'));
    try {
      const store = openStore(dir);
      const quiet = { onBatch: () => {}, onResume: () => {}, onSampled: () => {} };
      const context = shardContext(prepared.plan, store, engine, {
        keeper: createKeeper(prepared.plan, store),
        ...quiet,
      });
      await runShard(context, 0);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  };
}

/**
 * Returns an action that grows all shards with so many engines, which share the threads of the machine; its seconds begin
 * when the engines are ready.
 * @param options.shard images of a shard
 */
export async function enginesOf(
  options: WorkerOptions & { readonly shard: number },
  count: number,
): Promise<() => Promise<number>> {
  const dataset = benchDataset(options);
  dataset.spec.output.shard.samples = options.shard;
  const prepared = await prepare(dataset, { baseDir: process.cwd(), cacheDir: tmpdir() });
  const fail = (why: string): never => {
    throw new Error(why);
  };
  return async () => {
    const output = await mkdtemp(join(tmpdir(), 'cohortfarm-bench-'));
    let ready = 0;
    const none = () => {};
    try {
      await work({
        prepared,
        store: openStore(output),
        claimant: { owner: { kind: 'Run', id: 'bench' }, above: [] },
        source: arraySource({
          shards: Array.from({ length: prepared.plan.shards }, (_, shard) => shard),
          onRetry: (_, why) => fail(why),
        }),
        engines: { count, provider: 'cpu', threads: Math.max(1, Math.floor(availableParallelism() / count)) },
        name: 'bench',
        stop: new AbortController().signal,
        observer: {
          ready: () => {
            ready = performance.now();
          },
          begun: none,
          resumed: none,
          sampled: none,
          committed: none,
          crashed: fail,
        },
      });
      return (performance.now() - ready) / 1000;
    } finally {
      await rm(output, { recursive: true, force: true });
    }
  };
}
