import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { encodeImage } from '../../platform/image/image.ts';
import type { ShardSample } from '../shard/read.ts';
import { createSheet, SHEET } from './thumbnails.ts';

const picture = await encodeImage(
  { width: 256, height: 128, channels: 1, data: Uint8Array.from({ length: 256 * 128 }, (_, i) => i % 251) },
  { format: 'png', quality: 95 },
);

const sampleOf = (cell: string, index: number): ShardSample =>
  ({
    key: String(index),
    image: { offset: 0, size: picture.length, extension: 'png' },
    record: { cell, axes: { cell }, prompt: cell },
  }) as unknown as ShardSample;

/** A sheet of `cells` cells that has been offered `each` samples of each, and one of a stranger. */
async function sheetOf(cells: number, each: number, wanted = 1000) {
  const names = Array.from({ length: cells }, (_, i) => `cell ${i}`);
  const sheet = createSheet(names.map((cell) => ({ cell, wanted })));
  const samples = names.flatMap((cell) => Array.from({ length: each }, (_, i) => sampleOf(cell, i)));
  await sheet.add(() => picture, [sampleOf('stranger', 0), ...samples]);
  return sheet;
}

test('few cells get the same number of places each', async () => {
  const thumbnails = (await sheetOf(5, 20)).thumbnails();
  const counts = [...Map.groupBy(thumbnails, ({ axes }) => axes.cell).values()].map((list) => list.length);
  assert.deepEqual(counts, [9, 9, 9, 9, 9]);
});

test('of many cells every n-th gets one place', async () => {
  const sheet = await sheetOf(480, 2);
  assert.equal(sheet.thumbnails().length, SHEET);
  assert.deepEqual(
    sheet
      .thumbnails()
      .slice(0, 3)
      .map(({ axes }) => axes.cell),
    ['cell 9', 'cell 19', 'cell 29'],
  );
  assert.equal(sheet.isComplete(), true);
});

test('a sheet is complete once nothing can be added', async () => {
  assert.equal((await sheetOf(5, 3)).isComplete(), false);
  assert.equal((await sheetOf(5, 3, 3)).isComplete(), true, 'no more than three are wanted of each');
});

test('a thumbnail is a small JPEG with the proportions of the image', async () => {
  const [thumbnail] = (await sheetOf(1, 1)).thumbnails();
  assert.deepEqual([thumbnail!.width, thumbnail!.height], [192, 96]);
  assert.equal((await sharp(thumbnail!.jpeg).metadata()).format, 'jpeg');
  assert.deepEqual((await sheetOf(1, 1)).thumbnails(), [thumbnail], 'the same again');
});
