import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import { documentWith, linesOf } from '../../test/support/spec.ts';
import { isWhole, prune, withDefault } from './draft.ts';
import { parseDataset } from './parse.ts';

const schema = z.strictObject({ a: z.int().default(3), list: z.array(z.strictObject({ b: z.string() })).optional() });
const pruned = (document: unknown): unknown => prune(document, schema.safeParse(document).error?.issues ?? []);

test('what is wrong in itself becomes null, and everything else stays', () => {
  const document = { a: 'x', list: [{ b: 1 }, { b: 'ok', c: 2 }] };
  assert.deepEqual(pruned(document), { a: null, list: [{ b: null }, { b: 'ok', c: 2 }] });
  assert.deepEqual(document.list[0], { b: 1 }, 'the document itself is not changed');
  assert.equal(pruned('text'), null);
  assert.deepEqual(pruned({ list: 5 }), { list: null });
});

test('a field that is left out has its default, a wrong one has none', () => {
  assert.equal(withDefault(undefined, schema.shape.a), 3);
  assert.equal(withDefault(null as number | null, schema.shape.a), null);
  assert.equal(isWhole({ a: [1, { b: undefined }] }), true);
  assert.equal(isWhole({ a: [1, { b: null }] }), false);
});

test('any value at any place of a resource is accepted or refused with issues, never with another error', () => {
  const paths = ['quota', 'quota.axes', 'quota.axes.sex', 'quota.axes.sex.values', 'quota.allocation', 'quota.exclude']
    .concat(['quota.allocation.shares', 'quota.allocation.table', 'quota.samples', 'prompt', 'prompt.impressions'])
    .concat(['quality', 'quality.gates', 'output', 'output.shard', 'training', 'training.stages', 'workers', 'model']);
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 3 }), (path, value) => {
      const document = documentWith({ [`spec.${path}`]: value });
      try {
        parseDataset(document);
      } catch {
        assert.ok(linesOf(() => parseDataset(document)).length > 0);
      }
    }),
    { numRuns: 500 },
  );
});
