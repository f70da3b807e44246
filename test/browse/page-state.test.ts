import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readState, type State, selecting, withValue, writeState } from '../../browse/page/state.ts';
import { cellsWhere, hardestCells, sumGrid, sumOf, valuesOf } from '../../browse/parts/sums.ts';
import type { AxisView } from '../../browse/wire.ts';

/** The pure parts of the page: its URL and its sums. */

const axis = (name: string, values: string[], ofCell: number[]): AxisView => ({ name, values, ofCell });

/** Two sexes, three ages; the cell of old men is excluded. */
const view = {
  axes: [axis('age', ['0-9', '10-19', '20-29'], [0, 0, 1, 1, 2]), axis('sex', ['female', 'male'], [0, 1, 0, 1, 0])],
  gates: [{ name: 'sex', axis: 'sex', rule: '' }],
  hasFeatures: true,
  cells: {
    wanted: [4, 4, 4, 4, 0],
    accepted: [4, 2, 4, 0, 0],
    exhausted: [0, 2, 0, 0, 0],
    attempts: [4, 8, 5, 0, 0],
    rejected: { sex: [0, 6, 1, 0, 0] },
  },
};

const stateArb: fc.Arbitrary<State> = fc.record({
  rows: fc.constantFrom('age', 'sex'),
  columns: fc.constantFrom('age', 'sex'),
  tone: fc.constantFrom('images', 'filled', 'acceptance', 'gate:sex'),
  where: fc.dictionary(fc.constantFrom('age'), fc.constantFrom('0-9', '20-29')),
  page: fc.nat(1000),
  show: fc.constantFrom('images', 'map', 'suspicious'),
  by: fc.constantFrom('', 'age', 'sex'),
  image: fc.option(fc.constant('000000017')),
  rejected: fc.option(fc.constant('000001/0002')),
}) as fc.Arbitrary<State>;

test('what the page shows survives its URL', () => {
  fc.assert(
    fc.property(stateArb, (state) => {
      fc.pre(state.rows !== state.columns);
      assert.deepEqual(readState(writeState(state, view), view), { ...state, where: { ...state.where } });
    }),
  );
});

test('any URL shows something that the dataset has', () => {
  const names = [
    'rows',
    'columns',
    'colour',
    'show',
    'by',
    'is.age',
    'is.sex',
    'is.__proto__',
    'page',
    'image',
    'rejected',
  ];
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...names), fc.string()), { maxLength: 12 }), (pairs) => {
      const state = readState(`?${new URLSearchParams(pairs)}`, view);
      assert.deepEqual([state.rows, state.columns].sort(), ['age', 'sex']);
      assert.ok(Number.isInteger(state.page) && state.page >= 0);
      assert.ok(cellsWhere(view, state.where).length > 0 || Object.keys(state.where).length > 0);
      assert.deepEqual(readState(writeState(state, view), view), state);
    }),
  );
  assert.equal(readState('?image=../../etc/passwd&rejected=../x', view).image, null);
});

test('a grid of one axis has rows only', () => {
  const one = { axes: [view.axes[0]!], gates: [], hasFeatures: false };
  assert.deepEqual([readState('', one).rows, readState('', one).columns], ['age', '']);
});

test('without features there is neither a map nor a list of suspicious images', () => {
  assert.equal(readState('?show=map', view).show, 'map');
  assert.equal(readState('?show=map', { ...view, hasFeatures: false }).show, 'images');
});

test('a new selection begins at its first page with nothing open', () => {
  const state = readState('?page=7&image=000000017', view);
  const next = selecting(state, withValue(state.where, 'sex', 'male'));
  assert.equal(writeState(next, view), '?is.sex=male');
  assert.equal(writeState(selecting(next, withValue(next.where, 'sex', null)), view), '');
});

test('sums over cells, by two axes and by one', () => {
  const whole = sumOf(view, cellsWhere(view, {}));
  assert.deepEqual(
    { ...whole, rejected: [...whole.rejected] },
    {
      wanted: 16,
      accepted: 10,
      exhausted: 2,
      attempts: 17,
      rejected: [['sex', 7]],
    },
  );
  const at = sumGrid(view, view.axes[0]!, view.axes[1]!, { age: '0-9' });
  assert.equal(at(0, 1)?.accepted, 2, 'conditions on the axes of the map do not narrow it');
  assert.equal(at(2, 1), null, 'an excluded combination');
  const byAge = sumGrid(view, view.axes[0]!, null, { sex: 'female' });
  assert.deepEqual(
    [0, 1, 2].map((row) => byAge(row, 0)?.accepted),
    [4, 4, 0],
  );
});

test('the hardest cells come first, and those without attempts not at all', () => {
  assert.deepEqual(hardestCells(view, cellsWhere(view, {}), 2), [1, 2]);
  assert.deepEqual(valuesOf(view, 1), { age: '0-9', sex: 'male' });
});
