import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { documentWith, linesOf, planOf } from '../../test/support/spec.ts';
import { judge } from '../../worker/gate/verdict.ts';
import type { Gate } from '../schema/spec.ts';
import { parseDataset } from '../validate/parse.ts';
import { allocate } from './allocate.ts';
import { inWords } from './combinations.ts';
import { samplesBetween } from './plan.ts';

const AXIS = { values: ['no-finding', 'edema', 'effusion', 'nodule'], combinations: [['edema', 'effusion']] };
const IMPRESSIONS = {
  'no-finding': ['Normal .'],
  edema: ['Edema .', 'Mild edema .'],
  effusion: ['Effusion .', 'Small effusion .', 'Large effusion .'],
  nodule: ['Nodule .'],
};
const COMBINED = {
  'spec.quota.axes.finding': AXIS,
  'spec.prompt.impressions': IMPRESSIONS,
  'spec.quota.samples': 40,
};
const EXCLUDED = { 'spec.quota.exclude': [{ finding: 'edema' }, { finding: 'effusion', sex: 'male' }] };

const samplesOf = (plan: ReturnType<typeof planOf>) => samplesBetween(plan, 0, plan.samples);

test('a combination is a value of its axis: with cells, quotas and shares of its own', () => {
  const { allocation } = planOf({ ...COMBINED, ...EXCLUDED });
  assert.deepEqual(
    allocation.grid.cells.map(({ id }) => id).filter((id) => id.includes('female')),
    ['18-39', '40-90'].flatMap((age) =>
      ['edema+effusion', 'effusion', 'no-finding', 'nodule'].map((f) => `age=${age},finding=${f},sex=female`),
    ),
  );
  const shares = { finding: { 'no-finding': 0.25, edema: 0, effusion: 0.25, nodule: 0.25, 'edema+effusion': 0.25 } };
  const plan = planOf({ ...COMBINED, 'spec.quota.allocation': { strategy: 'Marginals', shares } });
  assert.equal(samplesOf(plan).filter(({ axes }) => axes.finding === 'edema+effusion').length, 10);
});

test('a prompt joins a phrase of each finding, and all pairs of phrases come equally often', () => {
  const plan = planOf({ ...COMBINED, 'spec.quota.samples': 20 * 6 });
  const prompts = samplesOf(plan).flatMap(({ axes, prompt }) =>
    axes.finding === 'edema+effusion' ? [prompt.replace(/^.*male\. /, '')] : [],
  );
  const pairs = IMPRESSIONS.edema.flatMap((one) => IMPRESSIONS.effusion.map((other) => `${one} ${other}`));
  assert.equal(prompts.length, 24);
  for (const pair of pairs) assert.equal(prompts.filter((prompt) => prompt === pair).length, 4, pair);
});

test('phrases of its own come before those of its findings', () => {
  const own = { ...IMPRESSIONS, 'edema+effusion': ['Edema with effusions .'] };
  const plan = planOf({ ...COMBINED, 'spec.prompt.impressions': own });
  const combined = samplesOf(plan).filter(({ axes }) => axes.finding === 'edema+effusion');
  assert.ok(combined.every(({ prompt }) => prompt.endsWith('Edema with effusions .')));
});

test('a template reads the findings as words', () => {
  const plan = planOf({ ...COMBINED, 'spec.prompt.template': '{sex} with {finding}' });
  assert.ok(samplesOf(plan).some(({ prompt }) => prompt === 'female with edema and effusion'));
  assert.equal(inWords(['a', 'b', 'c']), 'a, b and c');
});

test('samples name the set that they show, also of a single finding', () => {
  const sets = samplesOf(planOf(COMBINED)).map(({ axes, sets }) => [axes.finding, sets?.finding]);
  assert.ok(sets.some(([name, set]) => name === 'edema+effusion' && String(set) === 'edema,effusion'));
  assert.ok(sets.some(([name, set]) => name === 'nodule' && String(set) === 'nodule'));
  assert.ok(samplesOf(planOf()).every((sample) => !('sets' in sample)));
});

test('another order of combinations is the same plan, and a category of that name another one', () => {
  const two = [
    ['edema', 'effusion'],
    ['edema', 'nodule'],
  ];
  const digest = (combinations: unknown) =>
    planOf({ ...COMBINED, 'spec.quota.axes.finding': { ...AXIS, combinations } }).digest;
  assert.equal(digest(two), digest([...two].reverse()));
  const category = { values: [...AXIS.values, 'edema+effusion'] };
  const own = { 'spec.prompt.impressions': { ...IMPRESSIONS, 'edema+effusion': ['Both .'] } };
  assert.notEqual(
    planOf({ ...COMBINED, ...own, 'spec.quota.axes.finding': category }).digest,
    planOf({ ...COMBINED, ...own }).digest,
  );
});

