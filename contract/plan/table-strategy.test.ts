import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INPUTS, linesOf, planOf } from '../../test/support/spec.ts';
import { samplesBetween } from './plan.ts';

const CHANGES = {
  'spec.quota.samples': undefined,
  'spec.quota.axes': { sex: { values: ['female', 'male'] }, age: { bins: ['18-39', '40-90'] } },
  'spec.quota.exclude': [{ sex: 'male', age: '18-39' }],
  'spec.quota.allocation': {
    strategy: 'Table',
    table: {
      uri: 't.csv',
      columns: { sex: { name: 'g', values: { F: 'female', M: 'male' } }, age: { name: 'a' } },
      idColumn: 'id',
      impressionColumn: 'text',
    },
  },
  'spec.prompt.impressions': undefined,
};
const row = (id: string, g: string, a: string, text = `text of ${id}`) => ({ id, g, a, text });
const plan = (table: ReturnType<typeof row>[], changes = {}) =>
  planOf({ ...CHANGES, ...changes }, { ...INPUTS, table });

test('every row becomes one sample, with its own number, phrase and id', () => {
  const rows = [row('r1', 'M', '57Y'), row('r2', 'F', '18'), row('r3', 'F', '39'), row('r4', 'F', '41')];
  const made = plan(rows);
  const samples = samplesBetween(made, 0, made.samples);
  assert.deepEqual(samples.map(({ prompt, sourceId, exact }) => [sourceId, prompt, exact.age]).sort(), [
    ['r1', '57 year old male. text of r1', 57],
    ['r2', '18 year old female. text of r2', 18],
    ['r3', '39 year old female. text of r3', 39],
    ['r4', '41 year old female. text of r4', 41],
  ]);
});

test('only cells that have rows get samples, in file order within a cell', () => {
  const made = plan([row('b', 'F', '20'), row('a', 'F', '30'), row('c', 'F', '25')]);
  assert.deepEqual(
    made.allocation.grid.cells.map(({ id, ordinal }) => [id, ordinal]),
    [['age=18-39,sex=female', 0]],
  );
  assert.deepEqual(
    samplesBetween(made, 0, 3).map(({ sourceId }) => sourceId),
    ['b', 'a', 'c'],
  );
});

test('without a column for it the phrase comes from the resource, in turn', () => {
  const { impressionColumn: _, ...table } = CHANGES['spec.quota.allocation'].table;
  const made = plan([row('a', 'F', '20'), row('b', 'F', '20'), row('c', 'F', '20')], {
    'spec.quota.allocation': {
      strategy: 'Table',
      table: { ...table, columns: { ...table.columns, finding: { name: 'text' } } },
    },
    'spec.quota.axes': { ...CHANGES['spec.quota.axes'], finding: { values: ['text of a', 'text of b', 'text of c'] } },
    'spec.prompt.impressions': { 'text of a': ['A'], 'text of b': ['B1', 'B2'], 'text of c': ['C'] },
  });
  assert.deepEqual(
    samplesBetween(made, 0, 3).map(({ prompt }) => prompt.slice(-2).trim()),
    ['A', 'B1', 'C'],
  );
});

test('rows that fit no cell are listed with the fix', () => {
  const rows = [
    row('a', 'F', '17'),
    row('b', 'X', '50'),
    row('c', 'M', '20'),
    row('d', 'F', '50', ''),
    row('e', 'F', '50', 'two\nlines'),
  ];
  assert.deepEqual(
    linesOf(() => plan(rows)),
    [
      'spec.quota.allocation.table row 1: column "a" says "17", which is not one value of axis age; add a bin or remove the row',
      'spec.quota.allocation.table row 2: column "g" says "X", which is not one value of axis sex; map it in the column\'s values or remove the row',
      'spec.quota.allocation.table row 3: the row lies in an excluded cell (18-39, male); remove it or the exclusion',
      'spec.quota.allocation.table row 4: column "text" is empty; write an impression or remove the row',
      'spec.quota.allocation.table row 5: column "text" must not contain control characters, line breaks or halves of characters',
    ],
  );
});

test('many wrong rows are counted, not listed', () => {
  const lines = linesOf(() => plan(Array.from({ length: 1000 }, (_, i) => row(`${i}`, 'F', '7'))));
  assert.equal(lines.length, 21);
  assert.equal(lines[20], 'spec.quota.allocation.table: 980 more rows are like these');
});

test('a number of samples that is not the number of rows is refused', () => {
  assert.deepEqual(
    linesOf(() => plan([row('a', 'F', '20')], { 'spec.quota.samples': 2 })),
    ['spec.quota.samples: 2 is not the number of rows of the table (1); remove it'],
  );
  assert.equal(plan([row('a', 'F', '20')], { 'spec.quota.samples': 1 }).samples, 1);
});

test('an empty table, and one without a column, are refused', () => {
  assert.deepEqual(
    linesOf(() => plan([])),
    ['spec.quota.allocation.table.uri: the CSV has no rows; give one with a header and at least one row'],
  );
  const { id: _, ...without } = row('a', 'F', '20');
  assert.deepEqual(
    linesOf(() => plan([without as ReturnType<typeof row>])),
    ['spec.quota.allocation.table: the CSV has no column "id"; its columns are "g", "a", "text"'],
  );
});
