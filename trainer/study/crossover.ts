import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { EXPORTER_ENVIRONMENT } from '../../cli/model/exporter.ts';
import { TRAINER, TRAINER_ENVIRONMENT, virtualPython } from '../../cli/train/venv.ts';
import type { StageConfigInput } from '../../contract/schema/stage.ts';
import { exists, farm, run } from './commands.ts';

/**
 * The crossover study (docs/study.md): when does mixing real and synthetic images do better, when pretraining and finetuning?
 *   node trainer/study/crossover.ts [--full] [--output FOLDER] [--seeds N] [--threads N] [--tables FILE] [--figure FILE]
 * For each setting a hospital is rendered, a generator trained on its people alone, two cohorts grown, and all arms compared
 * with every synthetic cohort. What is there already is not made again: a study that was stopped continues.
 */

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    output: { type: 'string' },
    seeds: { type: 'string' },
    threads: { type: 'string', default: '2' },
    tables: { type: 'string' },
    figure: { type: 'string' },
  },
});

const STUDY = import.meta.dirname;
const output = resolve(values.output ?? (values.full ? 'out/study-full' : 'out/study'));
const seeds = Number(values.seeds ?? (values.full ? 10 : 3));

/** A hospital, and how much of what is trained on it. */
interface Setting {
  readonly name: string;
  readonly people?: number;
  readonly conspicuity?: number;
  readonly shortcut?: number;
  readonly underreported?: number;
  /** Synthetic images, and steps of pretraining on them. */
  readonly samples?: number;
  readonly syntheticSteps?: number;
}

/** The base, and what differs from it in one dial. */
const SETTINGS: readonly Setting[] = [
  { name: 'base' },
  { name: 'films-60', people: 60 },
  { name: 'films-600', people: 600 },
  { name: 'conspicuity-50', conspicuity: 0.5 },
  { name: 'shortcut-50', shortcut: 0.5 },
  { name: 'underreported-40', underreported: 0.4 },
  { name: 'ratio-4', samples: 1024, syntheticSteps: 600 },
];

interface Cohort {
  readonly name: string;
  /** The dataset that it is made of; perfect: the renderer itself. */
  readonly from: 'balanced' | 'matched' | 'perfect';
  readonly gap?: number;
  readonly noise?: number;
}

const levels = (dial: 'gap' | 'noise', percents: readonly number[]): Cohort[] =>
  percents.map((percent) => ({ name: `${dial}-${percent}`, from: 'balanced', [dial]: percent / 100 }));

/** The first is the one without a gap and noise of its own, from which the others differ in one dial. */
const COHORTS: readonly Cohort[] = [
  { name: 'gap-0', from: 'balanced' },
  ...levels('gap', values.full ? [25, 50, 75, 100] : [50, 100]),
  ...levels('noise', values.full ? [15, 30, 45, 60] : [60]),
  { name: 'matched', from: 'matched' },
  { name: 'perfect', from: 'perfect' },
];

const REAL_STEPS = 100;
const threads = { OMP_NUM_THREADS: values.threads, OMP_WAIT_POLICY: 'PASSIVE' };
const trainer = await virtualPython(TRAINER_ENVIRONMENT);

async function settle({ name, people = 150, samples = 256, syntheticSteps = 150, ...dials }: Setting): Promise<void> {
  const folder = join(output, name);
  const hospital = join(folder, 'hospital');
  await mkdir(folder, { recursive: true });
  const conspicuity = ['--conspicuity', String(dials.conspicuity ?? 1)];
  if (!(await exists(join(hospital, 'test/elsewhere/metadata.csv')))) {
    const groups = ['--shortcut', String(dials.shortcut ?? 0), '--underreported', String(dials.underreported ?? 0)];
    await study('hospital.py', hospital, '--people', String(people), ...conspicuity, ...groups);
  }
  await makeGenerator(folder, join(hospital, 'train'));
  for (const kind of ['balanced', 'matched'] as const) await grow(folder, kind, samples);
  for (const { name, from, gap = 0, noise = 0 } of COHORTS) {
    if (await exists(join(folder, 'cohorts', name, 'metadata.csv'))) continue;
    const source = from === 'perfect' ? from : join(folder, from);
    const size = ['--images', String(samples), ...conspicuity];
    await study(
      'cohorts.py',
      join(folder, 'cohorts'),
      source,
      name,
      '--gap',
      String(gap),
      '--noise',
      String(noise),
      ...size,
    );
  }
  await compare(folder, syntheticSteps);
}

const study = (program: string, ...args: string[]): Promise<void> =>
  run(trainer, [join(STUDY, program), ...args], { ...threads, PYTHONPATH: PHANTOM });

const PHANTOM = resolve(STUDY, '../../models/phantom/training');

