import { sha256 } from '../contract/digest.ts';
import { Failure } from '../contract/failure.ts';
import { CONTENT_TYPES, objects } from '../contract/names.ts';
import { type Plan, shardRange } from '../contract/plan/plan.ts';
import type { ShardRecord } from '../contract/schema/record.ts';
import type { CellCount } from '../contract/schema/task.ts';
import { commitShard, listParts, readRecord, sealShard } from '../dataset/shard/commit.ts';
import { chainParts, encodePart } from '../dataset/shard/part.ts';
import { discard, LostPartError, readSeal } from '../dataset/shard/seal.ts';
import type { RawImage } from '../platform/image/image.ts';
import type { ObjectStore } from '../platform/store/store.ts';
import { createAhead, type SampledBatch, type Trial } from './ahead.ts';
import { type Attempt, createRefill, type FinishedPart, partRecord, type Refill } from './attempt-queue.ts';
import type { Engine } from './engine/engine.ts';
import type { SampledImage } from './engine/messages.ts';
import { createPairJoiner, wholePairs } from './pair-joiner.ts';
import type { Keeper } from './rejected-store.ts';
import { Sequence } from './sequence.ts';
import { type JudgedImage, orderOf, settleBatch } from './settle.ts';

/** The story of one shard, from nothing (or what a killed worker left) to its commit. */

/** Actions of a shard's run on the world outside. */
export interface ShardContext {
  readonly plan: Plan;
  readonly store: ObjectStore;
  /** Samples and judges; a call may be open while the next one is made. */
  readonly sample: Engine['sample'];
  encode(image: RawImage, prompt: string): Promise<Uint8Array>;
  readonly keeper: Keeper;
  /** The hardware that the images come from, as `hardwareOf` names it. */
  readonly provider: string;
  readonly batchSize: number;
  /** See `Engine`. */
  readonly rows: number;
  readonly checkpointSamples: number;
  onBatch(progress: BatchProgress): void;
  /** Says, before a shard is worked on, how many of its samples lie in stored parts. */
  onResume(progress: { shard: number; samples: number }): void;
  /** Says that nothing more is sampled for the shard: only storing and the commit are left. */
  onSampled(): void;
}

/** Result of one batch. */
export interface BatchProgress {
  readonly shard: number;
  readonly attempts: number;
  readonly accepted: number;
  readonly rejected: Readonly<Record<string, number>>;
  /** The same by cell, for the cells that had an image in the batch. */
  readonly cells: readonly CellCount[];
}

/**
 * Brings a shard to its commit and returns its record. Work that the store already holds is not done again.
 * A sample without an accepted attempt is recorded as exhausted; what that means for the dataset is decided when it is published.
 * When sampling fails or is stopped, images that are accepted already are stored first, as far as they follow one another.
 * @throws what sampling or storing throws
 */
export async function runShard(context: ShardContext, shard: number): Promise<ShardRecord> {
  const { store, plan } = context;
  const committed = await readRecord(store, plan, shard);
  if (committed) return committed;
  for (let remade = 0; ; remade++) {
    try {
      return await finishShard(context, shard);
    } catch (error) {
      if (remade === MAX_REMADE) throw error;
      if (error instanceof LostPartError) await discard(store, shard, error);
      else if (!(error instanceof OtherPartError)) throw error;
    }
  }
}

/** A part is there already, with other images: the shard is worked on again from what is stored. */
class OtherPartError extends Failure {
  constructor(message: string) {
    super('Retrying', message, { retryable: true });
  }
}

/** Lost or damaged parts of one shard that are made again before the worker gives up: more is a broken store. */
const MAX_REMADE = 10;

async function finishShard(context: ShardContext, shard: number): Promise<ShardRecord> {
  const { store, plan } = context;
  const seal = await readSeal(store, plan, shard);
  if (seal) return commitShard(store, plan, { seal });
  await generateParts(context, shard);
  return commitShard(store, plan, await sealShard(store, plan, shard));
}

