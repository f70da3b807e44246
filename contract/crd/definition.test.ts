import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { specSchema } from '../schema/spec.ts';
import { datasetDefinition } from './definition.ts';
import { IMMUTABLE, MUTABLE } from './immutable.ts';
import { type Structural, schemaAt, structuralOf } from './structural.ts';

/** The shape of the generated CustomResourceDefinition; test/crd asks a real API server. */

const definition = datasetDefinition();
const root = definition.spec.versions[0]!.schema.openAPIV3Schema;

/** Every schema below one, with its path. */
function walk(schema: Structural, path = ''): [string, Structural][] {
  const children = [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) => walk(field, `${path}.${name}`)),
    ...(schema.items ? walk(schema.items, `${path}.[]`) : []),
    ...(schema.additionalProperties ? walk(schema.additionalProperties, `${path}.*`) : []),
  ];
  return [[path, schema], ...children];
}

const pathsWhere = (isTrue: (schema: Structural) => boolean): string[] =>
  walk(root).flatMap(([path, schema]) => (isTrue(schema) ? [path] : []));

test('is named as the API server wants it', () => {
  const { group, names, scope } = definition.spec;
  assert.equal(definition.metadata.name, `${names.plural}.${group}`);
  assert.deepEqual(
    [names.kind, names.shortNames, names.categories, scope],
    ['SyntheticDataset', ['sds'], ['all'], 'Namespaced'],
  );
});

test('the schema is structural: every part has a type, no map has fields, nothing is a union', () => {
  assert.ok(walk(root).length > 150, 'the walk reaches the schema');
  assert.deepEqual(
    pathsWhere((schema) => typeof schema.type !== 'string'),
    [],
  );
  assert.deepEqual(
    pathsWhere((schema) => schema.properties !== undefined && schema.additionalProperties !== undefined),
    [],
  );
  for (const keyword of ['oneOf', 'anyOf', 'allOf', 'not', '$ref', '$schema', 'propertyNames', 'nullable']) {
    assert.deepEqual(
      pathsWhere((schema) => keyword in schema),
      [],
      keyword,
    );
  }
});

test('every field is described', () => {
  const bare = walk(root).flatMap(([path, { properties = {} }]) =>
    Object.keys(properties).flatMap((name) => (properties[name]!.description ? [] : [`${path}.${name}`])),
  );
  assert.deepEqual(bare, ['.metadata'], 'of which the API server has a description of its own');
});

test('every field of the zod schema is there, and as optional as it is', () => {
  const spec = schemaAt(root, 'spec');
  assert.deepEqual(Object.keys(spec.properties!), Object.keys(specSchema.shape));
  assert.deepEqual(spec.required, ['quota', 'model', 'output']);
  assert.equal(schemaAt(root, 'spec.quality.maxAttempts').default, 8);
});

test('what decides the bytes has a transition rule, and always a value to compare with', () => {
  for (const field of IMMUTABLE) {
    const schema = schemaAt(root, `spec.${field}`);
    const rules = schema['x-kubernetes-validations'] as { rule: string; message: string }[];
    assert.match(rules.find(({ rule }) => rule.includes('oldSelf'))!.message, /workers, publish, suspend, training/);
    assert.ok((schemaAt(root, 'spec').required as string[]).includes(field) || 'default' in schema, field);
  }
});

test('A26: what may change is a field, and none that a transition rule compares', () => {
  for (const path of MUTABLE) {
    const [section, ...rest] = path.split('.');
    schemaAt(root, `spec.${path}`);
    const [{ rule }] = schemaAt(root, `spec.${section}`)['x-kubernetes-validations'] as [{ rule: string }];
    const field = rest
      .filter((step) => step !== '[]')
      .slice(-2)
      .join('.');
    assert.doesNotMatch(rule, new RegExp(`(self|one|${rest.at(-2)})\\.${rest.at(-1)}\\b`), field);
  }
});

test('Kubernetes fragments pass through unread', () => {
  assert.deepEqual(
    pathsWhere((schema) => schema['x-kubernetes-preserve-unknown-fields'] === true),
    [
      '.spec.workers.resources',
      '.spec.workers.tolerations.[]',
      '.spec.workers.affinity',
      '.spec.workers.modelCache',
      '.spec.workers.podTemplate',
      '.spec.publish.resources',
      '.spec.publish.tolerations.[]',
      '.spec.publish.podTemplate',
      '.spec.training.stages.[].resources',
      '.spec.training.stages.[].env.[]',
      '.spec.training.stages.[].podTemplate',
    ],
  );
});

test('what no structural schema can say is an error that names the field', () => {
  const union = z.strictObject({ a: z.array(z.union([z.string(), z.number()])) });
  assert.throws(() => structuralOf(union), /^Error: \.a\[\] has anyOf: no structural schema can say that/);
  assert.throws(() => schemaAt(root, 'spec.quota.axis'), /the schema has no spec\.quota\.axis/);
});
