import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { BASE, documentWith, linesOf } from '../../test/support/spec.ts';
import { parseDataset } from './parse.ts';

const issuesOf = (document: unknown): string[] => linesOf(() => parseDataset(document));

test('a resource gets its defaults, and reading it again changes nothing', () => {
  const dataset = parseDataset(documentWith());
  assert.equal(dataset.spec.quota.allocation.strategy, 'Balanced');
  assert.equal(dataset.spec.output.image.format, 'jpeg');
  assert.deepEqual(dataset.spec.quality, { maxAttempts: 8, onExhausted: 'Fail', keepRejected: 0, gates: [] });
  assert.deepEqual(parseDataset(dataset), dataset);
  assert.deepEqual(parseDataset(JSON.parse(JSON.stringify(dataset))), dataset);
});

test('defaults that an API server fills in are no contradiction', () => {
  const gate = { name: 'age', axis: 'age', type: 'Regressor', modelUri: 'gates/age', tolerance: 9 };
  const once = parseDataset(documentWith({ 'spec.quality': { gates: [gate] } }));
  assert.equal(once.spec.quality.gates[0]!.minProbability, 0.5);
  assert.deepEqual(parseDataset(once), once);
});

test('a status, as kubectl prints it, is left out', () => {
  const dataset = parseDataset(documentWith({ status: { conditions: [] }, 'metadata.resourceVersion': '12' }));
  assert.ok(!('status' in dataset));
});

test('every issue of form and meaning is reported at once', () => {
  const text = BASE.replace('seed: 7', 'seed: "7"\n  sede: 8')
    .replace('samples: 16', 'samples: 0')
    .replace('["18-39", "40-90"]', '["18-39", "39-60", "80-70", "ten"]')
    .replace('[no-finding, edema]', '[no-finding, edema, edema]')
    .replace('"{age} year', '"{ages} { year }')
    .replace('steps: 20', 'steps: 20.5')
    .replace('model: {uri: models/any,', 'model: {');
  assert.deepEqual(issuesOf(parse(text)), [
    'spec.seed: "7" is text, not a number; write it without quotes: 7',
    'spec.quota.samples: 0 is not valid: the least is 1',
    'spec.quota.axes.age.bins[3]: "ten" is not valid: it must be LOW-HIGH in whole numbers, both included, such as "18-39" (no blanks, no leading zeros)',
    'spec.model.uri: is required; write text',
    'spec.model.sampling.steps: 20.5 is not valid: write a whole number',
    'spec.sede: no such field; remove it or check its spelling and indentation',
    'spec.quota.axes.age.bins[2]: "80-70" ends before it begins; write "70-80"',
    'spec.quota.axes.age.bins[1]: "39-60" overlaps "18-39" (both ends are included); write "40-60"',
    'spec.quota.axes.finding.values[2]: "edema" is there already, in [1]; remove one',
    'spec.prompt.template: {ages} is not an axis; write {sex}, {age}, {finding}, {impression}',
    'spec.prompt.template: the brace in "{ages} { year } ol" encloses no name; write {name} without blanks or remove it',
  ]);
});

