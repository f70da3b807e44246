import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import { cellRecord } from '../../contract/plan/grid.ts';
import { type DataCheck, dataCheckSchema } from '../../contract/schema/data-check.ts';
import { dataFile, FOLDER } from '../data/shared.ts';
import { blocksOf } from '../docs/blocks.ts';
import { runCli } from '../support/cli.ts';
import { documentWith, planOf } from '../support/spec.ts';
import { missingPython } from '../support/venv.ts';
import { trainerPython } from './python.ts';

/** Real data on the command line, before anything is trained. */

const TABLE = 'nih-cxr14-metadata/Data_Entry_2017_v2020.csv.gz';
const skip = await missingPython();

async function specWith(dir: string, training: object, more: Record<string, unknown> = {}): Promise<string> {
  const file = join(dir, 'dataset.yaml');
  await writeFile(file, stringify(documentWith({ 'spec.training': training, ...more })));
  return file;
}

const finetune = { name: 'finetune', type: 'Finetune', from: 'pretrain' };

test('science 3: part of ChestX-ray14 is read with its official table, and counted', { skip }, async (t) => {
  if (!dataFile(TABLE, t)) return;
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-check-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const source = {
    preset: 'nih-cxr14',
    tables: [{ uri: join(FOLDER, TABLE) }],
    partial: true,
    holdOut: { share: 0.3 },
  };
  const uri = join(FOLDER, 'nih-cxr-700');
  const file = await specWith(dir, {
    labels: ['pneumonia', 'pleural-effusion'],
    stages: [
      { name: 'pretrain', type: 'Pretrain' },
      { ...finetune, data: uri, source },
    ],
    evaluation: { sites: [{ name: 'nih', uri, source: { ...source, filter: { view: ['PA'] } } }] },
  });
  const { code, stdout, stderr } = await runCli([
    'check-data',
    '-f',
    file,
    '--json',
    '--python',
    await trainerPython(),
  ]);
  assert.equal(code, 0, stderr);
  const [training, site] = dataCheckSchema.parse(JSON.parse(stdout)).sources;
  assert.deepEqual(
    Object.values(training!.splits).reduce((sum, count) => sum + count),
    680,
  );
  assert.equal(training!.images, training!.splits.none);
  assert.ok(site!.images > 50 && site!.images < training!.splits.test!);
  assert.deepEqual(training!.folders[0]!.leftOut, { 'the image is not there (partial)': 112_120 - 680 });
  assert.equal(training!.folders[0]!.unnamed, 0);
  const label = (name: string) => training!.labels.find((one) => one.label === name)!;
  assert.ok(label('no-finding').present > 200 && label('pneumonia').present > 200);
  assert.ok(label('pleural-effusion').present > 10 && label('pleural-effusion').unknown === 0);
  assert.deepEqual(Object.keys(training!.groups.sex!).sort(), ['female', 'male']);
  assert.deepEqual(training!.sites, { nih: training!.images });
});

test('science 3: all that is wrong with all data is said at once, beside what was read', { skip }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-check-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const folder = async (name: string, rows: readonly string[]): Promise<string> => {
    await mkdir(join(dir, name));
    await writeFile(join(dir, name, 'metadata.csv'), `file_name,patient_id,findings,split\n${rows.join('\n')}\n`);
    await writeFile(join(dir, name, '1.png'), 'only counted');
    return join(dir, name);
  };
  const file = await specWith(
    dir,
    {
      labels: ['edema'],
      stages: [
        { name: 'pretrain', type: 'Pretrain' },
        { ...finetune, data: await folder('train', ['1.png,1,edema,', '1.png,2,no finding,', '1.png,3,edema,']) },
      ],
      evaluation: {
        sites: [
          { name: 'a', uri: await folder('a', ['1.png,,edema,later', '9.png,7,edema,test']) },
          { name: 'b', uri: await folder('b', ['1.png,2,edema,']) },
          { name: 'c', uri: await folder('c', ['1.png,77,edema,']), source: { site: 'bidmc' } },
        ],
      },
    },
    { 'spec.model.trainedOn': [{ dataset: 'bidmc' }] },
  );
  const { code, stdout, stderr } = await runCli(['check-data', '-f', file, '--python', await trainerPython()]);
  assert.equal(code, 2, stderr);
  const site = 'spec.training.evaluation.sites';
  for (const [line, fault] of [
    [`${site}[0]`, "the split 'later' is none of train, validation, test"],
    [`${site}[0]`, '1 rows name no patient'],
    [`${site}[0]`, 'names 1 images that are not there, such as 9.png'],
    [`${site}[1]`, '1 patients of site .* have the same number as patients that a model of .* was trained on'],
    [`${site}[2]`, 'site .* is of bidmc, which the generator or a gate of the synthetic images was trained on'],
  ] as const) {
    assert.match(stderr, new RegExp(`^(check-data: |check: )?${line.replace(/[[\]]/g, '\\$&')}: .*${fault}`, 'm'));
  }
  assert.match(
    stdout,
    /^spec\.training\.stages\[1\]\.data: 3 images of 3 patients to train and validate on\n {2}label/m,
  );
});

test('a cohort is matched to real images by the counts of check-data, as docs/training.md says', {
  skip,
}, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-check-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const rows = Array.from({ length: 60 }, (_, i) =>
    [`${i}.png`, i, i % 4 ? 'M' : 'F', i % 10 < 3 ? 30 : 70, i % 5 ? 'No Finding' : 'edema'].join(','),
  );
  await mkdir(join(dir, 'real'));
  await writeFile(join(dir, 'real/metadata.csv'), `file_name,patient_id,sex,age,findings\n${rows.join('\n')}\n`);
  for (let i = 0; i < 60; i++) await writeFile(join(dir, 'real', `${i}.png`), 'only counted');
  const stages = [
    { name: 'pretrain', type: 'Pretrain' },
    { ...finetune, data: join(dir, 'real') },
  ];
  const file = await specWith(dir, { stages });
  const args = ['check-data', '-f', file, '--json', '--python', await trainerPython()];
  const { code, stdout, stderr } = await runCli(args);
  assert.equal(code, 0, stderr);
  const [{ groups, labels }] = dataCheckSchema.parse(JSON.parse(stdout)).sources as [DataCheck['sources'][number]];
  const counts: Record<string, Record<string, number>> = {
    sex: groups.sex!,
    age: groups.age!,
    finding: Object.fromEntries(labels.map(({ label, present }) => [label, present])),
  };
  const [page] = (await blocksOf('docs/training.md', 'yaml')).filter((block) => block.includes('strategy: Marginals'));
  const quota = parse(page!).quota;
  for (const [axis, found] of Object.entries(counts)) {
    const sum = Object.values(found).reduce((all, count) => all + count);
    const shares = Object.fromEntries(Object.entries(found).map(([value, count]) => [value, count / sum]));
    assert.deepEqual(quota.allocation.shares[axis], shares, 'the page shows the shares of these images');
  }
  const { grid, quotas } = planOf({ 'spec.quota': quota }).allocation;
  for (const [axis, shares] of Object.entries<Record<string, number>>(quota.allocation.shares))
    for (const [value, share] of Object.entries(shares)) {
      const images = grid.cells.reduce(
        (sum, cell, i) => sum + (cellRecord(grid, cell)[axis] === value ? quotas[i]! : 0),
        0,
      );
      assert.ok(Math.abs(images - share * quota.samples) <= 1, `${axis} ${value}: ${images}`);
    }
});
