import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listed, pathOf, show } from './issue.ts';

test('paths read as users write them', () => {
  assert.equal(
    pathOf(['spec', 'gates', 0, 'model-uri', 'a b', '18-39', 'x"y']),
    'spec.gates[0].model-uri["a b"]["18-39"]["x\\"y"]',
  );
  assert.equal(pathOf([]), '(document)');
});

test('values are shown in a line of readable length', () => {
  assert.equal(show('x\ny'), '"x\\ny"');
  assert.equal(show([1, 'a', [2], { b: 3 }, null]), '[1, "a", [...], {...}, null]');
  assert.equal(show({ a: 1, b: [2] }), '{"a": 1, "b": [...]}');
  assert.equal(show(undefined), 'undefined');
  assert.equal(show(12n), '12');
  for (const long of ['x'.repeat(1e6), new Array(1e6).fill(1), Object.fromEntries(new Array(1e4).entries())]) {
    assert.equal(show(long).length, 80);
  }
});

test('a value that contains itself can be shown', () => {
  const loop: unknown[] = [];
  loop.push(loop);
  assert.equal(show(loop), '[[...]]');
});

test('long lists end in a count', () => {
  assert.equal(listed(['a', 'b', 'c'], 2), 'a, b and 1 more');
  assert.equal(listed(['a', 'b'], 2), 'a, b');
});
