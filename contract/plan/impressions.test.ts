import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linesOf } from '../../test/support/spec.ts';
import { readImpressions } from './impressions.ts';

test('phrases are listed by finding, in file order', () => {
  const rows = [
    { finding: 'edema', impression: 'Edema .' },
    { finding: ' normal ', impression: 'Clear .' },
    { finding: 'edema', impression: 'Mild edema .' },
    { finding: '__proto__', impression: 'x' },
  ];
  const lists = readImpressions(rows);
  assert.deepEqual(lists.edema, ['Edema .', 'Mild edema .']);
  assert.deepEqual(lists.normal, ['Clear .']);
  assert.deepEqual(Object.keys(lists), ['edema', 'normal', '__proto__']);
});

test('texts that no prompt can hold are named by row', () => {
  const rows = [
    { finding: 'a', impression: 'ok' },
    { finding: 'a', impression: '' },
    { finding: 'a', impression: 'x\ty' },
  ];
  assert.deepEqual(
    linesOf(() => readImpressions(rows)),
    [
      'spec.prompt.impressionsFrom row 2: column "impression" must not be empty',
      'spec.prompt.impressionsFrom row 3: column "impression" must not contain control characters, line breaks or halves of characters',
    ],
  );
});

test('a file without rows or columns is refused', () => {
  assert.match(linesOf(() => readImpressions([]))[0]!, /^spec.prompt.impressionsFrom.uri: the CSV has no rows/);
  assert.deepEqual(
    linesOf(() => readImpressions([{ finding: 'a', text: 'b' }])),
    ['spec.prompt.impressionsFrom: the CSV has no column "impression"; its columns are "finding", "text"'],
  );
});
