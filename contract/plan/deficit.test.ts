import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { evaluationOf, metricsOf, type Rates } from '../../test/support/evaluation.ts';
import { linesOf, planOf } from '../../test/support/spec.ts';
import type { Metrics } from '../schema/metrics.ts';
import { type Quota, quotaSchema } from '../schema/spec.ts';
import { type Allocation, allocate } from './allocate.ts';
import { deficitOf, lowerEnd } from './deficit.ts';
import { parseEvaluation } from './evaluation.ts';

const AXES = {
  sex: { values: ['female', 'male'] },
  age: { bins: ['18-49', '50-90'] },
  finding: { values: ['no-finding', 'edema'] },
};

const quota = (evaluation: object = {}, changes: object = {}): Quota =>
  quotaSchema.parse({
    samples: 80,
    axes: AXES,
    allocation: { strategy: 'Deficit', evaluation: { uri: 'metrics.json', ...evaluation } },
    ...changes,
  });

const byId = ({ grid, quotas }: Allocation): Record<string, number> =>
  Object.fromEntries(grid.cells.map((cell, i) => [cell.id, quotas[i]!]));

const EVEN: Rates = {
  'female,18-49': [10, 100],
  'female,50-90': [10, 100],
  'male,18-49': [10, 100],
  'male,50-90': [10, 100],
};
/** Young women's edema is missed 40 times in 100, everybody else's 10 times: 17.5 % overall. */
const EDEMA: Rates = { ...EVEN, 'female,18-49': [40, 100] };
const measured = metricsOf(evaluationOf(['sex', 'age'], { 'no-finding': EVEN, edema: EDEMA }));
const given = (evaluation: Metrics) => ({ evaluation });

test('by hand: the lower end of the interval is that of Wilson, of people and not of images', () => {
  // 40 of 100: statsmodels.stats.proportion.proportion_confint(40, 100, method="wilson")[0]
  assert.ok(Math.abs(lowerEnd({ errors: 40, of: 100, patients: 100 }) - 0.3094013) < 1e-7);
  assert.ok(Math.abs(lowerEnd({ errors: 5, of: 10, patients: 10 }) - 0.236593) < 1e-6);
  assert.equal(lowerEnd({ errors: 0, of: 7, patients: 7 }), 0);
  assert.equal(lowerEnd({ errors: 0, of: 0, patients: 0 }), 0);
  // 400 of 1,000 images of 100 people say as much as 40 of 100.
  assert.equal(lowerEnd({ errors: 400, of: 1000, patients: 100 }), lowerEnd({ errors: 40, of: 100, patients: 100 }));
});

test('by hand: what is missed more than overall, beyond chance, gets as many times more', () => {
  const allocation = allocate(quota(), given(measured));
  // 0.3094 / 0.175 = 1.768 against 1 for each of the other seven: of 80 images 16.13 and 9.12, the larger remainder first.
  assert.deepEqual(byId(allocation), {
    'age=18-49,finding=edema,sex=female': 17,
    'age=18-49,finding=edema,sex=male': 9,
    'age=18-49,finding=no-finding,sex=female': 9,
    'age=18-49,finding=no-finding,sex=male': 9,
    'age=50-90,finding=edema,sex=female': 9,
    'age=50-90,finding=edema,sex=male': 9,
    'age=50-90,finding=no-finding,sex=female': 9,
    'age=50-90,finding=no-finding,sex=male': 9,
  });
  assert.ok(Math.abs(allocation.shares[0]! - (80 * 1.7680074) / 8.7680074) < 1e-4);
  const { model, site, axes } = allocation.misses!;
  assert.deepEqual({ model, site, axes }, { model: 'finetune', site: 'pooled', axes: ['age', 'sex'] });
});

