import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoppedError } from '../contract/failure.ts';
import { StoreError } from '../platform/store/store.ts';
import { arraySource } from './array-source.ts';

const fullDisk = new StoreError('retryable', 'the disk is full');
const none = (): void => {};

test('a stop ends the pause before a shard is tried again', { timeout: 10_000 }, async () => {
  const stopping = new AbortController();
  const source = arraySource({ shards: [0], onRetry: none, pauseMs: 60_000 });
  const lease = (await source.next(stopping.signal))!;
  const mayContinue = lease.release(fullDisk);
  stopping.abort(new StoppedError('stopped by hand'));
  assert.equal(await mayContinue, false);
});

test('a stop ends the wait for a shard that may come back, and no other shard is given out', async () => {
  const stopping = new AbortController();
  const source = arraySource({ shards: [0], onRetry: none, pauseMs: 1 });
  const lease = (await source.next(new AbortController().signal))!;
  const waiting = source.next(stopping.signal);
  stopping.abort(new StoppedError('stopped by hand'));
  await assert.rejects(waiting, /stopped by hand/);
  await lease.release(fullDisk);
  await assert.rejects(source.next(stopping.signal), /stopped by hand/);
  assert.equal((await source.next(new AbortController().signal))!.deliveryCount, 2);
});
