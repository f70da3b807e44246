import type { Command } from 'commander';
import { StoppedError, UsageError } from '../../contract/failure.ts';
import { pairSize } from '../../contract/plan/pairs.ts';
import { firstSamples, makePlan, type Plan } from '../../contract/plan/plan.ts';
import { StoreError } from '../../platform/store/store.ts';
import { type Prepared, prepare, readParent, readTables } from '../../worker/prepare.ts';
import { describeCohort, describeMisses, describeParent, describePlan, gridTable } from '../describe-plan.ts';
import {
  describeEstimate,
  describeExhaustion,
  describeMeasurement,
  type EstimateInput,
  type Exhaustion,
  estimate,
  exhaustion,
  imageAcceptance,
} from '../estimate.ts';
import { type Loaded, loadDataset } from '../load.ts';
import { type Measurement, measure } from '../measure.ts';
import { addS3Options, type S3Flags } from '../open.ts';

/** `cohortfarm plan`: prints the quota grid; nothing is written. */

interface PlanOptions extends S3Flags {
  readonly file: string;
  readonly json?: boolean;
  readonly prompts?: string;
  readonly estimate?: boolean;
  readonly measure?: string;
  readonly workers?: string;
  readonly imagesPerSecond?: string;
  readonly acceptance?: string;
  readonly gpuPrice?: string;
  readonly storagePrice?: string;
  readonly imageBytes?: string;
}

export function addPlan(program: Command): void {
  addS3Options(
    program
      .command('plan')
      .description(
        'Print the quota grid in whole images, and the digest of all that decides the bytes. Writes nothing.',
      )
      .requiredOption('-f, --file <yaml>', 'the SyntheticDataset')
      .option('--prompts <n>', 'also print the prompts of the first n samples')
      .option('--json', 'print JSON')
      .option('--estimate', 'also print what it takes: images to generate, GPU hours, storage, cost')
      .option('--measure <n>', 'grow so many images of the plan here, keep none, and estimate from what that took')
      .option('--workers <n>', 'for the estimate: workers; default: spec.workers.replicas')
      .option('--images-per-second <n>', 'for the estimate: images that one worker generates in a second')
      .option(
        '--acceptance <share>',
        'share of the images that is assumed to pass the gates (default: 0.5 with gates, 1 without)',
      )
      .option('--gpu-price <n>', 'for the estimate: price of a GPU (or of a worker without one) for an hour')
      .option('--storage-price <n>', 'for the estimate: price of a gigabyte for a month')
      .option('--image-bytes <n>', 'for the estimate: bytes of an image file (default: by format and size)')
      .addHelpText('after', REMARK),
  ).action(async (options: PlanOptions) => {
    const loaded = await loadDataset(options.file, options);
    checkMeasured(options);
    const { plan, prepared, unreachable } = await planWithOrWithoutModel(loaded);
    const prompts = firstSamples(plan, parseCount(options.prompts));
    const given = parseAssumptions(options);
    checkBatches(options, plan);
    const measured =
      options.measure === undefined ? null : await measurePlan(options.measure, loaded, prepared, unreachable);
    const wanted =
      options.estimate || measured ? { ...estimateInput(options, loaded, plan, measured), ...given } : null;
    const risk = exhaustionOf(options, plan, measured);
    if (options.json) {
      const made = wanted && { ...(measured && { measured }), estimate: { ...estimate(wanted), assumed: wanted } };
      const text = JSON.stringify({
        ...planJson(plan, unreachable),
        ...(risk && { exhaustion: risk }),
        prompts,
        ...made,
      });
      process.stdout.write(`${text}\n`);
      return;
    }
    process.stdout.write(planText(plan, unreachable));
    if (risk) process.stdout.write(`${describeExhaustion(risk, plan.spec.quality)}\n`);
    for (const { key, prompt } of prompts) process.stdout.write(`${key}  ${prompt}\n`);
    if (measured) process.stdout.write(`${describeMeasurement(measured, loaded.dataset.spec.workers.gpus)}\n`);
    if (wanted) process.stdout.write(`${describeEstimate(wanted, estimate(wanted))}\n`);
  });
}

