import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleStatus } from '../../test/support/status.ts';
import { CONDITIONS, statusSchema } from './status.ts';

test('a status on its first visit and a full one are both well formed', () => {
  assert.deepEqual(statusSchema.parse({}), {});
  const status = sampleStatus();
  assert.deepEqual(statusSchema.parse(status), status);
  assert.deepEqual(
    status.conditions!.map(({ type }) => type),
    CONDITIONS,
  );
});

test('a message or a list that would grow without end is refused', () => {
  const status = sampleStatus();
  const [first] = status.conditions!;
  const long = { ...status, conditions: [{ ...first!, message: 'x'.repeat(1025) }] };
  assert.equal(statusSchema.safeParse(long).success, false);
  const [worst] = status.worstCells!;
  assert.equal(statusSchema.safeParse({ ...status, worstCells: Array(11).fill(worst) }).success, false);
});