test('by hand: floor and cap hold exactly, and what they take or leave goes to the others', () => {
  const capped = allocate(quota({ maxPerCell: 11 }), given(measured));
  assert.equal(capped.quotas[0], 11);
  assert.deepEqual(capped.quotas.slice(1).toSorted(), [10, 10, 10, 10, 10, 10, 9].toSorted());
  const strong = allocate(quota({ power: 4, maxPerCell: 40 }, { minPerCell: 5, samples: 75 }), given(measured));
  // 1.768^4 = 9.77 times as many as the others, with a floor of 5 images for each.
  assert.equal(strong.quotas[0], 40);
  assert.deepEqual(strong.quotas.slice(1), [5, 5, 5, 5, 5, 5, 5]);
  assert.deepEqual(allocate(quota({ power: 0 }), given(measured)).quotas, new Array(8).fill(10));
});

test('refuses a cap that leaves images over', () => {
  assert.deepEqual(
    linesOf(() => allocate(quota({ maxPerCell: 9 }), given(measured))),
    [
      'spec.quota.allocation.evaluation.maxPerCell: 9 for each of 8 cells is 72, fewer than samples (80); raise it to at least 10, or lower samples',
    ],
  );
});

test('groups that the evaluation does not know count as overall', () => {
  const { 'female,50-90': _none, ...rates } = EDEMA;
  const unknown = metricsOf(
    evaluationOf(['sex', 'age'], {
      edema: { ...rates, 'unknown,18-49': [90, 100], 'male,outside': [9, 9] },
      'no-finding': {},
    }),
  );
  const { misses } = allocate(quota(), given(unknown));
  const grid = allocate(quota(), given(unknown)).grid.cells.map(({ id }) => id);
  assert.deepEqual(
    grid.filter((_, i) => misses!.cells[i] === null),
    grid.filter((id) => id.includes('no-finding') || id === 'age=50-90,finding=edema,sex=female'),
  );
  assert.equal(deficitOf(null), 1);
  // Images of unknown groups are missed, too: they count in what is missed overall.
  assert.deepEqual(misses!.cells[0]!.overall, { errors: 40 + 10 + 10 + 90 + 9, of: 409, patients: 409 });
});

test('axes, values, bins and labels are mapped as the spec says', () => {
  const foreign = metricsOf(
    evaluationOf(
      ['gender', 'years'],
      {
        Oedema: {
          'F,18-29': [15, 50],
          'F,30-49': [25, 50],
          'F,50-90': [10, 100],
          'M,18-49': [10, 100],
          'M,50-90': [10, 100],
        },
      },
      { model: 'b', site: 'east' },
    ),
    evaluationOf(['gender'], { Oedema: {} }, { model: 'b', site: 'west' }),
    evaluationOf(['gender'], { Oedema: {} }, { model: 'a' }),
  );
  const mapped = quota({
    model: 'b',
    site: 'east',
    groups: { sex: { name: 'gender', values: { F: 'female', M: 'male' } }, age: { name: 'years' } },
    labels: { edema: 'Oedema' },
  });
  // The same rates as above; the two bins that lie in 18-49 are added up, and no-finding is left out.
  assert.deepEqual(allocate(mapped, given(foreign)).shares, allocate(quota(), given(measured)).shares);
});