test('a row of a table that names just the findings of a combination is of that cell', () => {
  const { quota } = parseDataset(
    documentWith({
      ...COMBINED,
      'spec.quota.samples': undefined,
      'spec.quota.allocation': {
        strategy: 'Table',
        table: {
          uri: 't.csv',
          columns: { sex: { name: 's' }, age: { name: 'a' }, finding: { name: 'f', separator: '|' } },
        },
      },
    }),
  ).spec;
  const row = (f: string) => ({ s: 'female', a: '50', f });
  const { grid, quotas } = allocate(quota, {
    table: [row('effusion|edema'), row('nodule'), row('effusion|edema|')],
  });
  const filled = grid.cells.flatMap(({ id }, i) => (quotas[i]! > 0 ? [[id, quotas[i]]] : []));
  assert.deepEqual(filled, [
    ['age=40-90,finding=edema+effusion,sex=female', 2],
    ['age=40-90,finding=nodule,sex=female', 1],
  ]);
  for (const more of ['edema|nodule', 'edema|effusion|fracture']) {
    const lines = linesOf(() => allocate(quota, { table: [row(more)] }));
    assert.ok(lines[0]!.includes(`column "f" says "${more}", which is not one value of axis finding`), lines[0]);
  }
});

test('images of a cohort count once for a combination that they name, and once for each finding otherwise', () => {
  const { quota } = parseDataset(
    documentWith({
      ...COMBINED,
      'spec.quota.allocation': {
        strategy: 'Complement',
        cohort: { uri: 'c.csv', columns: { finding: { name: 'f', separator: '|' } } },
      },
    }),
  ).spec;
  const { cohort, grid } = allocate(quota, {
    cohort: [{ f: 'edema|effusion' }, { f: 'edema|nodule' }, { f: 'edema|effusion|fracture' }],
  });
  const total = (finding: string) =>
    grid.cells.reduce((sum, { values }, i) => sum + (values[1] === finding ? cohort!.counts[i]! : 0), 0);
  assert.deepEqual(['edema+effusion', 'edema', 'effusion', 'nodule'].map(total), [1, 2, 1, 1]);
});

test('a gate passes a combination when it finds each of its classes', () => {
  const gate = { type: 'Classifier', multiLabel: true, minProbability: 0.5 } as Gate;
  const classes = ['edema', 'effusion', 'nodule'];
  const both = { value: 'edema+effusion', combined: ['edema', 'effusion'], exact: undefined };
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 }), (outputs) => {
      const least = Math.min(outputs[0]!, outputs[1]!);
      assert.deepEqual(judge(gate, outputs, classes, both), { score: least, passed: least >= 0.5 });
      assert.equal(judge(gate, outputs, classes, { value: 'nodule', exact: undefined }).score, outputs[2]);
    }),
  );
  assert.equal(judge(gate, [0.1, 0.9], ['edema', 'edema+effusion'], both).score, 0.9);
});

test('all that is wrong with combinations is said at once', () => {
  const finding = (axis: object) => ({ ...COMBINED, 'spec.quota.axes.finding': axis });
  assert.deepEqual(
    linesOf(() =>
      parseDataset(
        documentWith(
          finding({
            values: ['no-finding', 'edema', 'effusion', 'nodule'],
            combinations: [
              ['edema', 'effusion'],
              ['effusion', 'edema'],
              ['edema', 'edema'],
              ['no-finding', 'edema'],
              ['edema', 'fracture'],
            ],
          }),
        ),
      ),
    ),
    [
      'spec.quota.axes.finding.combinations[1]: "edema+effusion" is there already, in [0]; remove one',
      'spec.quota.axes.finding.combinations[2][1]: "edema" is there already, in [0]; remove one',
      'spec.quota.axes.finding.combinations[3]: combines no-finding with a finding; remove it',
      'spec.quota.axes.finding.combinations[4][1]: "fracture" is not one of the values of the axis, no-finding, edema, effusion, nodule; add it or remove it',
    ],
  );
  assert.deepEqual(
    linesOf(() =>
      parseDataset(
        documentWith(
          finding({
            ...AXIS,
            combinations: [
              ['edema', null],
              ['edema', 'effusion'],
            ],
          }),
        ),
      ),
    ).filter((line) => line.includes('combinations')),
    ['spec.quota.axes.finding.combinations[0][1]: is empty; write text'],
  );
  const long = ['edema', `a${'b'.repeat(60)}`];
  const [line] = linesOf(() =>
    parseDataset(
      documentWith({
        ...finding({ values: ['no-finding', ...long], combinations: [long] }),
        'spec.prompt.template': '{finding}',
        'spec.prompt.impressions': undefined,
      }),
    ),
  );
  assert.match(line!, /combinations\[0\]: its name .* has 67 characters; the most is 63/);
});

test('a gate of classes that exclude each other cannot judge a combination', () => {
  const gate = { name: 'finding', axis: 'finding', type: 'Classifier', modelUri: 'gates/finding' };
  const judged = (changed: object) => documentWith({ ...COMBINED, 'spec.quality.gates': [{ ...gate, ...changed }] });
  assert.deepEqual(
    linesOf(() => parseDataset(judged({}))),
    [
      'spec.quality.gates[0].multiLabel: is required to judge edema+effusion of axis finding: set true if the classes do not exclude each other, or limit appliesTo',
    ],
  );
  parseDataset(judged({ multiLabel: true, classes: ['no-finding', 'edema', 'effusion', 'nodule'] }));
  parseDataset(judged({ appliesTo: ['edema', 'nodule'] }));
  parseDataset(judged({ classes: [...AXIS.values, 'edema+effusion'] }));
  assert.deepEqual(
    linesOf(() => parseDataset(judged({ multiLabel: true, classes: ['no-finding', 'edema', 'nodule'] }))),
    ['spec.quality.gates[0].classes: has no class effusion of axis finding; add it or limit appliesTo'],
  );
});
