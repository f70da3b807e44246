import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Row } from '../../contract/plan/columns.ts';
import { imagesOf, type Layout } from './images.ts';

const ROWS: readonly Row[] = [
  { Path: 'a.png', PatientID: '1', split: 'train', Sex: 'F', age: '57', labels: 'Edema;Effusion' },
  { Path: 'b.png', PatientID: '2', split: 'test', Sex: 'M', age: '81', labels: '' },
];
const LAYOUT: Layout = {
  name: 'real.csv',
  axes: [
    {
      name: 'age',
      values: ['18-79', '80-90'],
      bins: [
        { low: 18, high: 79 },
        { low: 80, high: 90 },
      ],
    },
    { name: 'finding', values: ['edema', 'effusion'], bins: null },
    { name: 'sex', values: ['female', 'male'], bins: null },
  ],
  columns: {
    sex: { name: 'Sex', values: { F: 'female', M: 'male' } },
    finding: { name: 'labels', values: { Edema: 'edema', Effusion: 'effusion' }, separator: ';' },
  },
  split: null,
};

const messageOf = (rows: readonly Row[], change: Partial<Layout> = {}): string => {
  try {
    imagesOf(rows, { ...LAYOUT, ...change });
  } catch (error) {
    return (error as Error).message;
  }
  return assert.fail('it was accepted');
};

test('rows are read by known headers, by columns and by axes', () => {
  assert.deepEqual(imagesOf(ROWS, LAYOUT), [
    {
      path: 'a.png',
      split: 'training',
      patient: '1',
      groups: { age: '18-79', finding: 'edema|effusion', sex: 'female' },
    },
    { path: 'b.png', split: 'heldOut', patient: '2', groups: { age: '80-90', finding: '', sex: 'male' } },
  ]);
});

test('without a dataset the axes are those of the columns, with the values that there are', () => {
  const [first] = imagesOf(ROWS, { ...LAYOUT, axes: null });
  assert.deepEqual(first!.groups, { sex: 'female', finding: 'edema|effusion' });
});

test('without a column of patients each image is one', () => {
  const rows = ROWS.map(({ Path, split }) => ({ Path, split }) as Row);
  const images = imagesOf(rows, { ...LAYOUT, columns: {}, axes: [] });
  assert.deepEqual(
    images.map(({ patient }) => patient),
    ['a.png', 'b.png'],
  );
});

test('what the CSV lacks is said at once', () => {
  const message = messageOf([{ scan: 'a.png' }]);
  for (const part of ['no column of images', 'which images the generator was trained on', '"Sex"', '"labels"'])
    assert.ok(message.includes(part), `${part}: ${message}`);
  assert.match(messageOf(ROWS, { columns: { race: { name: 'Sex' } } }), /"race" is not an axis of the dataset/);
  assert.match(messageOf([]), /has no rows/);
});

test('rows that are not understood are named', () => {
  const rows = [{ ...ROWS[0]!, split: 'fold 1', PatientID: ' ' }, ROWS[1]!];
  assert.match(messageOf(rows), /real.csv row 1: "PatientID" is empty[\s\S]*real.csv row 1: split is "fold 1"/);
});

test('a patient on both sides is refused', () => {
  const rows = ROWS.map((row) => ({ ...row, PatientID: '1' }));
  assert.match(messageOf(rows), /1 patients with training and held-out images; leave the held-out ones of them out/);
});
