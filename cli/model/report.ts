import { UsageError } from '../../contract/failure.ts';
import { isModelFile } from '../../contract/folder.ts';
import { EXIT } from '../../contract/names.ts';
import { firstSamples } from '../../contract/plan/plan.ts';
import { assertSelfContained } from '../../diffusion/external-data.ts';
import { readModelDefaults } from '../../diffusion/model-defaults.ts';
import { fetchFolder, type ResourceContext, resolveUri } from '../../platform/resource.ts';
import { engineStart } from '../../worker/context.ts';
import { prepare } from '../../worker/prepare.ts';
import { cacheDir, loadDataset } from '../load.ts';
import { type S3Flags, s3FromFlags } from '../open.ts';
import { compareWith, type Difference } from './compare.ts';
import { goldenOf } from './golden.ts';
import { runTrial } from './run-trial.ts';
import type { Trial, TrialRequest } from './trial.ts';

/** `cohortfarm model check`: what is to be tried, and the report. */

export interface CheckOptions extends S3Flags {
  readonly file?: string;
  readonly batchSize?: string;
  readonly steps: string;
  readonly prompt: string;
  readonly provider: 'auto' | 'cuda' | 'cpu';
  readonly source?: string;
  readonly python?: string;
  readonly json?: boolean;
}

interface Subject extends Omit<TrialRequest, 'provider'> {
  readonly digest: string;
}

interface Report extends Omit<Trial, 'images' | 'latents' | 'isHalf'> {
  readonly digest: string;
  readonly batchSize: number;
  readonly pixels: string;
  readonly diffusers?: Difference;
}

/** @returns the exit code: 1 when an image shows nothing or diffusers draws something else */
export async function reportCheck(uri: string | undefined, options: CheckOptions): Promise<number> {
  const subject = options.file ? await fromDataset(uri, options, options.file) : await fromFolder(uri, options);
  const report = await check(subject, options);
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : describe(report));
  const isSound = report.black === 0 && (report.diffusers?.isEqual ?? true);
  return isSound ? EXIT.done : EXIT.checkFailed;
}

async function check({ digest, ...request }: Subject, options: CheckOptions): Promise<Report> {
  const { source, python, provider } = options;
  const trial = await runTrial({ ...request, provider });
  const { sampling, images } = request;
  const golden = source === undefined ? null : await goldenOf(source, images, sampling, python);
  const { images: _images, latents: _latents, isHalf: _isHalf, ...figures } = trial;
  return {
    digest,
    batchSize: images.length,
    pixels: `${sampling.width}x${sampling.height}`,
    ...figures,
    ...(golden && { diffusers: compareWith(golden, trial) }),
  };
}

async function fromFolder(uri: string | undefined, options: CheckOptions): Promise<Subject> {
  if (!uri) throw new UsageError('name the model to check: a folder, s3://bucket/prefix, or a dataset with --file');
  const { dir, digest } = await fetchFolder({ uri, includes: isModelFile, field: 'model' }, contextOf(options));
  await assertSelfContained(dir, isModelFile);
  const { height, width } = await readModelDefaults(dir);
  const count = parseCount('--batch-size', options.batchSize ?? '1', 256);
  const image = { prompt: options.prompt, axes: {}, exact: {} };
  return {
    model: dir,
    digest,
    sampling: { steps: stepsOf(options), guidanceScale: 3, negativePrompt: '', height, width },
    images: Array.from({ length: count }, (_, i) => ({ ...image, seed: i + 1 })),
    gates: [],
    encoder: null,
  };
}

async function fromDataset(uri: string | undefined, options: CheckOptions, file: string): Promise<Subject> {
  const { dataset, resources } = await loadDataset(file);
  const { sha256: _, ...model } = dataset.spec.model;
  const place = uri && resolveUri(uri, process.cwd());
  const chosen = place ? { ...dataset, spec: { ...dataset.spec, model: { ...model, uri: place } } } : dataset;
  const context = { ...resources, s3: { ...resources.s3, ...s3FromFlags(options) } };
  const prepared = await prepare(chosen, context);
  const { plan } = prepared;
  const count = parseCount('--batch-size', options.batchSize ?? String(plan.spec.workers.batchSize), 256);
  const samples = firstSamples(plan, count);
  const { gates, encoder, sampling } = engineStart(prepared, { provider: options.provider, threads: null });
  return {
    model: prepared.modelDir,
    digest: plan.model.digest,
    sampling: { ...sampling, steps: stepsOf(options) },
    images: samples.map(({ prompt, axes, exact }, i) => ({ prompt, axes, exact, seed: i + 1 })),
    gates,
    encoder,
  };
}

const contextOf = (options: CheckOptions): ResourceContext => ({
  baseDir: process.cwd(),
  cacheDir: cacheDir(),
  s3: s3FromFlags(options),
});

const stepsOf = ({ steps }: CheckOptions): number => parseCount('--steps', steps, 1000);

function parseCount(option: string, text: string, most: number): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= most) return count;
  throw new UsageError(`${option}: ${JSON.stringify(text)} is not a whole number from 1 to ${most}`);
}

function describe(report: Report): string {
  const { digest, provider, batchSize, pixels, gates, diffusers, black } = report;
  const lines = [
    `provider: ${provider}`,
    `loaded in ${seconds(report.loadSeconds)}; ${batchSize} images of ${pixels}: ${seconds(report.secondsPerStep)} a step, ` +
      `${seconds(report.secondsPerBatch)} in all; peak memory ${(report.peakMemory / 2 ** 30).toFixed(2)} GiB`,
    black === 0
      ? `images: all ${batchSize} show something`
      : `images: ${black} of ${batchSize} are BLACK or constant; a float16 graph that overflows draws these (docs/models.md)`,
    ...gates.map(
      ({ name, scores, passed }) =>
        `gate ${name}: judged ${scores.length}, ${passed} pass` +
        (scores.length > 0 ? `; scores ${round(Math.min(...scores))} to ${round(Math.max(...scores))}` : ''),
    ),
    ...(diffusers ? [describeDifference(diffusers)] : []),
    `sha256: ${digest}`,
  ];
  return `${lines.join('\n')}\n`;
}

function describeDifference({ latents, levels, tolerance, isEqual }: Difference): string {
  const found = `latents within ${round(latents)} (at most ${tolerance.latents}), images within ${levels} of 255 levels (at most ${tolerance.levels})`;
  return isEqual ? `diffusers draws the same: ${found}` : `diffusers draws OTHER images: ${found}`;
}

const seconds = (value: number): string => `${Number(value.toPrecision(3))} s`;
const round = (value: number): number => Number(value.toPrecision(3));
