import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { linesOf } from '../../test/support/spec.ts';
import { countCohort } from './cohort.ts';
import { readAxis } from './columns.ts';
import { buildGrid } from './grid.ts';

const grid = buildGrid({
  axes: {
    sex: { values: ['female', 'male'] },
    age: { bins: ['18-39', '40-90'] },
    finding: { values: ['edema', 'effusion'] },
  },
  exclude: [{ age: '18-39', finding: 'effusion', sex: 'male' }],
});
const columns = {
  sex: { name: 'Gender', values: { F: 'female', M: 'male' } },
  age: { name: 'Age' },
  finding: { name: 'Labels', separator: '|', values: { Edema: 'edema', Effusion: 'effusion', Fluid: 'effusion' } },
};
const row = (Gender: string, Age: string, Labels: string) => ({ Gender, Age, Labels });
const countsById = (counts: readonly number[]) =>
  Object.fromEntries(grid.cells.flatMap((cell, i) => (counts[i] ? [[cell.id, counts[i]]] : [])));

test('by hand: rows count in each cell that they name', () => {
  const result = countCohort(grid, columns, [
    row('F', '39', 'Edema'),
    row('F', '040Y', 'Edema|Effusion'),
    // Two names of one finding count once.
    row('M', '90.0', ' Effusion | Fluid '),
    // An unknown finding beside a known one is passed over.
    row('M', '55', 'Edema|Hernia'),
    // Outside: another age, another finding, another sex, a cell that is excluded.
    row('F', '17', 'Edema'),
    row('F', '50', 'Hernia'),
    row('U', '50', 'Edema'),
    row('M', '20', 'Effusion'),
  ]);
  assert.deepEqual(countsById(result.counts), {
    'age=18-39,finding=edema,sex=female': 1,
    'age=40-90,finding=edema,sex=female': 1,
    'age=40-90,finding=edema,sex=male': 1,
    'age=40-90,finding=effusion,sex=female': 1,
    'age=40-90,finding=effusion,sex=male': 1,
  });
  const { rows, outside, multiple, unknownAxes } = result;
  assert.deepEqual({ rows, outside, multiple, unknownAxes }, { rows: 8, outside: 4, multiple: 1, unknownAxes: [] });
});

test('by hand: an axis that the cohort does not know is spread over the cells that are allowed', () => {
  const { sex: _sex, ...known } = columns;
  const result = countCohort(grid, known, [row('', '20', 'Effusion'), row('', '20', 'Edema|Effusion')]);
  assert.deepEqual(result.unknownAxes, ['sex']);
  // Effusion at 18-39 is allowed for women only, so both images count there whole; edema is halved.
  assert.deepEqual(countsById(result.counts), {
    'age=18-39,finding=edema,sex=female': 0.5,
    'age=18-39,finding=edema,sex=male': 0.5,
    'age=18-39,finding=effusion,sex=female': 2,
  });
});

test('the order of the rows does not matter, and every row is accounted for', () => {
  const rows = fc.array(
    fc.record({
      Gender: fc.constantFrom('F', 'M', 'U', 'constructor'),
      Age: fc.constantFrom('20', '45', '95', 'x', ''),
      Labels: fc.constantFrom('Edema', 'Effusion', 'Edema|Effusion', 'Hernia', '__proto__', ''),
    }),
    { minLength: 1, maxLength: 30 },
  );
  fc.assert(
    fc.property(rows, (list) => {
      const result = countCohort(grid, columns, list);
      assert.deepEqual(countCohort(grid, columns, list.toReversed()), result);
      const counted = result.counts.reduce((sum, n) => sum + n, 0);
      // No row here names more than two cells.
      assert.equal(counted, result.rows - result.outside + result.multiple);
    }),
  );
});

test('columns that are not there are named, and an empty file is refused', () => {
  const broken = { ...columns, sex: { name: 'Sex' }, age: { name: 'constructor' } };
  assert.deepEqual(
    linesOf(() => countCohort(grid, broken, [row('F', '50', 'Edema')])),
    [
      'spec.quota.allocation.cohort: the CSV has no column "Sex", "constructor"; its columns are "Gender", "Age", "Labels"',
    ],
  );
  assert.deepEqual(
    linesOf(() => countCohort(grid, columns, [])),
    ['spec.quota.allocation.cohort.uri: the CSV has no rows; give one with a header and at least one row'],
  );
});

test('numbers are read as data dictionaries write them, and nothing else is', () => {
  const age = grid.axes[0]!;
  const read = (text: string) => readAxis(age, { name: 'Age' }, { Age: text }).values[0];
  for (const text of ['39', ' 39 ', '039', '039Y', '39.', '39.9', '39.999999999Y'])
    assert.equal(read(text), '18-39', text);
  for (const text of ['', 'Y', '3 9', '-39', '39M', '468M', '4e1', '0x27', 'NaN', '39,5', `${'0'.repeat(1e6)}39`]) {
    assert.equal(read(text), undefined, text.slice(0, 9));
  }
});

test('a million labels in one cell are read once', () => {
  const Labels = Array.from({ length: 1_000_000 }, (_, i) => (i % 2 ? 'Edema' : 'Effusion')).join('|');
  assert.equal(countCohort(grid, columns, [row('F', '50', Labels)]).multiple, 1);
});