/** The issues of a change of the base resource. */
const TABLE: readonly { readonly name: string; readonly changes: Record<string, unknown>; readonly lines: string[] }[] =
  [
    {
      name: 'an output that is no place for objects',
      changes: { 'spec.output': { uri: 'ftp://host/x' } },
      lines: ['spec.output.uri: "ftp://host/x" is not valid: it must be s3://BUCKET/PREFIX, file:///FOLDER or a path'],
    },
    {
      name: 'another kind of resource',
      changes: { kind: 'Dataset', apiVersion: 'cohortfarm.dev/v2' },
      lines: [
        'apiVersion: "cohortfarm.dev/v2" is not valid: write "cohortfarm.dev/v1alpha1"',
        'kind: "Dataset" is not valid: write "SyntheticDataset"',
      ],
    },
    {
      name: 'a misspelt section',
      changes: { spek: {}, 'spec.qoata': {} },
      lines: [
        'spec.qoata: no such field; remove it or check its spelling and indentation',
        'spek: no such field; remove it or check its spelling and indentation',
      ],
    },
    {
      name: 'a section left empty',
      changes: { 'spec.model': null, 'spec.output': undefined },
      lines: ['spec.model: is empty; write a map of fields', 'spec.output: is required; write a map of fields'],
    },
    {
      name: 'a name that no Kubernetes object can have',
      changes: { 'metadata.name': 'My_Data' },
      lines: ['metadata.name: "My_Data" is not valid: it must be a DNS label: a-z, 0-9 and -, at most 63'],
    },
    {
      name: 'values that YAML reads as numbers and truths',
      changes: { 'spec.quota.axes.smoker': { values: [0, 1, true, null] } },
      lines: [
        'spec.quota.axes.smoker.values[0]: 0 is a number, not text; put it in quotes: "0"',
        'spec.quota.axes.smoker.values[1]: 1 is a number, not text; put it in quotes: "1"',
        'spec.quota.axes.smoker.values[2]: true is a boolean, not text; put it in quotes: "true"',
        'spec.quota.axes.smoker.values[3]: is empty; write text',
      ],
    },
    {
      name: 'an axis of both kinds, and one of none',
      changes: { 'spec.quota.axes.sex': { values: ['f'], bins: ['1-2'] }, 'spec.quota.axes.race': {} },
      lines: [
        'spec.quota.axes.sex: has both values and bins; give exactly one of the two',
        'spec.quota.axes.race: has neither values nor bins; give exactly one of the two',
      ],
    },
    {
      name: 'no axes',
      changes: { 'spec.quota.axes': {}, 'spec.prompt': { template: 'A chest X-ray' } },
      lines: ['spec.quota.axes: is empty; name at least one axis, such as sex: {values: [female, male]}'],
    },
    {
      name: 'names of axes that cannot be',
      changes: {
        'spec.quota.axes.impression': { values: ['a'] },
        'spec.quota.axes.Race': { values: ['a'] },
        'spec.quota.axes.no-name': { values: ['a'] },
      },
      lines: [
        'spec.quota.axes.Race: "Race" is not valid as a name: must be a-z, 0-9 and _, at most 32, a letter first',
        'spec.quota.axes.no-name: "no-name" is not valid as a name: must be a-z, 0-9 and _, at most 32, a letter first',
        'spec.quota.axes.impression: is the name of the phrase in a prompt; call the axis something else, such as finding',
      ],
    },
    {
      name: 'more cells than any cohort fills',
      changes: {
        'spec.quota.axes.age': { bins: Array.from({ length: 1000 }, (_, i) => `${i}-${i}`) },
        'spec.quota.axes.height': { bins: Array.from({ length: 300 }, (_, i) => `${i}-${i}`) },
      },
      lines: ['spec.quota.axes: has 1200000 combinations; the most is 200000: use fewer or coarser values'],
    },
    {
      name: 'bins inside bins',
      changes: { 'spec.quota.axes.age': { bins: ['18-90', '40-60', '61-70', '91-95', '18-90'] } },
      lines: [
        'spec.quota.axes.age.bins[4]: "18-90" is there twice; remove one',
        'spec.quota.axes.age.bins[1]: "40-60" overlaps "18-90" (both ends are included); remove it or end the other before it',
        'spec.quota.axes.age.bins[2]: "61-70" overlaps "18-90" (both ends are included); remove it or end the other before it',
      ],
    },
    {
      name: 'exclusions that name nothing',
      changes: { 'spec.quota.exclude': [{ finding: 'odema' }, { smoker: 'yes' }, {}, { age: '18-40', sex: 1 }] },
      lines: [
        'spec.quota.exclude[3].sex: 1 is a number, not text; put it in quotes: "1"',
        'spec.quota.exclude[0].finding: "odema" is not a value of axis finding; its values are no-finding, edema',
        'spec.quota.exclude[1].smoker: there is no axis "smoker"; the axes are age, finding, sex',
        'spec.quota.exclude[2]: is empty and would exclude every cell; remove it or name an axis',
        'spec.quota.exclude[3].age: "18-40" is not a value of axis age; its values are 18-39, 40-90',
      ],
    },
    {
      name: 'parameters of another strategy, and none of its own',
      changes: { 'spec.quota.allocation': { strategy: 'Marginals', cells: [{ cell: { sex: 'm' }, weight: 1 }] } },
      lines: [
        'spec.quota.allocation.shares: is required by strategy Marginals',
        'spec.quota.allocation.cells: belongs to strategy Cells, not Marginals; remove it or change the strategy',
        'spec.quota.allocation.cells[0].cell.sex: "m" is not a value of axis sex; its values are female, male',
      ],
    },
    {
      name: 'shares that do not add up',
      changes: {
        'spec.quota.allocation': {
          strategy: 'Marginals',
          shares: {
            sex: { female: 0.5, male: 0.4 },
            age: { '18-39': 1 },
            race: { WHITE: 1 },
            finding: { edema: 1, 'no-finding': 0, x: 0 },
          },
        },
      },
      lines: [
        'spec.quota.allocation.shares.sex: adds up to 0.9; the shares of an axis must add up to 1',
        'spec.quota.allocation.shares.age: has no share for 40-90; give each value one (0 is allowed)',
        'spec.quota.allocation.shares.race: there is no axis "race"; the axes are age, finding, sex',
        'spec.quota.allocation.shares.finding.x: "x" is not a value of axis finding; its values are no-finding, edema',
      ],
    },
    {
      name: 'a table without its columns',
      changes: {
        'spec.quota.allocation': {
          strategy: 'Table',
          table: {
            uri: 't.csv',
            columns: { sex: { name: 'Gender', values: { F: 'woman' } } },
            impressionColumn: 'text',
          },
        },
        'spec.quota.minPerCell': 1,
      },
      lines: [
        'spec.quota.minPerCell: means nothing with strategy Table; remove it',
        'spec.quota.allocation.table.columns.sex.values.F: "woman" is not a value of axis sex; its values are female, male',
        'spec.quota.allocation.table.columns.age: is required: name the column that holds the age of each row',
        'spec.quota.allocation.table.columns.finding: is required: name the column that holds the finding of each row',
        'spec.prompt.impressions: is not used: spec.quota.allocation.table.impressionColumn gives the impressions; remove one of the two',
      ],
    },
    {
      name: 'pairs that are cut in two',
      changes: {
        'spec.quota.samples': 17,
        'spec.quota.pairs': { axis: 'sex' },
        'spec.quality.gates': [{ name: 'pair', axis: 'sex', type: 'Classifier', modelUri: 'g' }],
      },
      lines: [
        'spec.quality.gates[0].name: "pair" is what images are counted under when another of their pair is rejected; choose another name',
        'spec.quota.samples: 17 is not a multiple of 2, the samples of a pair (values of axis sex); write 16 or 18',
        'spec.output.shard.samples: 5 is not a multiple of 2, the samples of a pair (values of axis sex); write 4 or 6',
      ],
    },
    {
      name: 'pairs of an axis that there is not',
      changes: { 'spec.quota.pairs': { axis: 'race' } },
      lines: ['spec.quota.pairs.axis: there is no axis "race"; the axes are age, finding, sex'],
    },
    {
      name: 'pairs of an axis of one value',
      changes: { 'spec.quota.pairs': { axis: 'sex' }, 'spec.quota.axes.sex.values': ['female'] },
      lines: ['spec.quota.pairs.axis: "sex" has one value, in which no two samples can differ; name another axis'],
    },
    {
      name: 'GPU-hours of which none may be used, which would stop workers without a GPU, too',
      changes: { 'spec.limits': { maxGpuHours: 0 }, 'spec.workers.limits': { maxGpuHours: 0 } },
      lines: [
        'spec.workers.limits.maxGpuHours: 0 is not valid: it must be more than 0',
        'spec.limits.maxGpuHours: 0 is not valid: it must be more than 0',
      ],
    },
    {
      name: 'a dataset to extend that is not named by its manifest',
      changes: { 'spec.extends': { manifest: 's3://cohorts/one' } },
      lines: [
        'spec.extends.manifest: "s3://cohorts/one" is not valid: it must name the dataset.json of a published dataset',
      ],
    },
    {
      name: 'an evaluation that fits nothing',
      changes: {
        'spec.quota.minPerCell': 3,
        'spec.quota.allocation': {
          strategy: 'Deficit',
          evaluation: {
            uri: 'metrics.json',
            groups: { race: { name: 'race' }, sex: { name: 's', values: { F: 'woman' } }, finding: { name: 'f' } },
            labels: { nodule: 'Nodule' },
            maxPerCell: 2,
          },
        },
      },
      lines: [
        'spec.quota.allocation.evaluation.groups.race: there is no axis "race"; the axes are age, finding, sex',
        'spec.quota.allocation.evaluation.groups.sex.values.F: "woman" is not a value of axis sex; its values are female, male',
        'spec.quota.allocation.evaluation.groups.finding: is not a group: map findings in labels; remove it',
        'spec.quota.allocation.evaluation.labels.nodule: "nodule" is not a value of axis finding; its values are no-finding, edema',
        'spec.quota.allocation.evaluation.maxPerCell: 2 is below spec.quota.minPerCell (3); raise it or lower the other',
      ],
    },
    {
      name: 'a cohort without columns',
      changes: { 'spec.quota.allocation': { strategy: 'Complement', cohort: { uri: 'c.csv', columns: {} } } },
      lines: ['spec.quota.allocation.cohort.columns: is empty; name the column of at least one axis'],
    },
    {
      name: 'a default template that does not fit the axes',
      changes: { 'spec.prompt.template': undefined },
      lines: [
        'spec.prompt.template: the default template names {race}, which is not an axis; write {sex}, {age}, {finding}, {impression}',
      ],
    },
    {
      name: 'phrases that are missing, or for nothing',
      changes: {
        'spec.prompt.impressions': { 'no-finding': ['Normal .'], fracture: ['Fracture .'] },
      },
      lines: [
        'spec.prompt.impressions.fracture: "fracture" is not a value of axis finding; its values are no-finding, edema',
        'spec.prompt.impressions: has no phrases for edema; add a list for each',
      ],
    },
    {
      name: 'phrases that would break a prompt',
      changes: { 'spec.prompt.impressions': { 'no-finding': ['two\nlines', ''], edema: [] } },
      lines: [
        'spec.prompt.impressions.no-finding[0]: "two\\nlines" is not valid: it must not contain control characters, line breaks or halves of characters',
        'spec.prompt.impressions.no-finding[1]: "" is not valid: it must have at least 1 character',
        'spec.prompt.impressions.edema: [] is not valid: it must have at least 1 entry',
      ],
    },
    {
      name: 'gates that cannot judge',
      changes: {
        'spec.quality': {
          gates: [
            { name: 'a', axis: 'sex', type: 'Regressor', modelUri: 'g', classes: ['x'] },
            { name: 'a', axis: 'age', type: 'Classifier', modelUri: 'g', tolerance: 1, classes: ['18-39', '18-39'] },
            { name: 'c', axis: 'race', type: 'Classifier', modelUri: 'g' },
            { name: 'd', axis: 'finding', type: 'Classifier', modelUri: 'g', appliesTo: ['edemo'], minProbability: 2 },
          ],
        },
      },
      lines: [
        'spec.quality.gates[3].minProbability: 2 is not valid: the most is 1',
        'spec.quality.gates[1].name: "a" is there already, in [0]; remove one',
        'spec.quality.gates[0].classes: belongs to a Classifier; remove it',
        'spec.quality.gates[0].type: a Regressor judges numbers, but axis sex has values; use a Classifier or give the axis bins',
        'spec.quality.gates[0].tolerance: is required for a Regressor; write the largest distance in the unit of its axis, such as 16 (years)',
        'spec.quality.gates[1].classes[1]: "18-39" is there already, in [0]; remove one',
        'spec.quality.gates[1].tolerance: belongs to a Regressor; use minProbability',
        'spec.quality.gates[1].classes: has no class 40-90 of axis age; add it or limit appliesTo',
        'spec.quality.gates[2].axis: there is no axis "race"; the axes are age, finding, sex',
        'spec.quality.gates[3].appliesTo[0]: "edemo" is not a value of axis finding; its values are no-finding, edema',
      ],
    },
    {
      name: 'more attempts than there are seeds, more shards than there are names',
      changes: { 'spec.quota.samples': 600_000_000, 'spec.output.shard.samples': 10 },
      lines: [
        'spec.quality.maxAttempts: 8 attempts for each of 600000000 samples need 4800000000 seeds, but there are only 4294967296 (32 bits); lower it to 7',
        'spec.output.shard.samples: 10 for each shard makes 60000000 shards; the most is 1000000: raise it to at least 600',
      ],
    },
    {
      name: 'an endpoint that is no URL',
      changes: { 'spec.output.s3': { endpoint: 'localhost:9000' } },
      lines: [
        'spec.output.s3.endpoint: "localhost:9000" is not valid: it must be a URL that begins with http:// or https://',
      ],
    },
  ];

