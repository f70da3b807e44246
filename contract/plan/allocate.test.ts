import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { linesOf } from '../../test/support/spec.ts';
import { type Quota, quotaSchema } from '../schema/spec.ts';
import { type Allocation, allocate } from './allocate.ts';

type QuotaInput = Parameters<typeof quotaSchema.parse>[0];

const AXES = { sex: { values: ['female', 'male'] }, finding: { values: ['none', 'edema', 'effusion'] } };
const quota = (changes: object): Quota =>
  quotaSchema.parse({ samples: 12, axes: AXES, ...changes } satisfies QuotaInput);
const byId = ({ grid, quotas }: Allocation): Record<string, number> =>
  Object.fromEntries(grid.cells.map((cell, i) => [cell.id, quotas[i]!]));

test('Balanced, by hand: 14 images for 5 allowed cells make 2 or 3 each', () => {
  const allocation = allocate(quota({ samples: 14, exclude: [{ sex: 'male', finding: 'edema' }] }));
  assert.deepEqual(allocation.shares, [2.8, 2.8, 2.8, 2.8, 2.8]);
  assert.deepEqual([...allocation.quotas].sort(), [2, 3, 3, 3, 3]);
  assert.deepEqual(byId(allocate(quota({}))), {
    'finding=edema,sex=female': 2,
    'finding=edema,sex=male': 2,
    'finding=effusion,sex=female': 2,
    'finding=effusion,sex=male': 2,
    'finding=none,sex=female': 2,
    'finding=none,sex=male': 2,
  });
});

test('Marginals, by hand: a quarter men, half without finding, an axis without shares even', () => {
  const shares = { sex: { male: 0.25, female: 0.75 }, finding: { none: 0.5, edema: 0.25, effusion: 0.25 } };
  assert.deepEqual(byId(allocate(quota({ samples: 16, allocation: { strategy: 'Marginals', shares } }))), {
    'finding=edema,sex=female': 3,
    'finding=edema,sex=male': 1,
    'finding=effusion,sex=female': 3,
    'finding=effusion,sex=male': 1,
    'finding=none,sex=female': 6,
    'finding=none,sex=male': 2,
  });
  const even = allocate(quota({ samples: 24, allocation: { strategy: 'Marginals', shares: { sex: shares.sex } } }));
  assert.deepEqual(even.quotas, [6, 2, 6, 2, 6, 2]);
});

test('Cells, by hand: weights for named cells only, an axis left out takes all its values', () => {
  const cells = [
    { cell: { finding: 'none' }, weight: 1 },
    { cell: { finding: 'edema', sex: 'male' }, weight: 2 },
    { cell: { finding: 'edema', sex: 'female' }, weight: 0 },
  ];
  const allocation = allocate(quota({ allocation: { strategy: 'Cells', cells } }));
  assert.deepEqual(byId(allocation), {
    'finding=edema,sex=female': 0,
    'finding=edema,sex=male': 6,
    'finding=none,sex=female': 3,
    'finding=none,sex=male': 3,
  });
  assert.deepEqual(
    allocation.grid.cells.map(({ ordinal }) => ordinal),
    [0, 1, 2, 3],
  );
});

test('Complement, by hand: what a cohort of 6 lacks for 18 in all to be even', () => {
  const cohort = { uri: 'c.csv', columns: { sex: { name: 's' }, finding: { name: 'f', separator: '|' } } };
  const rows = [
    ...['none', 'none', 'none', 'edema'].map((f) => ({ s: 'female', f })),
    ...['none', 'edema|effusion'].map((f) => ({ s: 'male', f })),
  ];
  const allocation = allocate(quota({ samples: 11, allocation: { strategy: 'Complement', cohort } }), { cohort: rows });
  assert.deepEqual(byId(allocation), {
    'finding=edema,sex=female': 2,
    'finding=edema,sex=male': 2,
    'finding=effusion,sex=female': 3,
    'finding=effusion,sex=male': 2,
    'finding=none,sex=female': 0,
    'finding=none,sex=male': 2,
  });
  assert.deepEqual(allocation.cohort!.counts, [1, 1, 0, 1, 3, 1]);
});

test('Complement with minPerCell: every cell gets its least, the emptiest still get most', () => {
  const cohort = { uri: 'c.csv', columns: { finding: { name: 'f' } } };
  const axes = { finding: { values: ['a', 'b', 'c'] } };
  const rows = ['a', ...new Array(40).fill('b'), ...new Array(100).fill('c')].map((f) => ({ f }));
  const input = quota({ axes, samples: 80, minPerCell: 5, allocation: { strategy: 'Complement', cohort } });
  // 5 for c, and 75 bring a and b to (1 + 40 + 75) / 2 = 58.
  assert.deepEqual(allocate(input, { cohort: rows }).quotas, [57, 18, 5]);
});