/** Evaluations and specs that do not fit together. */
const REFUSED: readonly {
  name: string;
  evaluation?: object;
  axes?: object;
  metrics?: Metrics;
  lines: (string | RegExp)[];
}[] = [
  {
    name: 'a model that is not there',
    evaluation: { model: 'x' },
    lines: ['spec.quota.allocation.evaluation.model: "x" is not in the evaluation; write one of finetune'],
  },
  {
    name: 'one of several models that is not named',
    metrics: metricsOf(evaluationOf(['sex'], {}), evaluationOf(['sex'], {}, { model: 'other' })),
    lines: [
      'spec.quota.allocation.evaluation.model: is required, since there are several; write one of finetune, other',
    ],
  },
  {
    name: 'one of several sites that is not named',
    metrics: metricsOf(evaluationOf(['sex'], {}, { site: 'a' }), evaluationOf(['sex'], {}, { site: 'b' })),
    lines: ['spec.quota.allocation.evaluation.site: is required, since there are several; write one of a, b'],
  },
  {
    name: 'an evaluation of nothing',
    metrics: metricsOf(),
    lines: [/evaluation\.model: is required.*it measures nothing/],
  },
  {
    name: 'all that does not fit, at once',
    evaluation: {
      groups: { sex: { name: 'sex', values: { F: 'female' } }, age: { name: 'years' } },
      labels: { edema: 'Oedema', 'no-finding': 'No Finding' },
    },
    lines: [
      'spec.quota.allocation.evaluation.groups.age.name: the evaluation does not group by "years"; write one of sex, age',
      'spec.quota.allocation.evaluation.labels.edema: the evaluation has no label "Oedema"; write one of no-finding, edema',
      'spec.quota.allocation.evaluation.labels.no-finding: the evaluation has no label "No Finding"; write one of no-finding, edema',
      'spec.quota.allocation.evaluation.groups.sex: the evaluation says female, male, of which none is a value of axis sex; map them in values',
    ],
  },
  {
    name: 'findings without a label',
    axes: { ...AXES, finding: { values: ['edema', 'nodule', 'mass'] } },
    lines: [
      'spec.quota.allocation.evaluation.labels: is required: the evaluation has no label mass, nodule; map each finding to one of no-finding, edema, or leave it out to count it as overall',
    ],
  },
  {
    name: 'bins that lie across those of the axis',
    axes: { ...AXES, age: { bins: ['20-45', '46-80'] } },
    lines: [
      'spec.quota.allocation.evaluation.groups.age: the evaluation says 18-49, 50-90, of which none is a value of axis age; evaluate with bins that lie inside those of the axis, or map them in values',
    ],
  },
  {
    name: 'no axis in common',
    axes: { race: { values: ['A', 'B'] }, finding: AXES.finding },
    lines: [/evaluation\.groups: is required, since no axis .* \(sex, age\); map one$/],
  },
  {
    name: 'a grouping that was not measured',
    evaluation: { groups: { sex: { name: 'sex' } } },
    lines: [
      /groups: the evaluation has no false-negative rates of "edema" by sex: it groups by sex\+age; map other axes/,
      /groups: the evaluation has no false-negative rates of "no-finding" by sex/,
    ],
  },
];

for (const { name, evaluation, axes, metrics, lines } of REFUSED) {
  test(`refuses ${name}`, () => {
    const found = linesOf(() => allocate(quota(evaluation, axes && { axes }), given(metrics ?? measured)));
    assert.equal(found.length, lines.length, found.join('\n'));
    for (const [i, line] of lines.entries())
      if (typeof line === 'string') assert.equal(found[i], line);
      else assert.match(found[i]!, line);
  });
}

test('refuses a file that is not an evaluation of this version', () => {
  const [broken] = linesOf(() => parseEvaluation('{'));
  assert.match(
    broken!,
    /^spec\.quota\.allocation\.evaluation\.uri: the file is not valid JSON .*; name a metrics\.json$/,
  );
  const old = JSON.stringify({ ...measured, apiVersion: 'cohortfarm.dev/metrics/v1' });
  assert.match(
    linesOf(() => parseEvaluation(old))[0]!,
    /apiVersion is cohortfarm\.dev\/metrics\/v1, from another version/,
  );
  assert.deepEqual(parseEvaluation(JSON.stringify(measured)), measured);
});

test('the plan digest covers what follows from the evaluation, not the evaluation', () => {
  const changes = (uri: string) => ({
    'spec.quota.allocation': { strategy: 'Deficit', evaluation: { uri, groups: { sex: { name: 'sex' } } } },
  });
  const rates = (errors: number): Rates => ({ female: [errors, 100], male: [10, 100] });
  const of = (errors: number, uri = 'a.json') => {
    const evaluation = metricsOf(evaluationOf(['sex'], { 'no-finding': rates(10), edema: rates(errors) }));
    return planOf(changes(uri), { evaluation }).digest;
  };
  assert.notEqual(of(80), of(10));
  assert.equal(of(80), of(80, 'b.json'));
  assert.equal(of(10), of(11), 'one more in a hundred is chance');
  assert.equal(of(10), planOf().digest, 'no deficit is Balanced');
});

