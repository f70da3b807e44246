import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { linesOf, planOf } from '../../test/support/spec.ts';
import { type Plan, type Sample, samplesBetween, seedOf, shardRange } from './plan.ts';

const paired = (axis: string, changes: Record<string, unknown> = {}): Plan =>
  planOf({ 'spec.quota.pairs': { axis }, 'spec.output.shard': { samples: 6 }, ...changes });
const all = (plan: Plan): Sample[] => samplesBetween(plan, 0, plan.samples);

test('by hand: women and men in turn, of one age, with one phrase and one seed', () => {
  const plan = paired('sex');
  const samples = all(plan);
  assert.deepEqual(
    samples.slice(0, 4).map(({ key, pair, prompt }) => [key, pair, prompt]),
    [
      ['000000000', '000000000', `${samples[0]!.exact.age} year old female. ${phraseOf(samples[0]!)}`],
      ['000000001', '000000000', `${samples[0]!.exact.age} year old male. ${phraseOf(samples[0]!)}`],
      ['000000002', '000000002', `${samples[2]!.exact.age} year old female. ${phraseOf(samples[2]!)}`],
      ['000000003', '000000002', `${samples[2]!.exact.age} year old male. ${phraseOf(samples[2]!)}`],
    ],
  );
  assert.equal(seedOf(plan, 1, 3), seedOf(plan, 0, 3));
  assert.notEqual(seedOf(plan, 2, 3), seedOf(plan, 0, 3));
});

const phraseOf = ({ prompt }: Sample): string => prompt.slice(prompt.indexOf('. ') + 2);

/** Plans with pairs of each kind of axis. */
const plans = fc
  .record({
    axis: fc.constantFrom('sex', 'age', 'finding'),
    pairs: fc.integer({ min: 1, max: 60 }),
    shard: fc.integer({ min: 1, max: 9 }),
    sexes: fc.shuffledSubarray(['female', 'male', 'other'], { minLength: 2 }),
    bins: fc.shuffledSubarray(['18-20', '30-36', '40-52'], { minLength: 2 }),
    findings: fc.shuffledSubarray(['no-finding', 'edema'], { minLength: 2 }),
    hole: fc.boolean(),
  })
  .map(({ axis, pairs, shard, sexes, bins, findings, hole }) => {
    const size = { sex: sexes.length, age: bins.length, finding: findings.length }[axis]!;
    // Without all members of a pair.
    const excluded: Record<string, string> = { sex: sexes[0]!, age: bins[0]!, finding: 'edema' };
    delete excluded[axis];
    const changes = {
      'spec.quota.samples': pairs * size,
      'spec.quota.axes': { sex: { values: sexes }, age: { bins }, finding: { values: findings } },
      'spec.quota.exclude': hole ? [excluded] : [],
      'spec.output.shard': { samples: shard * size },
    };
    return { axis, size, changes, plan: paired(axis, changes) };
  });

test('laws: a pair has one sample for each value of its axis, in one shard, and shares all else, seeds included', () => {
  fc.assert(
    fc.property(plans, ({ axis, size, plan }) => {
      const samples = all(plan);
      assert.equal(samples.length, plan.samples);
      const values = plan.allocation.grid.axes.find(({ name }) => name === axis)!.values;
      for (let first = 0; first < samples.length; first += size) {
        const members = samples.slice(first, first + size);
        assert.deepEqual(
          members.map((one) => one.axes[axis]),
          values,
        );
        for (const member of members) {
          assert.deepEqual(apart(member, axis), apart(members[0]!, axis));
          assert.equal(seedOf(plan, member.index, 2), seedOf(plan, first, 2));
        }
      }
      for (let shard = 0; shard < plan.shards; shard++) {
        const { start, end } = shardRange(plan, shard);
        assert.deepEqual([start % size, end % size], [0, 0]);
      }
      const seeds = new Set(samples.flatMap(({ index }) => [0, 7].map((attempt) => seedOf(plan, index, attempt))));
      assert.equal(seeds.size, (2 * samples.length) / size, 'pairs do not share seeds with each other');
    }),
    { numRuns: 150 },
  );
});