test('minPerCell lifts small cells at the cost of the large ones', () => {
  const shares = { sex: { male: 0.01, female: 0.99 } };
  const allocation = allocate(quota({ samples: 100, minPerCell: 5, allocation: { strategy: 'Marginals', shares } }));
  assert.deepEqual(
    [...allocation.quotas].sort((a, b) => a - b),
    [5, 5, 5, 28, 28, 29],
  );
});

/** Quotas that cannot be met, and the message for each. */
const REFUSED: readonly { readonly name: string; readonly changes: object; readonly lines: string[] }[] = [
  {
    name: 'exclusions of everything',
    changes: { exclude: [{ sex: 'male' }, { sex: 'female' }] },
    lines: ['spec.quota.exclude: excludes every cell; remove an entry'],
  },
  {
    name: 'more for each cell than there is',
    changes: { minPerCell: 3 },
    lines: [
      'spec.quota.minPerCell: 3 for each of 6 cells is 18, more than samples (12); raise samples to at least 18, or lower minPerCell',
    ],
  },
  {
    name: 'a share for a value without cells',
    changes: { exclude: [{ finding: 'edema' }], allocation: { strategy: 'Marginals', shares: {} } },
    lines: [
      'spec.quota.allocation.shares.finding.edema: 33.3333 % is wanted, but spec.quota.exclude leaves no cell; set it to 0',
    ],
  },
  {
    name: 'a share that exclusions confine to a smaller one',
    changes: {
      exclude: [{ finding: 'edema', sex: 'female' }],
      allocation: {
        strategy: 'Marginals',
        shares: { sex: { female: 0.9, male: 0.1 }, finding: { none: 0.6, edema: 0.4, effusion: 0 } },
      },
    },
    lines: [
      'spec.quota.allocation.shares.finding.edema: 40 % is wanted, but exclusions allow it only with sex male (10 %); change the shares or spec.quota.exclude',
      'spec.quota.allocation.shares.sex.female: 90 % is wanted, but exclusions allow it only with finding none (60 %); change the shares or spec.quota.exclude',
    ],
  },
  {
    name: 'a cell that is weighed twice, and one that is excluded',
    changes: {
      exclude: [{ finding: 'edema' }],
      allocation: {
        strategy: 'Cells',
        cells: [
          { cell: { sex: 'male' }, weight: 1 },
          { cell: { finding: 'none' }, weight: 1 },
          { cell: { finding: 'edema' }, weight: 1 },
        ],
      },
    },
    lines: [
      'spec.quota.allocation.cells[1].cell: weighs finding=none,sex=male again, after cells[0]; name each cell once',
      'spec.quota.allocation.cells[2].cell: names no allowed cell; remove it or the exclusion',
    ],
  },
  {
    name: 'weights of nothing',
    changes: { allocation: { strategy: 'Cells', cells: [{ cell: { sex: 'male' }, weight: 0 }] } },
    lines: ['spec.quota.allocation.cells: gives no cell a weight above 0; raise one'],
  },
];

for (const { name, changes, lines } of REFUSED) {
  test(`refuses ${name}`, () =>
    assert.deepEqual(
      linesOf(() => allocate(quota(changes))),
      lines,
    ));
}

test('names values that fit one by one but not together', () => {
  const shares = {
    finding: { none: 0.2, edema: 0.4, effusion: 0.4 },
    site: { a: 0.25, b: 0.25, c: 0.25, d: 0.25 },
  };
  const exclude = ['edema', 'effusion'].flatMap((finding) => ['c', 'd'].map((site) => ({ finding, site })));
  const axes = { finding: AXES.finding, site: { values: ['a', 'b', 'c', 'd'] } };
  assert.deepEqual(
    linesOf(() => allocate(quota({ axes, exclude, allocation: { strategy: 'Marginals', shares } }))),
    [
      'spec.quota.allocation.shares.site.c: 25 % is wanted, but exclusions allow it only with finding none (20 %); change the shares or spec.quota.exclude',
      'spec.quota.allocation.shares.site.d: 25 % is wanted, but exclusions allow it only with finding none (20 %); change the shares or spec.quota.exclude',
    ],
  );
  const roomy = { ...shares, finding: { none: 0.3, edema: 0.4, effusion: 0.3 } };
  assert.deepEqual(
    linesOf(() => allocate(quota({ axes, exclude, allocation: { strategy: 'Marginals', shares: roomy } }))),
    [
      'spec.quota.allocation.shares.finding: edema, effusion want 70 % together, but exclusions allow them only with site a, b (50 %); change the shares or spec.quota.exclude',
    ],
  );
});

