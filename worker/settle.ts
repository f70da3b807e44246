import { Failure } from '../contract/failure.ts';
import { roundScore } from '../contract/gates/gate-types.ts';
import { FARTHEST_DISTANCE } from '../contract/gates/novelty.ts';
import { DEGENERATE, imageExtension, sampleKey } from '../contract/names.ts';
import type { Plan } from '../contract/plan/plan.ts';
import type { SampleRecord } from '../contract/schema/record.ts';
import { readPart } from '../dataset/shard/commit.ts';
import { type StoredPart, sampleMembers } from '../dataset/shard/part.ts';
import { areZero } from '../platform/half.ts';
import { isDegenerate } from '../platform/image/image.ts';
import { rowOf } from '../platform/npy.ts';
import type { Attempt, FinishedPart, Refill, Refusal } from './attempt-queue.ts';
import { BatchCounts } from './counts.ts';
import type { SampledImage, Verdicts } from './engine/messages.ts';
import { judge } from './gate/verdict.ts';
import { isByPair, type Judged, type PairJoiner } from './pair-joiner.ts';
import type { ShardContext } from './run-shard.ts';
import type { Sequence } from './sequence.ts';
import { createShardOrder, type Nearest, type ShardOrder, type StoredImage } from './shard-order.ts';

/** The decision on sampled images: accepted, or refused and tried again. */

/** An image that all gates but those against the cohort let pass. */
interface Candidate {
  readonly attempt: Attempt;
  readonly encoded: Promise<Uint8Array>;
  readonly verdicts: Verdicts;
  readonly features: Uint16Array | undefined;
}

/** The order in which images are held against one another; null without a gate that asks for it. */
export async function orderOf(
  { plan, store }: ShardContext,
  parts: readonly StoredPart[],
  missing: readonly { start: number; end: number }[],
): Promise<ShardOrder<Candidate> | null> {
  if (!plan.gates.some(({ against }) => against === 'Cohort')) return null;
  const stored: StoredImage[] = [];
  for (const { key } of parts) {
    const { record, features } = await readPart(store, plan, key);
    const exhausted = new Set(record.exhausted);
    let row = 0;
    for (let index = record.start; index < record.end; index++)
      if (!exhausted.has(index)) stored.push({ index, features: rowOf(features!, row++) });
  }
  return createShardOrder(missing, stored);
}

export interface JudgedImage extends Judged, SampledImage {}

interface Settling {
  readonly refill: Refill;
  readonly joiner: PairJoiner<JudgedImage>;
  readonly keeping: Sequence;
  readonly order: ShardOrder<Candidate> | null;
}

/** Decides on the images of a batch, and on images that have waited for theirs. */
export function settleBatch(
  context: ShardContext,
  settling: Settling,
  shard: number,
  batch: readonly Attempt[],
  images: readonly SampledImage[],
): FinishedPart[] {
  const { joiner, order } = settling;
  const counts = new BatchCounts();
  const outcomes = outcomesOf(context, settling, counts);
  for (const [i, attempt] of batch.entries()) {
    const sampled = images[i]!;
    const judged = joiner.add({ attempt, ...sampled, gate: refusedBy(sampled) });
    for (const { attempt, image, verdicts, features, gate } of judged) {
      const encode = () => context.encode(image, attempt.sample.prompt);
      if (gate !== undefined) {
        outcomes.refuse(attempt, { gate, ...scoresOf(verdicts) }, encode);
        continue;
      }
      if (context.plan.spec.quality.encoder && !features)
        throw new Failure('ProviderUnavailable', 'the engine gives no features; install one that fits this worker');
      const encoded = encode();
      encoded.catch(() => {}); // Awaited with its part or its entry.
      const candidate = { attempt, encoded, verdicts, features };
      if (order) order.offer(attempt.sample.index, features!, candidate);
      else outcomes.accept(candidate);
    }
  }
  order?.decide((candidate, nearest) => {
    const verdicts = { ...candidate.verdicts, ...cohortVerdicts(context.plan, nearest) };
    const gate = firstRefusal(verdicts);
    if (gate === undefined) outcomes.accept({ ...candidate, verdicts });
    else outcomes.refuse(candidate.attempt, { gate, ...scoresOf(verdicts) }, () => candidate.encoded);
    return gate === undefined;
  });
  context.onBatch({ shard, ...counts.progress() });
  return outcomes.finished;
}

