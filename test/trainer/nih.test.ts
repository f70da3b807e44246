import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sha256 } from '../../contract/digest.ts';
import { type Metrics, metricsSchema } from '../../contract/schema/metrics.ts';
import type { StageConfigInput } from '../../contract/schema/stage.ts';
import { readCsv } from '../../platform/csv.ts';
import { dataFile, FOLDER } from '../data/shared.ts';
import { missingPython } from '../support/venv.ts';
import { runTrainer } from './run.ts';

/**
 * Real chest X-rays, pneumonia against no finding, on the path of any real site: a folder with a CSV. A third of the
 * patients is measured, a sixth of the others decides when to stop.
 */

const NAME = 'nih-cxr-700';
const AGES = ['0-39', '40-59', '60-120'];

const base: Pick<StageConfigInput, 'apiVersion' | 'architecture' | 'imageSize' | 'labels' | 'ageBins' | 'seed'> = {
  apiVersion: 'cohortfarm.dev/stage/v1',
  architecture: 'cnn-small',
  imageSize: 96,
  labels: ['pneumonia'],
  ageBins: AGES,
  seed: 1,
};

describe('real chest X-rays', { skip: await missingPython() }, () => {
  let folder: string;
  let patients: { test: Set<string>; others: Set<string> };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-nih-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('are told apart better than by chance, in patients that were never seen', async (t) => {
    const csv = dataFile(`${NAME}/metadata.csv`, t);
    if (!csv) return;
    patients = await writeSite(join(folder, 'site'), csv, true);
    assert.equal(patients.test.intersection(patients.others).size, 0);
    const hyperparameters = { epochs: 14, learningRate: 0.001, validationShare: 0.17, loaderWorkers: 0 };
    const output = join(folder, 'out');
    const train: StageConfigInput = {
      ...base,
      name: 'real',
      type: 'Pretrain',
      output: join(output, 'real'),
      train: { data: [join(folder, 'site')], hyperparameters },
    };
    const trained = await runTrainer(train);
    assert.equal(trained.code, 0, trained.stderr);
    const evaluate: StageConfigInput = {
      ...base,
      name: 'evaluate',
      type: 'Evaluate',
      output: join(output, 'evaluate'),
      models: [{ name: 'real', uri: join(output, 'real/model.pt') }],
      sites: [{ name: 'nih', uri: join(folder, 'site') }],
    };
    const evaluated = await runTrainer(evaluate);
    assert.equal(evaluated.code, 0, evaluated.stderr);
    const [nih] = (await metricsOf(join(output, 'evaluate'))).evaluations;
    const auroc = nih!.labels.find(({ label }) => label === 'pneumonia')!.auroc!;
    const interval = `${auroc.low!.toFixed(3)} to ${auroc.high!.toFixed(3)}`;
    t.diagnostic(
      `pneumonia against no finding: AUROC ${auroc.value.toFixed(3)} (${interval}), ${nih!.images} images of ${nih!.patients} patients`,
    );
    assert.equal(nih!.patients, patients.test.size);
    assert.ok(auroc.low! > 0.5 && auroc.low! < auroc.value && auroc.value < auroc.high!);
    // The race of these patients is not known, so it makes no groups; the file reports that it is left out.
    assert.ok(nih!.leftOut.some(({ what, cell }) => what === 'axis' && cell?.axis === 'race'));
    assert.deepEqual(nih!.disparities.at(-1)!.grouping, ['sex', 'age']);
  });

  it('of patients that were trained on are refused as a test set', async (t) => {
    const csv = dataFile(`${NAME}/metadata.csv`, t);
    if (!csv) return;
    const site = join(folder, 'all');
    await writeSite(site, csv, false);
    const refused = await runTrainer({
      ...base,
      name: 'straddling',
      type: 'Evaluate',
      output: join(folder, 'out/straddling'),
      models: [{ name: 'real', uri: join(folder, 'out/real/model.pt') }],
      sites: [{ name: 'all', uri: site }],
    });
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(
      refused.outcome!.message,
      new RegExp(`^${patients.others.size} patients of site all are among those that the model was trained on`),
    );
  });
});

/** A site whose images lie where they are: the CSV with a split by patient, or without one. */
async function writeSite(
  site: string,
  csv: Uint8Array,
  split: boolean,
): Promise<{ test: Set<string>; others: Set<string> }> {
  await mkdir(site);
  await symlink(join(FOLDER, NAME, 'images'), join(site, 'images'));
  const rows = readCsv(csv, 'metadata.csv');
  const header = [...Object.keys(rows[0]!), 'site', ...(split ? ['split'] : [])];
  const [test, others] = [new Set<string>(), new Set<string>()];
  const lines = rows.map((row) => {
    const patient = row.patient_id!;
    const tested = Number.parseInt(sha256(patient).slice(0, 8), 16) % 3 === 0;
    (tested ? test : others).add(patient);
    return [...Object.values(row), 'nih', ...(split ? [tested ? 'test' : 'train'] : [])].join(',');
  });
  await writeFile(join(site, 'metadata.csv'), [header.join(','), ...lines, ''].join('\n'));
  return { test, others };
}

async function metricsOf(output: string): Promise<Metrics> {
  return metricsSchema.parse(JSON.parse(await readFile(join(output, 'metrics.json'), 'utf8')));
}