/** Rates of two labels in four groups, and a quota that can be met. */
const cases = fc
  .record({
    counts: fc.array(
      fc.tuple(fc.nat(200), fc.nat(200), fc.integer({ min: 1, max: 3 })).map(([a, b, images]) => {
        return { errors: Math.min(a, b) * images, of: Math.max(a, b) * images, patients: Math.max(a, b) };
      }),
      { minLength: 8, maxLength: 8 },
    ),
    power: fc.double({ min: 0, max: 4, noNaN: true }),
    minPerCell: fc.nat(20),
    room: fc.nat(400),
    above: fc.option(fc.nat(100), { nil: null }),
    order: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
  })
  .map(({ minPerCell, room, above, ...rest }) => {
    const samples = Math.max(1, 8 * minPerCell + room);
    return { ...rest, minPerCell, samples, maxPerCell: above === null ? undefined : Math.ceil(samples / 8) + above };
  });

type Count = { errors: number; of: number; patients: number };

function metricsWith(counts: readonly Count[], order: readonly number[]): Metrics {
  const groups = ['female,18-49', 'female,50-90', 'male,18-49', 'male,50-90'];
  const rates = (label: number): Rates =>
    Object.fromEntries(
      order.map((g) => {
        const { errors, of, patients } = counts[4 * label + g]!;
        return [groups[g], [errors, of, patients]];
      }),
    );
  return metricsOf(evaluationOf(['sex', 'age'], { 'no-finding': rates(0), edema: rates(1) }));
}

test('laws: exact sums within floor and cap, whatever the order; more missed is never fewer; none is Balanced', () => {
  fc.assert(
    fc.property(cases, ({ counts, power, samples, minPerCell, maxPerCell, order }) => {
      const wanted = quota({ power, ...(maxPerCell !== undefined && { maxPerCell }) }, { samples, minPerCell });
      const allocation = allocate(wanted, given(metricsWith(counts, [0, 1, 2, 3])));
      const { quotas, shares, misses } = allocation;
      assert.equal(
        quotas.reduce((a, b) => a + b, 0),
        samples,
      );
      for (const [i, n] of quotas.entries()) {
        assert.ok(
          n >= minPerCell && n <= (maxPerCell ?? samples) && Math.abs(n - shares[i]!) < 1,
          `${n} of ${shares[i]}`,
        );
      }
      assert.deepEqual(allocate(wanted, given(metricsWith(counts, order))).quotas, quotas);
      const deficits = misses!.cells.map(deficitOf);
      for (const [i, a] of deficits.entries())
        for (const [k, b] of deficits.entries()) if (power > 0.01 && a > b + 1e-6) assert.ok(quotas[i]! >= quotas[k]!);
      if (deficits.every((deficit) => deficit === 1)) {
        const balanced = { ...wanted, allocation: { ...wanted.allocation, strategy: 'Balanced' as const } };
        assert.deepEqual(quotas, allocate(balanced).quotas);
      }
    }),
    { numRuns: 300 },
  );
});

test('laws: one more miss in a group never lowers the share of its cell, nor raises that of another group of the finding', () => {
  fc.assert(
    fc.property(cases, fc.nat(7), ({ counts, power, samples }, which) => {
      const wanted = quota({ power }, { samples });
      const { errors, of } = counts[which]!;
      if (errors === of) return;
      const more = counts.map((count, i) => (i === which ? { ...count, errors: errors + 1 } : count));
      const cellOf = (i: number, { grid }: Allocation): number => {
        const [finding, sex, age] = [
          i < 4 ? 'no-finding' : 'edema',
          i % 4 < 2 ? 'female' : 'male',
          i % 2 ? '50-90' : '18-49',
        ];
        return grid.cells.findIndex(({ id }) => id === `age=${age},finding=${finding},sex=${sex}`);
      };
      const [before, after] = [counts, more].map((one) => allocate(wanted, given(metricsWith(one, [0, 1, 2, 3]))));
      const change = (i: number): number => after!.shares[cellOf(i, after!)]! - before!.shares[cellOf(i, before!)]!;
      assert.ok(change(which) >= -1e-9 * samples, `${change(which)}`);
      const first = which < 4 ? 0 : 4;
      for (let i = first; i < first + 4; i++)
        assert.ok(i === which || change(i) <= change(which) + 1e-9 * samples, 'the others gain no more than it');
    }),
    { numRuns: 300 },
  );
});