test('says how near a table comes where no two axes show the conflict', () => {
  // Cells with an even number of 1s: c=1 goes with a=1 or with b=1, so it has 20 % at most.
  const axis = { values: ['0', '1'] };
  const exclude = [
    { a: '0', b: '0', c: '1' },
    { a: '0', b: '1', c: '0' },
    { a: '1', b: '0', c: '0' },
    { a: '1', b: '1', c: '1' },
  ];
  const thin = { 0: 0.9, 1: 0.1 };
  const changes = (c: number) => ({
    axes: { a: axis, b: axis, c: axis },
    exclude,
    allocation: { strategy: 'Marginals', shares: { a: thin, b: thin, c: { 0: 1 - c, 1: c } } },
  });
  assert.deepEqual(byId(allocate(quota({ ...changes(0.2), samples: 10 }))), {
    'a=0,b=0,c=0': 8,
    'a=0,b=1,c=1': 1,
    'a=1,b=0,c=1': 1,
    'a=1,b=1,c=0': 0,
  });
  const lines = linesOf(() => allocate(quota(changes(0.5))));
  assert.ok(lines.length > 0);
  for (const line of lines) {
    assert.match(
      line,
      /^spec\.quota\.allocation\.shares\.\w\["\d"\]: \S+ % is wanted, but the nearest table .* has \S+ %; change the shares/,
    );
  }
});

/** A quota of any strategy but Table, in a random spelling and in a sorted one. */
const spellings = fc
  .record({
    strategy: fc.constantFrom('Balanced', 'Marginals', 'Cells', 'Complement'),
    samples: fc.integer({ min: 60, max: 5000 }),
    minPerCell: fc.nat(3),
    x: fc.shuffledSubarray(['p', 'q', 'r', 's'], { minLength: 2 }),
    y: fc.shuffledSubarray(['0-9', '10-19', '100-109'], { minLength: 2 }),
    names: fc.shuffledSubarray(['x', 'y'], { minLength: 2 }),
    numbers: fc.infiniteStream(fc.integer({ min: 1, max: 50 })),
    hole: fc.boolean(),
  })
  .map(({ strategy, samples, minPerCell, x, y, names, numbers, hole }) => {
    const next = (): number => numbers.next().value as number;
    const weights = new Map([...x].sort().flatMap((a) => [...y].sort().map((b) => [`${a} ${b}`, next()] as const)));
    const share = new Map([...x].sort().map((a) => [a, next()] as const));
    const total = [...share.values()].reduce((a, b) => a + b, 0);
    const rows = [...weights].flatMap(([key, n]) =>
      new Array(n).fill({ X: key.split(' ')[0], Y: key.split(' ')[1]!.split('-')[0] }),
    );
    const spell = (xs: string[], ys: string[], order: string[]) => {
      const cells = xs.flatMap((a) => ys.map((b) => ({ cell: { x: a, y: b }, weight: weights.get(`${a} ${b}`) })));
      return {
        samples,
        minPerCell,
        axes: Object.fromEntries(order.map((name) => [name, name === 'x' ? { values: xs } : { bins: ys }])),
        exclude: hole && x.length > 2 ? [{ x: x.toSorted()[0], y: y.toSorted()[0] }] : [],
        allocation: {
          Balanced: { strategy },
          Marginals: { strategy, shares: { x: Object.fromEntries(xs.map((a) => [a, share.get(a)! / total])) } },
          Cells: {
            strategy,
            cells: cells.filter(
              ({ cell }) => !(hole && x.length > 2 && cell.x === x.toSorted()[0] && cell.y === y.toSorted()[0]),
            ),
          },
          Complement: { strategy, cohort: { uri: 'c', columns: { x: { name: 'X' }, y: { name: 'Y' } } } },
        }[strategy],
      };
    };
    return { here: spell(x, y, names), there: spell(x.toSorted(), y.toSorted(), ['x', 'y']), rows };
  });

test('in every strategy: exact sums, less than one off the share, the least for all, whatever the spelling', () => {
  fc.assert(
    fc.property(spellings, ({ here, there, rows }) => {
      let allocation: Allocation;
      try {
        allocation = allocate(quota(here), { cohort: rows });
      } catch {
        assert.throws(() => allocate(quota(there), { cohort: rows }));
        return;
      }
      assert.equal(
        allocation.quotas.reduce((a, b) => a + b, 0),
        here.samples,
      );
      allocation.quotas.forEach((n, i) => {
        assert.ok(Math.abs(n - allocation.shares[i]!) < 1);
        assert.ok(n >= here.minPerCell);
      });
      assert.deepEqual(byId(allocate(quota(there), { cohort: rows.toReversed() })), byId(allocation));
    }),
    { numRuns: 200 },
  );
});
