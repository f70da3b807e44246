import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { TRAINER_ENVIRONMENT, virtualPython } from '../../cli/train/venv.ts';
import { metricsSchema } from '../../contract/schema/metrics.ts';
import { encodeImage } from '../../platform/image/image.ts';
import { blocksOf } from '../docs/blocks.ts';
import { runPythonBlocks } from '../docs/shell.ts';
import { missingPython } from '../support/venv.ts';
import { runTrainer } from './run.ts';

/** Event files of a stage in MLflow, by the lines of docs/training.md. */

const READ = `
import json, mlflow
[run] = mlflow.search_runs(search_all_experiments=True, output_format="list")
history = lambda name: [[one.step, one.value] for one in mlflow.MlflowClient().get_metric_history(run.info.run_id, name)]
print(json.dumps({"name": run.info.run_name, "losses": len(history("train/loss")), "validations": history("validation/loss")}))
`;

test('the lines of docs/training.md bring a stage into MLflow', { skip: await missingPython() }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-mlflow-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const output = join(folder, 'out/cxr/training/pretrain');
  const ended = await runTrainer({
    apiVersion: 'cohortfarm.dev/stage/v1',
    name: 'pretrain',
    type: 'Pretrain',
    output,
    architecture: 'cnn-small',
    imageSize: 32,
    labels: ['edema'],
    ageBins: ['0-99'],
    bootstraps: 100,
    train: {
      data: [await writeSite(join(folder, 'real'))],
      hyperparameters: { steps: 8, validateSteps: 4, loaderWorkers: 0 },
    },
  });
  assert.equal(ended.code, 0, ended.stderr);
  const { training } = metricsSchema.parse(JSON.parse(await readFile(join(output, 'metrics.json'), 'utf8')));

  const python = await virtualPython({
    name: 'mlflow',
    requirements: [join(import.meta.dirname, 'requirements-mlflow.txt')],
    base: TRAINER_ENVIRONMENT,
  });
  const env = { MLFLOW_TRACKING_URI: `file://${folder}/mlruns`, MLFLOW_ALLOW_FILE_STORE: 'true' };
  Object.assign(process.env, env);
  await runPythonBlocks(python, folder, await blocksOf('docs/training.md', 'python', 1));
  const { stdout } = await promisify(execFile)(python, ['-c', READ], { cwd: folder });
  assert.deepEqual(JSON.parse(stdout), {
    name: 'pretrain',
    losses: 8,
    validations: training!.history.map(({ step, validationLoss }) => [step, Math.fround(validationLoss)]),
  });
});

/** Films of one grey each, brighter where there is edema. */
async function writeSite(folder: string): Promise<string> {
  await mkdir(folder);
  const rows = ['file_name,patient_id,findings'];
  for (let i = 0; i < 40; i++) {
    const data = new Uint8Array(32 * 32).fill(60 + i + 60 * (i % 2));
    const image = await encodeImage({ width: 32, height: 32, channels: 1, data }, { format: 'png', quality: 95 });
    await writeFile(join(folder, `${i}.png`), image);
    rows.push(`${i}.png,p${i},${i % 2 ? 'Edema' : 'No Finding'}`);
  }
  await writeFile(join(folder, 'metadata.csv'), `${rows.join('\n')}\n`);
  return folder;
}
