import { StoppedError } from '../contract/failure.ts';
import { CONTENT_TYPES, DEGENERATE, objects } from '../contract/names.ts';
import { type Plan, type Sample, shardRange } from '../contract/plan/plan.ts';
import type { SampleRecord, ShardRecord } from '../contract/schema/record.ts';
import type { CellCount } from '../contract/schema/task.ts';
import { commitShard, listParts, readRecord, sealShard } from '../dataset/shard/commit.ts';
import { chainParts, encodePart, sampleMembers } from '../dataset/shard/part.ts';
import { discard, LostPartError, readSeal } from '../dataset/shard/seal.ts';
import { isDegenerate, type RawImage } from '../platform/image/image.ts';
import type { ObjectStore } from '../platform/store/store.ts';
import { type Attempt, createRefill, type FinishedPart, partRecord, type Refill } from './attempt-queue.ts';
import { BatchCounts } from './counts.ts';
import { roundScore, type Verdict } from './gate/verdict.ts';
import type { Keeper } from './rejected-store.ts';

/** The story of one shard, from nothing (or what a killed worker left) to its commit. */

/** Verdicts on one image, by gate name in the order of the spec. */
export type Verdicts = Readonly<Record<string, Verdict>>;

/** What the story needs done for it. */
export interface ShardContext {
  readonly plan: Plan;
  readonly store: ObjectStore;
  generate(batch: readonly { prompt: string; seed: number }[]): Promise<RawImage[]>;
  judge(images: readonly RawImage[], samples: readonly Sample[]): Promise<Verdicts[]>;
  encode(image: RawImage, prompt: string): Promise<Uint8Array>;
  readonly keeper: Keeper;
  /** The hardware that the images come from, such as "cpu". */
  readonly provider: string;
  readonly batchSize: number;
  readonly checkpointSamples: number;
  /** Once true, no part is begun any more; those that have begun are finished. */
  stopping(): boolean;
  onBatch(progress: BatchProgress): void;
  /** Says, before a shard is worked on, how many of its samples lie in stored parts. */
  onResume(progress: { shard: number; samples: number }): void;
}

/** What one batch brought. */
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
 * @throws StoppedError when asked to stop
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

async function generateParts(context: ShardContext, shard: number): Promise<void> {
  const { plan, store } = context;
  const { parts, missing } = chainParts(
    await listParts(store, shard),
    shardRange(plan, shard),
    context.checkpointSamples,
  );
  context.onResume({ shard, samples: parts.reduce((sum, { start, end }) => sum + end - start, 0) });
  const refill = createRefill(plan, missing);
  let storing: Promise<void> = Promise.resolve();
  for (;;) {
    const batch = refill.next(context.batchSize, !context.stopping());
    if (batch.length === 0) break;
    const finished = await runBatch(context, refill, shard, batch);
    // Storing overlaps the next batches, one part at a time; a failure surfaces at the next part or at the end.
    if (finished.length > 0) {
      await storing;
      storing = storeParts(context, shard, finished);
      storing.catch(() => {});
    }
  }
  await storing;
  if (context.stopping() && chainParts(await listParts(store, shard), shardRange(plan, shard), 1).missing.length > 0) {
    throw new StoppedError(`shard ${shard} was stopped after a part; run again to go on`);
  }
}

async function runBatch(
  context: ShardContext,
  refill: Refill,
  shard: number,
  batch: readonly Attempt[],
): Promise<FinishedPart[]> {
  const images = await context.generate(batch.map(({ sample, seed }) => ({ prompt: sample.prompt, seed })));
  const verdicts = await context.judge(
    images,
    batch.map(({ sample }) => sample),
  );
  const finished: (FinishedPart | null)[] = [];
  const counts = new BatchCounts();
  for (const [i, attempt] of batch.entries()) {
    const gate = refusedBy(images[i]!, verdicts[i]!);
    if (gate === undefined) {
      const members = encodeSample(context, attempt, images[i]!, verdicts[i]!);
      members.catch(() => {}); // Awaited with its part; until then a failure must not end the process.
      finished.push(refill.accept({ attempt, members }));
      counts.accept(attempt.sample.cell);
    } else {
      const refusal = { gate, scores: scoresOf(verdicts[i]!) };
      await context.keeper.keep({ attempt, refusal, encode: () => context.encode(images[i]!, attempt.sample.prompt) });
      const outcome = refill.reject(attempt, refusal);
      counts.reject(attempt.sample.cell, gate, outcome.exhausted !== null);
      finished.push(outcome.finished);
    }
  }
  context.onBatch({ shard, ...counts.progress() });
  return finished.filter((part) => part !== null);
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
    prompt: sample.prompt,
    seed: attempt.seed,
    attempt: attempt.attempt,
    scores: scoresOf(verdicts) as Record<string, number>,
    rejected: [...attempt.rejected],
    planDigest: plan.digest,
    modelDigest: plan.model.digest,
  };
  const extension = plan.spec.output.image.format === 'jpeg' ? 'jpg' : 'png';
  return sampleMembers(sample.key, extension, await context.encode(image, record.prompt), record);
}

async function storeParts(
  { plan, store, provider }: ShardContext,
  shard: number,
  parts: readonly FinishedPart[],
): Promise<void> {
  for (const part of parts) {
    const members = (await Promise.all(part.accepted.map((accepted) => accepted.members))).flat();
    const body = encodePart(partRecord(plan, part, provider), members);
    // A part that is there already was made by another worker from the same plan; the first one counts.
    await store.create(objects.part(shard, part.start, part.end), body, { contentType: CONTENT_TYPES.tar });
  }
}