/** The model that knows this hospital, as ONNX. The small study adapts the embedded one; the full one begins with noise. */
async function makeGenerator(folder: string, train: string): Promise<void> {
  const [checkpoint, model] = [join(folder, 'generator'), join(folder, 'model')];
  if (!(await exists(checkpoint))) {
    const length = values.full ? ['--from-noise', '--steps', '3000'] : ['--steps', '250'];
    const args = [join(STUDY, 'generator.py'), train, checkpoint, ...length, '--threads', values.threads];
    await run(await virtualPython(EXPORTER_ENVIRONMENT), args, threads);
  }
  if (!(await exists(model))) await farm('model', 'export', checkpoint, '-o', model);
}

/** A cohort with all groups alike, or with the marginals of the people that the generator was trained on. */
async function grow(folder: string, kind: 'balanced' | 'matched', samples: number): Promise<void> {
  if (await exists(join(folder, kind, 'dataset.json'))) return;
  const { spec, ...head } = parse(await readFile(join(STUDY, 'cohort.yaml'), 'utf8'));
  spec.quota.samples = samples;
  spec.model.uri = join(folder, 'model');
  spec.output.uri = join(folder, kind);
  if (kind === 'matched')
    spec.quota.allocation = { strategy: 'Marginals', shares: await marginals(folder, spec.quota.axes) };
  const file = join(folder, `${kind}.json`);
  await writeFile(file, JSON.stringify({ ...head, spec }, null, 2));
  await farm('run', '-f', file, '--workers', values.threads, '--verify');
}

type Shares = Record<string, Record<string, number>>;

/** The shares of the films to train on by axis; films of unknown race, and with two findings, are left out of that axis. */
async function marginals(
  folder: string,
  axes: Record<string, { values?: string[]; bins?: string[] }>,
): Promise<Shares> {
  const [header, ...lines] = (await readFile(join(folder, 'hospital/train/metadata.csv'), 'utf8'))
    .trim()
    .split(/\r?\n/);
  const at = Object.fromEntries(header!.split(',').map((name, i) => [name, i]));
  const rows = lines.map((line) => line.split(','));
  const told: Record<string, (row: string[]) => string | undefined> = {
    sex: (row) => ({ F: 'female', M: 'male' })[row[at.sex!]!],
    age: (row) => axes.age!.bins!.find((bin) => within(Number(row[at.age!]), bin)),
    race: (row) => row[at.race!],
    finding: (row) => (row[at.findings!] === 'No Finding' ? 'no-finding' : row[at.findings!]),
  };
  return Object.fromEntries(
    Object.entries(axes).map(([axis, { values, bins }]) => {
      const counts = (values ?? bins!).map((value) => rows.filter((row) => told[axis]!(row) === value).length);
      const sum = counts.reduce((all, count) => all + count);
      return [axis, Object.fromEntries((values ?? bins!).map((value, i) => [value, counts[i]! / sum]))];
    }),
  );
}

function within(age: number, bin: string): boolean {
  const [low, high] = bin.split('-').map(Number);
  return low! <= age && age <= high!;
}

async function compare(folder: string, syntheticSteps: number): Promise<void> {
  const common = { validateSteps: 50, loaderWorkers: 0, flip: false };
  const cohorts = COHORTS.map(({ name }) => ({ name, data: [join(folder, 'cohorts', name)] }));
  const config: StageConfigInput = {
    apiVersion: 'cohortfarm.dev/stage/v1',
    name: 'compare',
    type: 'Compare',
    output: join(folder, 'compare'),
    seed: 2026,
    architecture: 'cnn-small',
    imageSize: 64,
    labels: ['cardiomegaly', 'effusion', 'opacity'],
    ageBins: ['18-39', '40-59', '60-79', '80-90'],
    bootstraps: values.full ? 1000 : 200,
    sites: ['hospital', 'elsewhere'].map((name) => ({ name, uri: join(folder, 'hospital/test', name) })),
    compare: {
      baselines: ['RealOnly', 'RealOnlyEqualCompute', 'Mixed'],
      seeds,
      primary: { minus: 'Mixed', endpoint: 'auroc', synthetic: 'gap-0' },
      synthetic: cohorts,
      pretrain: {
        data: cohorts[0]!.data,
        hyperparameters: { ...common, steps: syntheticSteps, learningRate: 0.001, validationShare: 0.1 },
      },
      finetune: {
        data: [join(folder, 'hospital/train')],
        hyperparameters: { ...common, steps: REAL_STEPS, learningRate: 0.0005, validationShare: 0.2 },
      },
    },
  };
  const path = join(folder, 'compare.json');
  await writeFile(path, JSON.stringify(config, null, 2));
  await run(trainer, ['-m', 'cohortfarm_trainer', 'compare', '--config', path], { ...threads, PYTHONPATH: TRAINER });
}

for (const setting of values.full ? SETTINGS : SETTINGS.slice(0, 1)) await settle(setting);
const files = Object.entries({ tables: values.tables, figure: values.figure }).flatMap(([name, file]) =>
  file ? [`--${name}`, resolve(file)] : [],
);
await study('crossover.py', output, '--processes', values.threads, ...files);
