import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENV } from '../../contract/cluster.ts';
import { readThreads } from './settings.ts';

test('B13: threads come from the CPUs that a pod requests, shared by its engines; of the node where it requests none', () => {
  const threads = (cpus: string | undefined, engines: number) => readThreads({ [ENV.cpus]: cpus }, engines);
  assert.deepEqual([threads('4', 1), threads('4', 2), threads('1', 8)], [4, 2, 1]);
  assert.deepEqual([threads('0', 1), threads(undefined, 1)], [null, null]);
  assert.throws(() => threads('half', 1), /COHORTFARM_CPUS is "half", not a number of CPUs/);
});
