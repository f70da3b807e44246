import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ShardRecord } from '../contract/schema/record.ts';
import { clock, countShards, describeProgress, progressBar, showProgress } from './progress.ts';

test('a line tells images, share accepted, rate and time left', () => {
  const line = describeProgress({ wanted: 200, done: 100, attempts: 160, accepted: 80, seconds: 20 });
  assert.equal(line, '100/200 images, 50 % accepted, 4.0 images/s, 0:25 left');
});

test('before the first image nothing is guessed', () => {
  assert.equal(
    describeProgress({ wanted: 200, done: 0, attempts: 0, accepted: 0, seconds: 0 }),
    '0/200 images, - accepted, 0.0 images/s, - left',
  );
});

test('times are shown in minutes, with hours only when there are any', () => {
  assert.deepEqual([clock(5), clock(65), clock(3600), clock(3725.4)], ['0:05', '1:05', '1:00:00', '1:02:05']);
});

test('the bar is as full as the work is done', () => {
  const state = { wanted: 4, done: 1, attempts: 1, accepted: 1, seconds: 1 };
  assert.match(progressBar(state), /^\[#{7}\.{21}\] 1\/4 images/);
  assert.match(progressBar({ ...state, done: 4 }), /^\[#{28}\]/);
});

test('what a lost worker had in hand is not counted twice, and committed shards count whole', () => {
  const lines: string[] = [];
  let seconds = 0;
  const stream = { isTTY: false, write: (line: string) => lines.push(line) } as unknown as NodeJS.WriteStream;
  const view = showProgress({ wanted: 30, before: 10, stream, now: () => seconds });
  view.ready({ provider: 'cpu', reason: '' });
  view.sampled({ shard: 1, attempts: 8, accepted: 6, rejected: { sex: 2 }, cells: [] });
  seconds = 5;
  view.resumed({ shard: 1, samples: 4 });
  view.sampled({ shard: 1, attempts: 6, accepted: 6, rejected: {}, cells: [] });
  view.committed({ shard: 1, start: 10, end: 20 } as ShardRecord);
  seconds = 10;
  view.end();
  assert.match(lines.at(-1)!, /^20\/30 images, 85 % accepted/);
});

test('shards are counted on a terminal only, and the line is gone at the end', () => {
  const shown = (isTTY: boolean): string => {
    let text = '';
    const write = (part: string | Uint8Array): boolean => {
      text += part;
      return true;
    };
    const count = countShards({ isTTY, write });
    for (const done of [1, 2, 3]) count(done, 3);
    return text;
  };
  assert.equal(shown(true), '\r1 of 3 shards\x1b[K\r2 of 3 shards\x1b[K\r\x1b[K');
  assert.equal(shown(false), '');
});
