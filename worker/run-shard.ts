import { roundScore } from '../contract/gates/gate-types.ts';
import { CONTENT_TYPES, DEGENERATE, imageExtension, objects } from '../contract/names.ts';
import { type Plan, shardRange } from '../contract/plan/plan.ts';
import type { SampleRecord, ShardRecord } from '../contract/schema/record.ts';
import type { CellCount } from '../contract/schema/task.ts';
import { commitShard, listParts, readRecord, sealShard } from '../dataset/shard/commit.ts';
import { chainParts, encodePart, sampleMembers } from '../dataset/shard/part.ts';
import { discard, LostPartError, readSeal } from '../dataset/shard/seal.ts';
import { isDegenerate, type RawImage } from '../platform/image/image.ts';
import type { ObjectStore } from '../platform/store/store.ts';
import { type Attempt, createRefill, type FinishedPart, partRecord, type Refill } from './attempt-queue.ts';
import { BatchCounts } from './counts.ts';
import type { Engine } from './engine/engine.ts';
import type { SampledImage, Verdicts } from './engine/messages.ts';
import { createPairJoiner, isByPair, type Judged, type PairJoiner, wholePairs } from './pair-joiner.ts';
import type { Keeper } from './rejected-store.ts';

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
      if (!(error instanceof LostPartError) || remade === MAX_REMADE) throw error;
      await discard(store, shard, error);
    }
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
  const storing = new Sequence();
  const keeping = new Sequence();
  const keepPart = (part: FinishedPart): void => storing.add(() => storePart(context, shard, part));
  try {
    for await (const { batch, images } of sampleBatches(context, refill)) {
      for (const part of settleBatch(context, { refill, joiner, keeping }, shard, batch, images)) keepPart(part);
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

interface SampledBatch {
  readonly batch: readonly Attempt[];
  readonly images: readonly SampledImage[];
}

/**
 * Samples until nothing is left to try. The next batch is asked for before the last one is looked at, so that the device
 * does not wait; but only a full one, since what the last one rejects may fill it.
 */
async function* sampleBatches(context: ShardContext, refill: Refill): AsyncGenerator<SampledBatch, void> {
  const asked: { batch: readonly Attempt[]; images: Promise<SampledImage[]> }[] = [];
  for (;;) {
    while (asked.length < BATCHES_AHEAD) {
      const batch = refill.next(context.batchSize, { full: asked.length > 0 });
      if (batch.length === 0) break;
      const images = context.sample(
        batch.map(({ seed, sample: { prompt, axes, exact } }) => ({ prompt, seed, axes, exact })),
      );
      images.catch(() => {}); // Awaited below, or not at all once another batch has failed.
      asked.push({ batch, images });
    }
    const first = asked.shift();
    if (!first) return;
    yield { batch: first.batch, images: await first.images };
  }
}

/** Does one thing after another, apart from the caller, who asks later whether all went well. */
class Sequence {
  #last: Promise<void> = Promise.resolve();
  #failure: { error: unknown } | null = null;
  #waiting = 0;

  add(action: () => Promise<void>): void {
    this.#waiting++;
    this.#last = this.#last.then(async () => {
      if (!this.#failure) await action();
    });
    this.#last = this.#last
      .catch((error) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#waiting--;
      });
  }

  /** Waits while that many actions or more wait for their turn. */
  async shorterThan(limit: number): Promise<void> {
    if (this.#waiting >= limit) await this.#last;
    this.throwIfFailed();
  }

  throwIfFailed(): void {
    if (this.#failure) throw this.#failure.error;
  }

  async done(): Promise<void> {
    await this.#last;
    this.throwIfFailed();
  }
}

interface JudgedImage extends Judged, SampledImage {}

interface Settling {
  readonly refill: Refill;
  readonly joiner: PairJoiner<JudgedImage>;
  readonly keeping: Sequence;
}

function settleBatch(
  context: ShardContext,
  settling: Settling,
  shard: number,
  batch: readonly Attempt[],
  images: readonly SampledImage[],
): FinishedPart[] {
  const counts = new BatchCounts();
  const finished = batch.flatMap((attempt, i) => {
    const { image, verdicts } = images[i]!;
    const judged = settling.joiner.add({ attempt, image, verdicts, gate: refusedBy(image, verdicts) });
    return judged.map((one) => settleImage(context, settling, counts, one));
  });
  context.onBatch({ shard, ...counts.progress() });
  return finished.filter((part) => part !== null);
}

function settleImage(
  context: ShardContext,
  { refill, keeping }: Settling,
  counts: BatchCounts,
  { attempt, image, verdicts, gate }: JudgedImage,
): FinishedPart | null {
  const { cell, prompt } = attempt.sample;
  if (gate === undefined) {
    const members = encodeSample(context, attempt, image, verdicts);
    members.catch(() => {}); // Awaited with its part; until then a failure must not end the process.
    counts.accept(cell);
    return refill.accept({ attempt, members });
  }
  const refusal = { gate, scores: scoresOf(verdicts) };
  // An image that passes by itself shows nothing of why its pair was rejected.
  if (!isByPair(gate) && context.keeper.wants(cell)) {
    const encode = () => context.encode(image, prompt);
    keeping.add(() => context.keeper.keep({ attempt, refusal, encode }));
  }
  const outcome = refill.reject(attempt, refusal);
  counts.reject(cell, gate, outcome.exhausted !== null);
  return outcome.finished;
}

/** The name that an image's refusal is counted under: the first gate in order that refuses it; undefined if none does. */
function refusedBy(image: RawImage, verdicts: Verdicts): string | undefined {
  if (isDegenerate(image.data)) return DEGENERATE;
  return Object.entries(verdicts).find(([, verdict]) => !verdict.passed)?.[0];
}

const scoresOf = (verdicts: Verdicts): Record<string, number | null> =>
  Object.fromEntries(Object.entries(verdicts).map(([gate, { score }]) => [gate, roundScore(score)]));

async function encodeSample(
  context: ShardContext,
  attempt: Attempt,
  image: RawImage,
  verdicts: Verdicts,
): Promise<Uint8Array[]> {
  const { plan } = context;
  const { sample } = attempt;
  const record: SampleRecord = {
    apiVersion: 'cohortfarm.dev/sample/v1',
    synthetic: true,
    index: sample.index,
    cell: plan.allocation.grid.cells[sample.cell]!.id,
    axes: { ...sample.axes },
    exact: { ...sample.exact },
    ...(sample.sourceId !== undefined && { sourceId: sample.sourceId }),
    ...(sample.pair !== undefined && { pair: sample.pair }),
    prompt: sample.prompt,
    seed: attempt.seed,
    attempt: attempt.attempt,
    scores: scoresOf(verdicts) as Record<string, number>,
    rejected: [...attempt.rejected],
    planDigest: plan.digest,
    modelDigest: plan.model.digest,
  };
  const extension = imageExtension(plan.spec.output.image.format);
  return sampleMembers(sample.key, extension, await context.encode(image, record.prompt), record);
}

async function storePart({ plan, store, provider }: ShardContext, shard: number, part: FinishedPart): Promise<void> {
  const members = (await Promise.all(part.accepted.map((accepted) => accepted.members))).flat();
  const body = encodePart(partRecord(plan, part, provider), members);
  // A part that is there already was made by another worker from the same plan; the first one counts.
  await store.create(objects.part(shard, part.start, part.end), body, { contentType: CONTENT_TYPES.tar });
}
