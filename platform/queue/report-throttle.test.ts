import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReportThrottle } from './report-throttle.ts';

const event = (seconds: number, accepted: number) => ({
  worker: 'pod-1',
  shard: 0,
  cells: [],
  since: { seconds, accepted, attempts: accepted },
});

test('a thousand workers report every twenty seconds, and nothing is left out of the sums', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 9 }), { minLength: 100, maxLength: 200 }), (accepted) => {
      const throttle = new ReportThrottle();
      throttle.workers = 1000;
      const due = accepted.flatMap((n, second) => throttle.merge(event(1, n), 1000 * second) ?? []);
      assert.equal(due.length, Math.ceil(accepted.length / 20));
      const told = due.reduce((sum, { since }) => sum + since.accepted, 0);
      const last = 20 * (due.length - 1) + 1;
      assert.equal(
        told,
        accepted.slice(0, last).reduce((sum, n) => sum + n, 0),
      );
    }),
  );
});
