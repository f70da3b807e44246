import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Group, groupName, isOf } from './groups.ts';
import { boundedGroups, createSampler, limitOf, priorityOf } from './sample.ts';

const CELLS: readonly Group[] = ['a', 'b', 'c'].flatMap((x) => ['1', '2'].map((y) => ({ x, y })));
const images = Array.from({ length: 9000 }, (_, i) => ({
  key: String(i).padStart(9, '0'),
  group: CELLS[i % 11 === 0 ? 5 : i % 5]!,
  item: i,
}));

test('of each group the first images by priority are kept, in whatever order they come', () => {
  const bounded = boundedGroups(CELLS);
  const keptOf = (list: typeof images) => {
    const sampler = createSampler<number>(bounded, 'seed');
    for (const one of list) sampler.add(one);
    return sampler.finish();
  };
  const kept = keptOf(images);
  assert.deepEqual(keptOf(images.toReversed()), kept);
  const keys = new Set(kept.map(({ key }) => key));
  for (const group of bounded.groups) {
    const wanted = images
      .filter((image) => isOf(group, image.group))
      .sort((a, b) => priorityOf('seed', a.key) - priorityOf('seed', b.key))
      .slice(0, limitOf(group, bounded.limits));
    assert.ok(
      wanted.every(({ key }) => keys.has(key)),
      groupName(group),
    );
  }
  assert.ok(kept.length <= 2000 + bounded.groups.length * 500);
});

test('the groups of a huge grid have no figures for its cells, and little is kept', () => {
  const cells = Array.from({ length: 40_000 }, (_, i): Group => ({ x: `${i % 200}`, y: `${Math.floor(i / 200)}` }));
  const { groups, cellsLeftOut, limits } = boundedGroups(cells);
  assert.deepEqual([groups.length, cellsLeftOut], [401, 40_000]);
  assert.ok(groups.length * limits.groupImages <= 25_000 + groups.length * limits.minimum);
});

test('another seed draws other images', () => {
  assert.notEqual(priorityOf('a', '000000001'), priorityOf('b', '000000001'));
});
