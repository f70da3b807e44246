import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { makePlan, samplesBetween } from '../../contract/plan/plan.ts';
import { parseDataset } from '../../contract/validate/parse.ts';
import { readCsv } from '../../platform/csv.ts';
import { INPUTS } from '../support/spec.ts';
import { dataFile } from './shared.ts';

/** The metadata of NIH ChestX-ray14 (112,120 images) as the real cohort that synthetic images complement. */

const FILE = 'nih-cxr14-metadata/Data_Entry_2017_v2020.csv.gz';

const text = (samples: number, race = ''): string => `
apiVersion: cohortfarm.dev/v1alpha1
kind: SyntheticDataset
metadata: {name: nih}
spec:
  quota:
    samples: ${samples}
    axes:
      sex: {values: [female, male]}
      age: {bins: [18-39, 40-59, 60-79, 80-95]}
      finding: {values: [no-finding, cardiomegaly, effusion, edema, pneumonia]}
      ${race}
    allocation:
      strategy: Complement
      cohort:
        uri: ${FILE}
        columns:
          sex: {name: Patient Gender, values: {F: female, M: male}}
          age: {name: Patient Age}
          finding:
            name: Finding Labels
            separator: "|"
            values: {No Finding: no-finding, Cardiomegaly: cardiomegaly, Effusion: effusion, Edema: edema, Pneumonia: pneumonia}
  prompt: {template: "{age} year old {sex} with {finding}"}
  model: {uri: any}
  output: {uri: out}
`;

// Counted by another program (Python's csv and collections.Counter): images by finding, age and sex.
const COUNTS: Record<string, readonly number[]> = {
  // 18-39 F and M, 40-59 F and M, 60-79 F and M, 80-95 F and M
  'no-finding': [8122, 9891, 11969, 14458, 4759, 7580, 189, 249],
  cardiomegaly: [408, 379, 648, 495, 334, 312, 32, 17],
  effusion: [1286, 1818, 2818, 3073, 1524, 2172, 75, 92],
  edema: [329, 375, 519, 530, 194, 228, 1, 7],
  pneumonia: [176, 276, 246, 297, 116, 198, 5, 5],
};
const AGES = ['18-39', '40-59', '60-79', '80-95'];

function expected(): Map<string, number> {
  return new Map(
    Object.entries(COUNTS).flatMap(([finding, counts]) =>
      counts.map((n, i): [string, number] => [
        `age=${AGES[i >> 1]},finding=${finding},sex=${i % 2 ? 'male' : 'female'}`,
        n,
      ]),
    ),
  );
}

test('the cohort is counted image by image', (t) => {
  const bytes = dataFile(FILE, t);
  if (!bytes) return;
  const { allocation } = makePlan(parseDataset(parse(text(100_000))), { ...INPUTS, cohort: readCsv(bytes, FILE) });
  const { rows, outside, multiple, unknownAxes, counts } = allocation.cohort!;
  assert.deepEqual(
    { rows, outside, multiple, unknownAxes },
    { rows: 112_120, outside: 38_078, multiple: 2_034, unknownAxes: [] },
  );
  assert.deepEqual(new Map(allocation.grid.cells.map((cell, i) => [cell.id, counts[i]!])), expected());
});

test('the union of real and synthetic images is level', (t) => {
  const bytes = dataFile(FILE, t);
  if (!bytes) return;
  const cohort = readCsv(bytes, FILE);
  // By hand from the sorted counts: 100,000 images bring 34 of 40 cells to 3512.44; 565,000 bring all to 16030.05.
  for (const [samples, level, filled] of [
    [100_000, 3512.4412, 34],
    [565_000, 16_030.05, 40],
  ] as const) {
    const { allocation } = makePlan(parseDataset(parse(text(samples))), { ...INPUTS, cohort });
    const { quotas } = allocation;
    assert.equal(
      quotas.reduce((sum, n) => sum + n, 0),
      samples,
    );
    assert.equal(quotas.filter((n) => n > 0).length, filled);
    allocation.cohort!.counts.forEach((have, i) => {
      const union = have + quotas[i]!;
      assert.ok(quotas[i] === 0 ? union >= level : Math.abs(union - level) < 1, `${union}`);
    });
  }
});

test('a race that the file does not know is spread evenly, and so is what it lacks', (t) => {
  const bytes = dataFile(FILE, t);
  if (!bytes) return;
  const race = 'race: {values: [WHITE, BLACK, ASIAN, HISPANIC]}';
  const plan = makePlan(parseDataset(parse(text(100_000, race))), { ...INPUTS, cohort: readCsv(bytes, FILE) });
  const { cohort, quotas, grid } = plan.allocation;
  assert.deepEqual(cohort!.unknownAxes, ['race']);
  assert.equal(cohort!.multiple, 2_034);
  const byRace = Map.groupBy(grid.cells, (cell) => cell.id.replace(/,race=\w+/, ''));
  assert.equal(byRace.size, 40);
  for (const [id, cells] of byRace) {
    for (const { ordinal } of cells) assert.equal(cohort!.counts[ordinal], expected().get(id)! / 4);
    const given = cells.map(({ ordinal }) => quotas[ordinal]!);
    assert.ok(Math.max(...given) - Math.min(...given) <= 1);
  }
});

test('the plan of the complement can be sampled', (t) => {
  const bytes = dataFile(FILE, t);
  if (!bytes) return;
  const plan = makePlan(parseDataset(parse(text(100_000))), { ...INPUTS, cohort: readCsv(bytes, FILE) });
  const samples = samplesBetween(plan, 50_000, 51_000);
  // 34 cells are filled to about the same level, so 1,000 samples hold at most about a 28th of each.
  assert.ok(samples.every(({ cell }) => plan.allocation.quotas[cell]! > 0));
  assert.match(samples[0]!.prompt, /^\d\d year old (fe)?male with [a-z-]+$/);
});
