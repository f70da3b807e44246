import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DataCheck, dataCheckSchema } from '../../contract/schema/data-check.ts';
import { describeData } from './data-report.ts';

const CHECK: DataCheck = dataCheckSchema.parse({
  apiVersion: 'cohortfarm.dev/data/v1',
  sources: [
    {
      name: 'spec.training.stages[1].data',
      use: 'Training',
      images: 1200,
      patients: 400,
      labels: [
        { label: 'no-finding', present: 700, absent: 500, unknown: 0 },
        { label: 'edema', present: 100, absent: 1000, unknown: 100 },
      ],
      groups: { sex: { female: 700, male: 500 }, age: { '40-59': 1200 }, race: { unknown: 1200 } },
      splits: { train: 1200, test: 300 },
      sites: { bidmc: 1200 },
      folders: [
        {
          where: '/real/metadata.csv',
          rows: 1600,
          leftOut: { 'view other than PA, AP': 100 },
          remarks: { 'uncertain (-1) edema: ignore': 100 },
          views: { PA: 900, '': 1 },
          notUnderstood: { sex: { O: 2 } },
          otherFindings: { hernia: 3 },
          ignored: ['portable'],
          unnamed: 5,
        },
      ],
    },
  ],
  faults: [],
});

test('science 3: what was read and what was not understood is printed by source', () => {
  assert.equal(
    describeData(CHECK),
    `spec.training.stages[1].data: 1,200 images of 400 patients to train and validate on
  label        present    absent   unknown
  no-finding       700       500         0
  edema            100     1,000       100
  sex: female 700, male 500
  age: 40-59 1,200
  race: unknown 1,200
  split: train 1,200, test 300
  site: bidmc 1,200
  /real/metadata.csv: 1,600 rows
    view: PA 900, (blank) 1
    left out: 100 view other than PA, AP
    note: 100 uncertain (-1) edema: ignore
    not understood in sex: O 2
    findings other than labels: hernia 3
    columns not read: portable
    images that no row names: 5
`.replaceAll(/^ {4}(?=\S)/gm, '    '),
  );
});
