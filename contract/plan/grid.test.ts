import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildGrid, cellRecord, parseBin } from './grid.ts';
import { partialMatcher } from './partial.ts';

const axes = { sex: { values: ['male', 'female'] }, age: { bins: ['100-110', '18-39', '5-17'] } };

test('axes are in order of name, values by code unit, bins by number', () => {
  const grid = buildGrid({ axes, exclude: [] });
  assert.deepEqual(grid.axes, [
    { name: 'age', values: ['5-17', '18-39', '100-110'], bins: ['5-17', '18-39', '100-110'].map(parseBin) },
    { name: 'sex', values: ['female', 'male'], bins: null },
  ]);
  assert.deepEqual(
    grid.cells.map((cell) => cell.id),
    ['5-17', '18-39', '100-110'].flatMap((age) => [`age=${age},sex=female`, `age=${age},sex=male`]),
  );
});

test('excluded cells are left out, and the others numbered through', () => {
  const exclude = [{ age: '5-17' }, { sex: 'male', age: '18-39' }];
  const grid = buildGrid({ axes, exclude });
  assert.deepEqual(
    grid.cells.map(({ ordinal, id }) => `${ordinal} ${id}`),
    ['0 age=18-39,sex=female', '1 age=100-110,sex=female', '2 age=100-110,sex=male'],
  );
  assert.equal(grid.combinations, 6);
  assert.deepEqual(cellRecord(grid, grid.cells[2]!), { age: '100-110', sex: 'male' });
});

test('the spelling of the quota does not change the grid', () => {
  const values = ['a', 'b', 'c', 'd'];
  const exclude = [{ x: 'a', y: 'b' }, { z: 'c' }, { y: 'd', z: 'd' }];
  const spell = (xs: string[], names: string[], holes: typeof exclude) =>
    buildGrid({ axes: Object.fromEntries(names.map((name) => [name, { values: xs }])), exclude: holes });
  const expected = spell(values, ['x', 'y', 'z'], exclude);
  fc.assert(
    fc.property(
      fc.shuffledSubarray(values, { minLength: 4 }),
      fc.shuffledSubarray(['x', 'y', 'z'], { minLength: 3 }),
      fc.shuffledSubarray(exclude, { minLength: 3 }),
      (xs, names, holes) => assert.deepEqual(spell(xs, names, holes), expected),
    ),
  );
});

test('partial cells are found as if each were compared', () => {
  const grid = buildGrid({
    axes: { x: { values: ['0', '1', '2'] }, y: { values: ['0', '1'] }, z: { values: ['0', '1'] } },
    exclude: [],
  });
  const partial = fc.dictionary(fc.constantFrom('x', 'y', 'z'), fc.constantFrom('0', '1', '2'), {
    noNullPrototype: true,
  });
  fc.assert(
    fc.property(fc.array(partial, { maxLength: 12 }), (partials) => {
      const matching = partialMatcher(grid.axes, partials);
      for (const cell of grid.cells) {
        const record: Record<string, string> = cellRecord(grid, cell);
        const expected = partials.flatMap((one, i) => (Object.keys(one).every((k) => one[k] === record[k]) ? [i] : []));
        assert.deepEqual(matching(cell.values), expected);
      }
    }),
  );
});

test('10,000 exclusions of 200,000 cells take no time to speak of', () => {
  const names = (prefix: string, n: number): string[] => Array.from({ length: n }, (_, i) => `${prefix}${i}`);
  const many = { x: { values: names('x', 1000) }, y: { values: names('y', 200) } };
  const exclude = Array.from({ length: 10_000 }, (_, i) => ({ x: `x${i % 1000}`, y: `y${Math.floor(i / 1000)}` }));
  const begun = performance.now();
  assert.equal(buildGrid({ axes: many, exclude }).cells.length, 190_000);
  assert.ok(performance.now() - begun < 10_000);
});