/** The parts of a sample that its pair shares; phrases belong to the finding. */
function apart({ axes, exact, pair, prompt }: Sample, axis: string): unknown {
  const { [axis]: _axis, ...others } = axes;
  const { [axis]: _number, ...numbers } = exact;
  return { others, numbers, pair, phrase: axis === 'finding' ? '' : prompt.slice(prompt.indexOf('. ')) };
}

test('laws: any window gives the same samples, cells grow in step, ages and phrases are even', () => {
  fc.assert(
    fc.property(plans, fc.nat(1000), fc.nat(1000), ({ axis, plan, size, changes }, a, b) => {
      const samples = all(plan);
      const [start, end] = [a % (plan.samples + 1), b % (plan.samples + 1)].sort((x, y) => x - y) as [number, number];
      assert.deepEqual(samplesBetween(plan, start, end), samples.slice(start, end));
      const { quotas } = plan.allocation;
      assert.ok(Math.max(...quotas) - Math.min(...quotas) <= 1);
      const whole = end - (end % size);
      const counts = quotas.map(() => 0);
      for (const { cell } of samples.slice(0, whole)) counts[cell]!++;
      for (const [cell, count] of counts.entries())
        assert.ok(
          Math.abs(count - (quotas[cell]! * whole) / plan.samples) <= 1 + 1e-9,
          'a prefix of whole pairs is balanced',
        );
      // Within each value of the axis, years of a bin and phrases of a finding come up as often as each other, to within one.
      for (const of of Map.groupBy(samples, (one) => `${one.axes[axis]} ${one.axes.age}`).values()) {
        const years = [...Map.groupBy(of, (one) => one.exact.age).values()].map((list) => list.length);
        assert.ok(Math.max(...years) - Math.min(...years) <= 1);
      }
      const turned = Object.fromEntries(
        Object.entries(changes['spec.quota.axes']).map(([name, one]) => [
          name,
          Object.fromEntries(Object.entries(one).map(([kind, list]) => [kind, list.toReversed()])),
        ]),
      );
      assert.equal(paired(axis, { ...changes, 'spec.quota.axes': turned }).digest, plan.digest);
    }),
    { numRuns: 150 },
  );
});

test('members get the mean of what their cells would get; what a person wrote must not contradict that', () => {
  const cohort = { uri: 'c.csv', columns: { sex: { name: 's' }, finding: { name: 'f' } } };
  const rows = [...new Array(4).fill({ s: 'female', f: 'edema' }), ...new Array(2).fill({ s: 'male', f: 'edema' })];
  const complement = { 'spec.quota.allocation': { strategy: 'Complement', cohort }, 'spec.quota.samples': 12 };
  // Of 12 images edema would get 1 in women and 2 in men, no finding 5 and 4; pairs get the means.
  const one = planOf(
    { 'spec.quota.pairs': { axis: 'sex' }, 'spec.output.shard': { samples: 6 }, ...complement },
    { cohort: rows },
  );
  const bySex = Map.groupBy(all(one), ({ axes }) => axes.sex);
  assert.deepEqual([bySex.get('female')!.length, bySex.get('male')!.length], [6, 6]);
  const shares = { sex: { female: 0.75, male: 0.25 } };
  assert.deepEqual(
    linesOf(() => paired('sex', { 'spec.quota.allocation': { strategy: 'Marginals', shares } })),
    [
      'spec.quota.pairs.axis: members of a pair come in equal numbers, but age=18-39,finding=edema,sex=female 3 and age=18-39,finding=edema,sex=male 1 are wanted; give all values of sex the same share, or remove pairs',
    ],
  );
  assert.deepEqual(
    linesOf(() => paired('sex', { 'spec.quota.exclude': [{ sex: 'male', finding: 'edema', age: '40-90' }] })),
    [
      'spec.quota.pairs.axis: cell age=40-90,finding=edema,sex=female has no cell for each value of sex; give it all of them, or exclude or leave out all',
    ],
  );
});
