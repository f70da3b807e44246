import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { makePlan, samplesBetween } from '../../contract/plan/plan.ts';
import { parseDataset } from '../../contract/validate/parse.ts';
import { readCsv } from '../../platform/csv.ts';
import { INPUTS } from '../support/spec.ts';
import { dataFile } from './shared.ts';

/** RoentGen-v2's own table of inference prompts as a Table of wanted images. */

const FILE = 'roentgen-v2-demo/demo_inference_prompts.csv';

const TEXT = `
apiVersion: cohortfarm.dev/v1alpha1
kind: SyntheticDataset
metadata: {name: roentgen-demo}
spec:
  quota:
    axes:
      sex: {values: [female, male]}
      age: {bins: [18-39, 40-59, 60-79, 80-95]}
      race: {values: [WHITE, BLACK, ASIAN, HISPANIC]}
    allocation:
      strategy: Table
      table:
        uri: ${FILE}
        idColumn: dicom_id
        impressionColumn: impression_short
        columns:
          sex: {name: gender, values: {F: female, M: male}}
          age: {name: anchor_age}
          race: {name: race}
  model: {uri: any}
  output: {uri: out}
`;

test('the prompts are those that RoentGen-v2 made of its table', (t) => {
  const bytes = dataFile(FILE, t);
  if (!bytes) return;
  const table = readCsv(bytes, FILE);
  const plan = makePlan(parseDataset(parse(TEXT)), { ...INPUTS, table });
  assert.equal(plan.samples, 10);
  const made = new Map(samplesBetween(plan, 0, 10).map(({ sourceId, prompt }) => [sourceId, prompt]));
  assert.deepEqual(made, new Map(table.map((row) => [row.dicom_id, row.prompt_variation!])));
});

test('ages are those of the table, and only cells that it names are planned', (t) => {
  const bytes = dataFile(FILE, t);
  if (!bytes) return;
  const table = readCsv(bytes, FILE);
  const plan = makePlan(parseDataset(parse(TEXT)), { ...INPUTS, table });
  const ages = new Map(table.map((row) => [row.dicom_id, Number(row.anchor_age)]));
  for (const { sourceId, exact } of samplesBetween(plan, 0, 10)) assert.equal(exact.age, ages.get(sourceId));
  const named = new Set(
    table.map(({ gender, anchor_age, race }) => `${gender} ${Math.floor(Number(anchor_age) / 20)} ${race}`),
  );
  assert.equal(plan.allocation.grid.cells.length, named.size);
});