const REMARK = `
The rate and the acceptance of a model are best measured on the machine that workers get:
--measure 64 there, or status.imagesPerSecond (of all workers, accepted images) and
status.acceptanceRate of a small dataset. Model loading and idle nodes come on top.`;

/** Default where neither the model nor the resource says: Stable Diffusion's. */
const DEFAULT_PIXELS = 512;

/** @throws UsageError for what is missing or no number */
function estimateInput(
  options: PlanOptions,
  { dataset }: Loaded,
  plan: Plan,
  measured: Measurement | null,
): EstimateInput {
  const { workers, output, model } = dataset.spec;
  const { height, width } = { ...plan.model.defaults, ...model.sampling };
  return {
    samples: plan.samples,
    image: { ...output.image, height: height || DEFAULT_PIXELS, width: width || DEFAULT_PIXELS },
    workers: workers.replicas,
    gpus: workers.gpus,
    imagesPerSecond: rateOf(options, workers.gpus, measured),
    acceptance: acceptanceOf(options, plan, measured),
    pairSize: pairSize(plan.spec.quota),
    ...(measured?.imageBytes && { imageBytes: measured.imageBytes }),
  };
}

/** The assumptions that options give; they win over those of the resource and of a measurement. */
function parseAssumptions({ workers, gpuPrice, storagePrice, imageBytes }: PlanOptions): Partial<EstimateInput> {
  return {
    ...(workers !== undefined && { workers: parseWorkers(workers) }),
    ...(gpuPrice !== undefined && { price: parsePositive('--gpu-price', gpuPrice) }),
    ...(storagePrice !== undefined && { storagePrice: parsePositive('--storage-price', storagePrice) }),
    ...(imageBytes !== undefined && { imageBytes: parsePositive('--image-bytes', imageBytes) }),
  };
}

const MAX_MEASURED = 10_000;

/** @throws UsageError for what a measurement decides by itself */
function checkMeasured({ measure, imagesPerSecond, acceptance, estimate }: PlanOptions): void {
  if (measure === undefined) {
    if (estimate && imagesPerSecond === undefined)
      throw new UsageError(
        '--estimate needs --images-per-second, the images that one worker generates in a second; --measure 16 finds out',
      );
    return;
  }
  if (imagesPerSecond !== undefined || acceptance !== undefined)
    throw new UsageError(
      `${imagesPerSecond !== undefined ? '--images-per-second' : '--acceptance'} and --measure contradict each other; leave one out`,
    );
  if (!/^[1-9]\d*$/.test(measure) || Number(measure) > MAX_MEASURED)
    throw new UsageError(
      `--measure: ${JSON.stringify(measure)} is not a number of images; write a whole number from 1 to ${MAX_MEASURED}`,
    );
}

/** @throws UsageError for a measurement of one batch, which only warms up */
function checkBatches({ measure }: PlanOptions, { samples, spec }: Plan): void {
  const { batchSize } = spec.workers;
  const images = Math.min(Number(measure), samples);
  if (measure === undefined || images > batchSize) return;
  throw new UsageError(
    `--measure: ${images === 1 ? '1 image is' : `${images} images are`} one batch (spec.workers.batchSize: ${batchSize}), which only warms up; measure more than that`,
  );
}

