import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { tallyFault } from '../contract/account/tally.ts';
import { partRecordSchema } from '../contract/schema/record.ts';
import { label } from '../contract/schema/text.ts';
import { planOf, smallDataset } from '../test/support/dataset.ts';
import { createRefill, type FinishedPart, partRecord } from './attempt-queue.ts';

test('house 8: a part can be read back whatever its gates are called, "constructor" and "valueOf" included', () => {
  const plan = planOf(
    smallDataset((spec) => {
      spec.quality = { ...spec.quality, maxAttempts: 2 };
    }),
  );
  const names = fc.oneof(
    fc.constantFrom('constructor', 'valueof', 'to-string', '0'),
    fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/),
  );
  fc.assert(
    fc.property(names, names, (first, second) => {
      label.parse(first);
      const refill = createRefill(plan, [{ start: 0, end: 2 }]);
      const [kept, lost] = refill.next(2);
      let finished: FinishedPart | null = null;
      for (const gate of [first, second]) {
        finished = refill.reject(gate === first ? lost! : refill.next(2)[0]!, { gate, scores: {} }).finished;
        if (first === second) break;
      }
      if (first === second) finished = refill.reject(refill.next(2)[0]!, { gate: first, scores: {} }).finished;
      finished ??= refill.accept({ attempt: kept!, members: Promise.resolve([]) });
      const record = partRecordSchema.parse(JSON.parse(JSON.stringify(partRecord(plan, finished!, 'cpu'))));
      for (const tally of record.cells) assert.equal(tallyFault(tally), null);
      const counted = record.cells.flatMap(({ rejected }) => Object.entries(rejected));
      const total = counted.reduce((sum, [, n]) => sum + n, 0);
      assert.equal(total, 2);
    }),
  );
});
