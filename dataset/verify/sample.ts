import { appliesTo, isRecordedWithin, passInterval } from '../../contract/gates/gate-types.ts';
import { DEGENERATE, DIGITAL_SOURCE_TYPE, PAIR } from '../../contract/names.ts';
import { type Sample, seedOf } from '../../contract/plan/plan.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { SampleRecord } from '../../contract/schema/record.ts';
import type { Gate } from '../../contract/schema/spec.ts';
import {
  bitDepthOf,
  decodeImage,
  ImageSizeError,
  isDegenerate,
  readSyntheticMark,
} from '../../platform/image/image.ts';
import type { Rebuilt } from './rebuild.ts';

/** Requirements on one sample of a shard. */

/** Faults of a sample's record against the plan: each one line, without the sample's name. */
export function recordFaults(
  record: SampleRecord,
  text: string,
  expected: Sample,
  manifest: Manifest,
  rebuilt: Rebuilt,
): string[] {
  const faults: string[] = [];
  const same = (what: string, found: unknown, wanted: unknown): void => {
    if (JSON.stringify(found) !== JSON.stringify(wanted))
      faults.push(`${what} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
  };
  same('index', record.index, expected.index);
  same('cell', record.cell, rebuilt.cells[expected.cell]);
  same('axes', sorted(record.axes), sorted(expected.axes));
  same('sets', record.sets && sorted(record.sets), expected.sets && sorted(expected.sets));
  same('pair', record.pair, expected.pair);
  same('planDigest', record.planDigest, manifest.planDigest);
  same('the .txt member', text, record.prompt);
  if (!rebuilt.fromTable) {
    same('prompt', record.prompt, expected.prompt);
    same('exact', sorted(record.exact), sorted(expected.exact));
  }
  const { maxAttempts } = rebuilt.plan.spec.quality;
  if (record.attempt >= maxAttempts) return [...faults, `attempt is ${record.attempt}, the last is ${maxAttempts - 1}`];
  same('seed', record.seed, seedOf(rebuilt.plan, expected.index, record.attempt));
  same(
    'attempts before',
    record.rejected.map(({ attempt, seed }) => [attempt, seed]),
    earlierAttempts(record, rebuilt),
  );
  const { gates } = rebuilt.plan;
  same('modelDigest', record.modelDigest, manifest.model.digest);
  return [...faults, ...gates.flatMap((gate) => gateFaults(gate, record)), ...rejectionFaults(gates, record, expected)];
}

const sorted = (map: object): unknown => Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));

const earlierAttempts = (record: SampleRecord, { plan }: Rebuilt): number[][] =>
  Array.from({ length: record.attempt }, (_, attempt) => [attempt, seedOf(plan, record.index, attempt)]);

/** Scores of gates that judge the sample, and rejections by one of them: of no other name. */
function rejectionFaults(gates: readonly Gate[], record: SampleRecord, { pair }: Sample): string[] {
  const judging = gates.filter((gate) => appliesTo(gate, record.axes)).map(({ name }) => name);
  const rejecting = [...judging, DEGENERATE, ...(pair === undefined ? [] : [PAIR])];
  const strange = (scores: object): string[] => Object.keys(scores).filter((name) => !judging.includes(name));
  return [
    ...strange(record.scores).map((name) => `gate ${name} does not judge it`),
    ...record.rejected.flatMap(({ attempt, gate, scores }) => [
      ...strange(scores).map((name) => `gate ${name} did not judge attempt ${attempt}`),
      ...(rejecting.includes(gate) ? [] : [`gate ${gate} cannot have rejected attempt ${attempt}`]),
    ]),
  ];
}

/** The recorded score must pass the gate as the spec states it. */
function gateFaults(gate: Gate, record: SampleRecord): string[] {
  const { axes, exact, scores } = record;
  if (!appliesTo(gate, axes)) return [];
  const score = scores[gate.name];
  if (score === undefined) return [`gate ${gate.name} gave no score`];
  if (gate.enforce === false) return [];
  const passed = isRecordedWithin(passInterval(gate, exact), score);
  return passed ? [] : [`gate ${gate.name} would not pass a score of ${score}`];
}

/** Faults of an image: it must decode, have the plan's size and bits, and say that it is synthetic. */
export async function imageFaults(bytes: Uint8Array, { model, dataset }: Manifest): Promise<string[]> {
  const image = await decodeImage(bytes, model).catch((error: Error) => error);
  if (image instanceof ImageSizeError) return [image.message];
  if (image instanceof Error) return [`the image cannot be decoded: ${image.message}`];
  const faults: string[] = [];
  const [bits, wanted] = [bitDepthOf(image.data), dataset.spec.output.image.bitDepth];
  if (bits !== wanted) faults.push(`the image has ${bits} bits, not ${wanted}`);
  if (isDegenerate(image.data)) faults.push('the image shows nothing');
  if ((await readSyntheticMark(bytes)) !== DIGITAL_SOURCE_TYPE)
    faults.push('the image does not say that it is synthetic');
  return faults;
}
