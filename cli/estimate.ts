import { wilson } from '../contract/interval.ts';
import { type ImageKind, sampleBytes } from '../contract/plan/limits.ts';
import type { Measurement } from './measure.ts';

/** The cost of growing a dataset: images to generate, device hours, storage, money. Pure arithmetic on stated assumptions. */

export interface EstimateInput {
  /** Accepted images wanted. */
  readonly samples: number;
  readonly image: ImageKind;
  readonly workers: number;
  /** GPUs of each worker; 0: it computes on CPUs. */
  readonly gpus: number;
  /** Images that one worker generates in a second, accepted or not. */
  readonly imagesPerSecond: number;
  /** Share of the generated images that pass the gates, each by itself. */
  readonly acceptance: number;
  /** Samples that pass together or not at all; 1 without pairs. */
  readonly pairSize?: number;
  /** Price of one GPU (or of one worker without a GPU) for one hour. */
  readonly price?: number;
  /** Price of one gigabyte (10^9 bytes) for one month. */
  readonly storagePrice?: number;
  /** Bytes of an image file, where known. */
  readonly imageBytes?: number;
}

export interface Estimate {
  readonly generated: number;
  /** Hours of all GPUs together; of all workers together where there are none. */
  readonly deviceHours: number;
  /** From the first image to the last, with all workers at work. */
  readonly hours: number;
  /** Size of the published dataset; while it grows, parts of unfinished shards come on top. */
  readonly bytes: number;
  readonly cost?: number;
  readonly storageCostPerMonth?: number;
}

export function estimate(input: EstimateInput): Estimate {
  const { samples, workers, gpus, imagesPerSecond, acceptance, pairSize = 1, price, storagePrice } = input;
  const generated = Math.ceil(samples / acceptance ** pairSize);
  const workerHours = generated / imagesPerSecond / 3600;
  const deviceHours = workerHours * Math.max(1, gpus);
  const bytes = Math.ceil(samples * sampleBytes(input.image, input.imageBytes));
  return {
    generated,
    deviceHours,
    hours: workerHours / workers,
    bytes,
    ...(price !== undefined && { cost: deviceHours * price }),
    ...(storagePrice !== undefined && { storageCostPerMonth: (bytes / 1e9) * storagePrice }),
  };
}

/** The share of images that pass by themselves, as in an estimate. A measurement accepts pairs whole: its share is a power. */
export const imageAcceptance = ({ accepted, attempts }: Measurement, pairSize: number): number =>
  (accepted / attempts) ** (1 / pairSize);

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

/** The probability that samples are left without an image. */
export interface Exhaustion {
  /** Share of the images that pass the gates, as assumed. */
  readonly acceptance: number;
  /** That at least one sample fails all its attempts: 1 - (1 - (1 - a)^maxAttempts)^samples. */
  readonly probability: number;
  /** Samples that do, on average. */
  readonly expected: number;
  /** The least `maxAttempts` with which that happens in fewer than one dataset of a hundred. */
  readonly sufficientAttempts: number;
}

/** As if every image passed with the same probability, whatever its cell. */
export function exhaustion(samples: number, maxAttempts: number, acceptance: number): Exhaustion {
  // In logarithms: the chances of one sample are tiny, those of half a million are not.
  const [miss, pass] = [Math.log1p(-acceptance), (p: number) => samples * Math.log1p(-p)];
  const oneFails = Math.exp(maxAttempts * miss);
  const tolerable = -Math.expm1(Math.log(0.99) / samples);
  return {
    acceptance,
    probability: -Math.expm1(pass(oneFails)),
    expected: samples * oneFails,
    sufficientAttempts: Math.max(1, Math.ceil(Math.log(tolerable) / miss)),
  };
}

/** One sentence for people; what may be done about it must be done before the dataset is begun. */
export function describeExhaustion(
  { acceptance, probability, expected, sufficientAttempts }: Exhaustion,
  { maxAttempts, onExhausted }: { readonly maxAttempts: number; readonly onExhausted: 'Fail' | 'Shortfall' },
): string {
  const percent = (share: number): string => (share < 0.0001 ? 'less than 0.01 %' : `${short.format(share * 100)} %`);
  const some = expected < 0.01 ? 'fewer than 0.01' : short.format(expected);
  const advice =
    probability < 0.01 ? '' : `; maxAttempts: ${whole.format(sufficientAttempts)} makes that less than 1 %`;
  const then = onExhausted === 'Fail' ? 'nothing is published until onExhausted is Shortfall' : 'the rest is published';
  return (
    `If ${percent(acceptance)} of the images pass the gates, some sample fails all ${maxAttempts} attempts with a probability of ` +
    `${percent(probability)} (${some} samples expected); then ${then}${advice}`
  );
}

/** The measurement in lines for people. @param gpus that each worker has */
export function describeMeasurement({ accepted, attempts, imageBytes, engine }: Measurement, gpus: number): string {
  const [low, high] = wilson(accepted, attempts);
  const percent = (share: number): string => short.format(share * 100);
  const bytes = imageBytes === null ? '' : `, ${whole.format(imageBytes)} bytes an image`;
  const other =
    gpus > 0 && engine === 'cpu'
      ? '\nThe workers have GPUs and this engine had none: measure on a machine like theirs'
      : '';
  return (
    `Measured on this machine (${engine}): ${accepted} of ${attempts} images passed the gates ` +
    `(${percent(accepted / attempts)} %; 95 % interval ${percent(low)} to ${percent(high)} %)${bytes}${other}`
  );
}

/** The estimate in lines for people, with what it assumes. */
export function describeEstimate(input: EstimateInput, made: Estimate): string {
  const device = input.gpus > 0 ? 'GPU' : 'worker';
  const money = (amount: number | undefined): string =>
    amount === undefined ? '' : `, ${(amount < 100 ? short : whole).format(amount)} at that price`;
  return [
    `Estimate, if one worker generates ${short.format(input.imagesPerSecond)} images a second and ${short.format(input.acceptance * 100)} % pass the gates${(input.pairSize ?? 1) > 1 ? ', pairs only whole' : ''}:`,
    `  ${whole.format(made.generated)} images are generated for ${whole.format(input.samples)} accepted ones`,
    `  ${short.format(made.deviceHours)} ${device} hours${money(made.cost)}`,
    `  ${short.format(made.hours)} hours with ${whole.format(input.workers)} workers`,
    `  ${short.format(made.bytes / 1e9)} GB stored${made.storageCostPerMonth === undefined ? '' : `, ${short.format(made.storageCostPerMonth)} a month at that price`}`,
  ].join('\n');
}
