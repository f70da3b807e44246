import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pythonProblem, TRAINER_ENVIRONMENT, virtualPython } from '../../cli/train/venv.ts';
import { exists, farm, run } from './commands.ts';

/**
 * Grows a cohort, renders phantom sites in place of real data, and trains and compares on both:
 *   node trainer/study/main.ts --file FILE.yaml --output URI --sites FOLDER [--train N] [--test N]
 * What is there already is not made again.
 */

const { values } = parseArgs({
  options: {
    file: { type: 'string' },
    output: { type: 'string' },
    sites: { type: 'string' },
    train: { type: 'string', default: '150' },
    test: { type: 'string', default: '700' },
  },
});

const [file, output, sites] = [values.file!, values.output!, values.sites!];

await farm('run', '-f', file, '-o', output, '--workers', '2', '--verify');
const problem = await pythonProblem();
if (problem === null) await trainAndMeasure(await virtualPython(TRAINER_ENVIRONMENT));
else if (process.env.CI) throw new Error(`training needs ${problem}`);
else process.stdout.write(`Nothing is trained: that needs ${problem}.\n`);

async function trainAndMeasure(python: string): Promise<void> {
  if (!(await exists(join(sites, 'test/site-c/metadata.csv')))) {
    await run(python, ['trainer/study/sites.py', sites, '--train', values.train, '--test', values.test]);
  }
  await farm('train', '-f', file, '-o', output);
}