/** The two ends of an image; parts that it completes are gathered in `finished`. */
function outcomesOf(context: ShardContext, { refill, keeping, order }: Settling, counts: BatchCounts) {
  const finished: FinishedPart[] = [];
  return {
    finished,
    accept(candidate: Candidate): void {
      const { attempt, features } = candidate;
      const members = encodeSample(context, candidate);
      members.catch(() => {}); // Awaited with its part; until then a failure must not end the process.
      counts.accept(attempt.sample.cell);
      const part = refill.accept({ attempt, members, features });
      if (part) finished.push(part);
    },
    refuse(attempt: Attempt, refusal: Refusal, encode: () => Promise<Uint8Array>): void {
      const { cell, index } = attempt.sample;
      // An image that passes by itself shows nothing of why its pair was rejected.
      if (!isByPair(refusal.gate) && context.keeper.wants(cell))
        keeping.add(() => context.keeper.keep({ attempt, refusal, encode }));
      const outcome = refill.reject(attempt, refusal);
      if (outcome.exhausted) order?.exhaust(index);
      counts.reject(cell, refusal.gate, outcome.exhausted !== null);
      if (outcome.finished) finished.push(outcome.finished);
    },
  };
}

/** Verdicts of the gates against the cohort. The first image of a shard is as far from others as can be. */
function cohortVerdicts(plan: Plan, nearest: Nearest | null): Verdicts {
  const gates = plan.gates.filter(({ against }) => against === 'Cohort');
  return Object.fromEntries(
    gates.map((gate) => [
      gate.name,
      nearest
        ? { ...judge(gate, [nearest.distance]), nearest: sampleKey(nearest.sample) }
        : judge(gate, [FARTHEST_DISTANCE]),
    ]),
  );
}

/** The name that an image's refusal is counted under: the first gate in order that refuses it; undefined if none does. */
function refusedBy({ image, verdicts, features }: SampledImage): string | undefined {
  const isNothing = isDegenerate(image.data) || (features && areZero(features));
  return isNothing ? DEGENERATE : firstRefusal(verdicts);
}

const firstRefusal = (verdicts: Verdicts): string | undefined =>
  Object.entries(verdicts).find(([, verdict]) => !verdict.passed)?.[0];

/** The fields of a record that say what the gates found. */
function scoresOf(verdicts: Verdicts): Pick<Refusal, 'scores' | 'nearest'> {
  const entries = Object.entries(verdicts);
  const nearest = entries.flatMap(([gate, verdict]) =>
    verdict.nearest === undefined ? [] : [[gate, verdict.nearest]],
  );
  return {
    scores: Object.fromEntries(entries.map(([gate, { score }]) => [gate, roundScore(score)])),
    ...(nearest.length > 0 && { nearest: Object.fromEntries(nearest) }),
  };
}

async function encodeSample({ plan }: ShardContext, candidate: Candidate): Promise<Uint8Array[]> {
  const { attempt, encoded, verdicts } = candidate;
  const { sample } = attempt;
  const record: SampleRecord = {
    apiVersion: 'cohortfarm.dev/sample/v1',
    synthetic: true,
    index: sample.index,
    cell: plan.allocation.grid.cells[sample.cell]!.id,
    axes: { ...sample.axes },
    ...(sample.sets && {
      sets: Object.fromEntries(Object.entries(sample.sets).map(([axis, set]) => [axis, [...set]])),
    }),
    exact: { ...sample.exact },
    ...(sample.sourceId !== undefined && { sourceId: sample.sourceId }),
    ...(sample.pair !== undefined && { pair: sample.pair }),
    prompt: sample.prompt,
    seed: attempt.seed,
    attempt: attempt.attempt,
    ...(scoresOf(verdicts) as Pick<SampleRecord, 'scores' | 'nearest'>),
    rejected: [...attempt.rejected],
    planDigest: plan.digest,
    modelDigest: plan.model.digest,
  };
  const extension = imageExtension(plan.spec.output.image.format);
  return sampleMembers(sample.key, extension, await encoded, record);
}