/** Rejected images that wait to be stored, before sampling waits for them. */
const MAX_KEPT_WAITING = 64;

/** Batches asked for at a time: one that is worked on, and one that the engine begins while this process looks at the last. */
const BATCHES_AHEAD = 2;

async function generateParts(context: ShardContext, shard: number): Promise<void> {
  const { plan, store } = context;
  const { parts, missing } = chainParts(
    await listParts(store, shard),
    shardRange(plan, shard),
    wholePairs(plan, context.checkpointSamples),
  );
  context.onResume({ shard, samples: parts.reduce((sum, { start, end }) => sum + end - start, 0) });
  const refill = createRefill(plan, missing);
  const joiner = createPairJoiner<JudgedImage>(plan);
  const order = await orderOf(context, parts, missing);
  const storing = new Sequence();
  const keeping = new Sequence();
  const keepPart = (part: FinishedPart): void => storing.add(() => storePart(context, shard, part));
  try {
    for await (const { batch, images } of sampleBatches(context, refill)) {
      for (const part of settleBatch(context, { refill, joiner, keeping, order }, shard, batch, images)) keepPart(part);
      storing.throwIfFailed();
      await keeping.shorterThan(MAX_KEPT_WAITING);
    }
  } catch (error) {
    for (const part of refill.decided()) keepPart(part);
    await Promise.allSettled([storing.done(), keeping.done()]); // The first error counts.
    throw error;
  }
  context.onSampled();
  await storing.done();
  await keeping.done();
}

/**
 * Samples until nothing is left to try. The next batch is asked for before the last one is looked at, so that the device
 * does not wait; but only a full one, since what the last one rejects may fill it. So a batch with rows to spare is open alone,
 * and they get attempts that it may need next.
 */
async function* sampleBatches(context: ShardContext, refill: Refill): AsyncGenerator<SampledBatch, void> {
  const asked: { batch: readonly Attempt[]; trials: readonly Trial[]; images: Promise<SampledImage[]> }[] = [];
  const ahead = createAhead(context, refill);
  for (;;) {
    for (let due = ahead.due(); due.batch.length > 0; due = ahead.due()) yield due;
    while (asked.length < BATCHES_AHEAD) {
      const batch = refill.next(context.batchSize, { full: asked.length > 0 });
      if (batch.length === 0) break;
      const trials = ahead.choose(batch);
      const images = context.sample(
        [...batch, ...trials].map(({ seed, sample: { prompt, axes, exact } }) => ({ prompt, seed, axes, exact })),
      );
      images.catch(() => {}); // Awaited below, or not at all once another batch has failed.
      asked.push({ batch, trials, images });
    }
    const first = asked.shift();
    if (!first) return;
    const { batch, trials } = first;
    const images = await first.images;
    ahead.keep(trials, images.slice(batch.length));
    yield { batch, images: images.slice(0, batch.length) };
  }
}

async function storePart({ plan, store, provider }: ShardContext, shard: number, part: FinishedPart): Promise<void> {
  const members = (await Promise.all(part.accepted.map((accepted) => accepted.members))).flat();
  const features = part.accepted.flatMap((accepted) => (accepted.features ? [accepted.features] : []));
  const body = encodePart(partRecord(plan, part, provider), members, features);
  // A part that is there already was made by another worker from the same plan; the first one counts.
  const key = objects.part(shard, part.start, part.end);
  const written = await store.create(key, body, { contentType: CONTENT_TYPES.tar });
  if (written === 'created' || !plan.gates.some(({ against }) => against === 'Cohort')) return;
  // Later images were compared with ours: where the hardware does not repeat, they must be compared with those that count.
  const stored = await store.get(key);
  if (stored && sha256(stored) !== sha256(...body)) throw new OtherPartError(`${store.uri}/${key} is another worker's`);
}
