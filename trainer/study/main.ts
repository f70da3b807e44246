import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pythonProblem, TRAINER, TRAINER_ENVIRONMENT, virtualPython } from '../../cli/train/venv.ts';
import type { StageConfigInput } from '../../contract/schema/stage.ts';
import { exists, farm, run } from './commands.ts';
import { comparisonTables } from './tables.ts';

/**
 * Grows a cohort, renders phantom sites in place of real data, and trains and compares on both:
 *   node trainer/study/main.ts --file FILE.yaml --output URI --sites FOLDER [--train N] [--test N] [--digits FOLDER] [--tables FILE]
 * What is there already is not made again.
 */

const { values } = parseArgs({
  options: {
    file: { type: 'string' },
    output: { type: 'string' },
    sites: { type: 'string' },
    train: { type: 'string', default: '150' },
    test: { type: 'string', default: '700' },
    digits: { type: 'string' },
    tables: { type: 'string' },
  },
});

const [file, output, sites] = [values.file!, values.output!, values.sites!];

/** Weights that come from something else: the study's other beginning beside random ones. */
async function trainOnDigits(python: string, folder: string): Promise<void> {
  const config: StageConfigInput = {
    apiVersion: 'cohortfarm.dev/stage/v1',
    name: 'digits',
    type: 'Pretrain',
    output: folder,
    architecture: 'cnn-small',
    imageSize: 64,
    labels: Array.from({ length: 10 }, (_, digit) => `digit-${digit}`),
    ageBins: ['0-120'],
    train: {
      data: [join(sites, 'digits')],
      hyperparameters: { steps: 300, learningRate: 0.001, loaderWorkers: 0, flip: false },
    },
  };
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'config.json');
  await writeFile(path, JSON.stringify(config));
  await run(python, ['-m', 'cohortfarm_trainer', 'pretrain', '--config', path], { PYTHONPATH: TRAINER });
}

await farm('run', '-f', file, '-o', output, '--workers', '2', '--verify');
const problem = await pythonProblem();
if (problem === null) await trainAndMeasure(await virtualPython(TRAINER_ENVIRONMENT));
else if (process.env.CI) throw new Error(`training needs ${problem}`);
else process.stdout.write(`Nothing is trained: that needs ${problem}.\n`);

async function trainAndMeasure(python: string): Promise<void> {
  if (!(await exists(join(sites, 'digits', 'metadata.csv')))) {
    await run(python, ['trainer/study/sites.py', sites, '--train', values.train, '--test', values.test]);
  }
  if (values.digits) await trainOnDigits(python, values.digits);
  await farm('train', '-f', file, '-o', output);
  if (values.tables) {
    await writeFile(values.tables, await comparisonTables(join(output, 'training/compare/metrics.json')));
    process.stdout.write(`Tables: ${values.tables}\n`);
  }
}