async function measurePlan(
  images: string,
  { dataset }: Loaded,
  prepared: Prepared | null,
  unreachable: string | null,
): Promise<Measurement> {
  if (!prepared) throw new UsageError(`--measure needs the model, which cannot be read from here: ${unreachable}`);
  process.stderr.write(`Growing ${images} images to measure; nothing of them is kept.\n`);
  const stopping = new AbortController();
  const onSignal = (): void => stopping.abort(new StoppedError('stopped; nothing was kept'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal);
  try {
    return await measure(prepared, dataset, Number(images), stopping.signal);
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
  }
}

/** Images that one worker generates in a second: each of its GPUs has an engine. */
function rateOf({ imagesPerSecond }: PlanOptions, gpus: number, measured: Measurement | null): number {
  if (!measured) return parsePositive('--images-per-second', imagesPerSecond!);
  if (measured.imagesPerSecond !== null) return measured.imagesPerSecond * Math.max(1, gpus);
  throw new UsageError('--measure: all images came at once, so that no rate is known; measure more');
}

function parseWorkers(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new UsageError(
    `--workers: ${JSON.stringify(text)} is not a number of workers; write a whole number from 1 to 99999`,
  );
}

/** The share of the images that passes the gates, each by itself, measured or assumed. */
function acceptanceOf({ acceptance }: PlanOptions, { spec }: Plan, measured: Measurement | null): number {
  if (measured) {
    if (measured.accepted > 0) return imageAcceptance(measured, pairSize(spec.quota));
    throw new UsageError(
      `--measure: none of ${measured.attempts} images passed the gates; look at the model and the gates`,
    );
  }
  if (acceptance !== undefined) return parsePositive('--acceptance', acceptance, 1);
  return spec.quality.gates.length > 0 ? 0.5 : 1;
}

/** Without gates every image is accepted, so no sample can fail. */
function exhaustionOf(options: PlanOptions, plan: Plan, measured: Measurement | null): Exhaustion | null {
  const acceptance = acceptanceOf(options, plan, measured);
  if (acceptance === 1) return null;
  const size = pairSize(plan.spec.quota);
  const { maxAttempts } = plan.spec.quality;
  // A pair passes when all its samples do, and is exhausted as a whole.
  const pairs = exhaustion(plan.samples / size, maxAttempts, acceptance ** size);
  return { ...pairs, acceptance, expected: pairs.expected * size };
}

function parsePositive(option: string, text: string, most = 1e12): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value <= most) return value;
  throw new UsageError(
    `${option}: ${JSON.stringify(text)} is not a number above 0${most < 1e12 ? ` and up to ${most}` : ''}`,
  );
}

function parseCount(text = '0'): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new UsageError(
    `--prompts: ${JSON.stringify(text)} is not a number of samples; write a whole number up to 999999`,
  );
}

/** The grid needs no model; only the digest does. So a model that is not reachable from here is a remark, not an error. */
async function planWithOrWithoutModel({
  dataset,
  resources,
}: Loaded): Promise<{ plan: Plan; prepared: Prepared | null; unreachable: string | null }> {
  try {
    const prepared = await prepare(dataset, resources);
    return { plan: prepared.plan, prepared, unreachable: null };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const tables = await readTables(dataset, resources);
    const parent = await readParent(dataset, resources);
    const model = { digest: '', defaults: { scheduler: '', height: 0, width: 0 } };
    const gateDigests = dataset.spec.quality.gates.map(() => '');
    return {
      plan: makePlan(dataset, { ...tables, ...(parent && { parent }), model, gateDigests }),
      prepared: null,
      unreachable: error.message,
    };
  }
}

function planText(plan: Plan, unreachable: string | null): string {
  const head =
    unreachable === null
      ? describePlan(plan)
      : `${plan.name}: ${plan.samples} images; no digest, since the model cannot be read from here: ${unreachable}`;
  return `${[gridTable(plan), '', ...describeCohort(plan), ...describeMisses(plan), ...describeParent(plan), head].join('\n')}\n`;
}

function planJson(plan: Plan, unreachable: string | null) {
  const { grid, shares, quotas, cohort, misses } = plan.allocation;
  return {
    name: plan.name,
    planDigest: unreachable === null ? plan.digest : null,
    modelDigest: unreachable === null ? plan.model.digest : null,
    ...(unreachable !== null && { unreachable }),
    samples: plan.samples,
    shards: plan.shards,
    cells: grid.cells.map((cell, i) => ({
      cell: cell.id,
      axes: Object.fromEntries(grid.axes.map((axis, k) => [axis.name, cell.values[k]])),
      share: shares[i],
      samples: quotas[i],
    })),
    ...(cohort && {
      cohort: {
        rows: cohort.rows,
        outside: cohort.outside,
        multiple: cohort.multiple,
        unknownAxes: cohort.unknownAxes,
      },
    }),
    ...(misses && { evaluation: misses }),
    ...(plan.parent && { extends: { name: plan.parent.manifest.name, manifest: plan.parent.uri, ...plan.origin } }),
  };
}