for (const { name, changes, lines } of TABLE) {
  test(`says what to do about ${name}`, () => assert.deepEqual(issuesOf(documentWith(changes)), lines));
}

test('unquoted bins and dates are text in YAML 1.2', () => {
  const text = BASE.replace('["18-39", "40-90"]', '[18-39, 40-90]').replace(
    'metadata: {',
    'metadata: {annotations: {d: 2024-01-01}, ',
  );
  assert.deepEqual(parseDataset(parse(text)).spec.quota.axes.age, { bins: ['18-39', '40-90'] });
});

test('what is no map of fields at all is refused', () => {
  for (const document of [null, undefined, 'text', 3, [], [documentWith()]]) {
    assert.match(issuesOf(document)[0]!, /^\(document\): /);
  }
});

test('__proto__ is refused wherever it stands, not passed over', () => {
  const text = BASE.replace('sex: {', '__proto__: {values: [x]}\n      sex: {').replace('seed: 7', '__proto__: {}');
  assert.deepEqual(issuesOf(parse(text)), [
    'spec.__proto__: cannot be used as a name; choose another',
    'spec.quota.axes.__proto__: cannot be used as a name; choose another',
  ]);
});

test('names of inherited members are names like any other', () => {
  const changes = {
    'spec.quota.axes.constructor': { values: ['toString', 'valueOf'] },
    'spec.quota.axes.finding': { values: ['constructor', 'edema'] },
    'spec.prompt.template': '{constructor} {impression}',
  };
  assert.deepEqual(issuesOf(documentWith(changes)), [
    'spec.prompt.impressions.no-finding: "no-finding" is not a value of axis finding; its values are constructor, edema',
    'spec.prompt.impressions: has no phrases for constructor; add a list for each',
  ]);
  assert.deepEqual(issuesOf(documentWith({ 'spec.prompt.template': '{constructor} {hasOwnProperty}' })), [
    'spec.prompt.template: {constructor} is not an axis; write {sex}, {age}, {finding}, {impression}',
    'spec.prompt.template: {hasOwnProperty} is not an axis; write {sex}, {age}, {finding}, {impression}',
  ]);
  assert.deepEqual(issuesOf(documentWith({ 'spec.toString': 1 })), [
    'spec.toString: no such field; remove it or check its spelling and indentation',
  ]);
});

test('a document that contains itself ends in an error, not in a loop', () => {
  assert.match(issuesOf(parse('&a\nspec: *a\nkind: [*a]'))[0]!, /^apiVersion: is required/);
  const document = documentWith();
  Object.assign((document as { spec: { workers: object } }).spec, { workers: { podTemplate: document } });
  assert.equal(parseDataset(document).metadata.name, 'small');
});

test('thousands of issues make a message that can be read', () => {
  const values = Array.from({ length: 900 }, () => 0);
  const lines = issuesOf(documentWith({ 'spec.quota.axes.sex': { values } }));
  assert.equal(lines.length, 101);
  assert.equal(lines.at(-1), 'and 800 more');
});
