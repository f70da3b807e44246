import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { QueueAdmin, QueueEvent } from '../../platform/queue/types.ts';
import { type NatsServer, startNats } from '../../testbed/servers/nats.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { adminOf, closeAll, DIGEST, eventually, range, shardEvent, shardsIn, workerOf } from './support.ts';

/** Servers that die, come back, and forget. */

/** Takes and finishes shards until none is left; returns those that were acknowledged. */
async function workThrough(nats: NatsServer, uid: string, milliseconds = 0): Promise<number[]> {
  const worker = await workerOf(nats.url, uid, { timeoutMs: 60_000 });
  const acknowledged: number[] = [];
  for (let next = await worker.next(); next; next = await worker.next()) {
    await sleep(milliseconds);
    await next.complete(shardEvent(next.shard));
    acknowledged.push(next.shard);
  }
  return acknowledged;
}

async function start(): Promise<{ nats: NatsServer; admin: QueueAdmin; uid: string }> {
  const nats = await startNats();
  const admin = adminOf(nats.url, 20);
  const uid = randomUUID();
  await eventually('connected', () => admin.connected);
  await admin.ensureStreams(uid);
  return { nats, admin, uid };
}

describe('a server', { skip: await missingForServers() }, () => {
  after(closeAll);

  test('that is killed under load again and again loses nothing that it acknowledged', async () => {
    const { nats, admin, uid } = await start();
    const shards = range(200);
    await admin.fill(uid, DIGEST, shards);
    const events: QueueEvent[] = [];
    admin.watchProgress((event) => events.push(event));
    let working = true;
    const work = Promise.all(range(4).map(() => workThrough(nats, uid, 20))).finally(() => {
      working = false;
    });
    let kills = 0;
    for (; working && kills < 4; kills++) {
      await sleep(700);
      await nats.kill();
      await sleep(300);
      await nats.restart();
    }
    const acknowledged = (await work).flat();
    assert.ok(kills > 1, `${kills} kills`);
    assert.equal((await admin.state(uid))!.messages, 0);
    await eventually('every shard told', () => shardsIn(events, uid).length === shards.length);
    assert.ok(acknowledged.every((shard) => shardsIn(events, uid).includes(shard)));
    await nats.stop();
  });

  test('that has lost its disk: streams are made anew, the watch and a worker go on, old deliveries mean nothing', async () => {
    const { nats, admin, uid } = await start();
    await admin.fill(uid, DIGEST, range(4));
    const events: QueueEvent[] = [];
    const watch = admin.watchProgress((event) => events.push(event));
    const worker = await workerOf(nats.url, uid, { timeoutMs: 60_000 });
    const first = (await worker.next())!;
    await first.complete(shardEvent(first.shard));
    const held = (await worker.next())!;
    await eventually('the first told', () => shardsIn(events, uid).length === 1);
    const { created } = (await admin.state(uid))!;
    await nats.loseDisk();
    await eventually('connected again', () => admin.connected);
    assert.equal(await admin.state(uid), null);
    await admin.ensureStreams(uid);
    // In an order in which places in the old stream belong to other shards.
    await admin.fill(uid, DIGEST, [3, 2, 1, 0]);
    assert.notEqual((await admin.state(uid))!.created, created);
    await worker.announce({ planDigest: DIGEST, samples: 4, shards: 4, cells: [] });
    await held.complete(shardEvent(held.shard));
    assert.equal((await admin.state(uid))!.messages, 4, 'the late acknowledgement took no other shard away');
    assert.deepEqual((await workThrough(nats, uid)).sort(), [0, 1, 2, 3]);
    await eventually('all told', () => shardsIn(events, uid).length === 4);
    await eventually('current', () => watch.current());
    await nats.stop();
  });

  test('that has lost its disk, while nobody but a worker knows the plan: the worker tells it again', async () => {
    const { nats, uid } = await start();
    const worker = await workerOf(nats.url, uid, { timeoutMs: 60_000, reannounceMs: 1000 });
    await nats.loseDisk();
    // An operator that has just started.
    const admin = adminOf(nats.url);
    const events: QueueEvent[] = [];
    admin.watchProgress((event) => events.push(event));
    await eventually('connected', () => admin.connected);
    await admin.ensureStreams(uid);
    const taken = worker.next();
    await eventually('told again', () => events.some((event) => event.uid === uid && event.kind === 'plan'));
    await admin.fill(uid, DIGEST, [3]);
    assert.equal((await taken)!.shard, 3);
    await nats.stop();
  });

  test('that is away for a while: the shard at hand goes on, and is told when the server is back', async () => {
    const { nats, admin, uid } = await start();
    await admin.fill(uid, DIGEST, [0]);
    const worker = await workerOf(nats.url, uid);
    const delivery = (await worker.next())!;
    await nats.kill();
    const done = delivery.complete(shardEvent(0));
    await sleep(1500);
    await nats.restart();
    await done;
    assert.equal(await worker.next(), null);
    await nats.stop();
  });

  test('that hangs is away, too', async () => {
    const { nats, admin, uid } = await start();
    await admin.fill(uid, DIGEST, [0]);
    await nats.pause();
    // What was on its way when the server stood still may have been answered.
    const refusal = () =>
      admin.state(uid).then(
        () => false,
        (error: Error) => /does not answer in time|was lost/.test(error.message),
      );
    await eventually('does not answer', refusal);
    await nats.resume();
    await eventually('answers', async () => (await admin.state(uid).catch(() => null)) !== null);
    await nats.stop();
  });
});
