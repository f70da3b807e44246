import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { QueueError } from '../../platform/queue/errors.ts';
import type { QueueAdmin, QueueEvent } from '../../platform/queue/types.ts';
import { type NatsServer, startNats } from '../../testbed/servers/nats.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import {
  adminOf,
  closeAll,
  DIGEST,
  eventually,
  liveEvent,
  planEvent,
  range,
  shardEvent,
  shardsIn,
  workerOf,
} from './support.ts';

/** The operator's face of the queue, against a real server. */

describe('the queue of a dataset', { skip: await missingForServers() }, () => {
  let nats: NatsServer;
  let admin: QueueAdmin;

  before(async () => {
    nats = await startNats();
    admin = adminOf(nats.url);
    await eventually('connected', () => admin.connected);
  });

  after(async () => {
    await closeAll();
    await nats.stop();
  });

  test('is made once, however often it is asked for', async () => {
    const uid = randomUUID();
    assert.equal(await admin.state(uid), null);
    await Promise.all([admin.ensureStreams(uid), admin.ensureStreams(uid)]);
    await admin.ensureStreams(uid);
    const { created: _created, ...state } = (await admin.state(uid))!;
    assert.deepEqual(state, { messages: 0, available: 0, inFlight: 0, parked: 0, added: 0, filledFor: null });
  });

  test('is filled once, however often that is done', async () => {
    const uid = randomUUID();
    await admin.ensureStreams(uid);
    await admin.fill(uid, DIGEST, range(1000));
    await admin.fill(uid, DIGEST, range(1000));
    const state = (await admin.state(uid))!;
    assert.deepEqual([state.messages, state.available, state.added], [1000, 1000, 1000]);
    assert.equal(state.filledFor, DIGEST);
  });

  test('can be made anew for shards that were acknowledged and yet are missing', async () => {
    const uid = randomUUID();
    await admin.ensureStreams(uid);
    await admin.fill(uid, DIGEST, [0]);
    const worker = await workerOf(nats.url, uid);
    await (await worker.next())!.complete(shardEvent(0));
    await admin.fill(uid, DIGEST, [0]);
    assert.equal((await admin.state(uid))!.messages, 0, 'the old stream takes it for a duplicate');
    await admin.remake(uid);
    assert.equal((await admin.state(uid))!.filledFor, null);
    await admin.fill(uid, DIGEST, [0]);
    assert.equal((await admin.state(uid))!.available, 1);
  });

  test('is removed with all that was told, however often that is done', async () => {
    const uid = randomUUID();
    await admin.ensureStreams(uid);
    await workerOf(nats.url, uid);
    await admin.remove(uid);
    await admin.remove(uid);
    assert.equal(await admin.state(uid), null);
    const events: QueueEvent[] = [];
    const watch = admin.watchProgress((event) => events.push(event));
    await eventually('current', () => watch.current());
    assert.deepEqual(
      events.filter((event) => event.uid === uid),
      [],
    );
  });

  test('a UID that would be another subject is refused', async () => {
    await assert.rejects(admin.ensureStreams('a.>'), (error: QueueError) => !error.retryable);
  });

  test('events are handed over, those from before the watch too; malformed ones are counted', async () => {
    const uid = randomUUID();
    await admin.ensureStreams(uid);
    await admin.fill(uid, DIGEST, [0, 1]);
    const worker = await workerOf(nats.url, uid);
    const first = (await worker.next())!;
    await first.complete(shardEvent(first.shard));
    const events: QueueEvent[] = [];
    const watch = admin.watchProgress((event) => events.push(event));
    await eventually('current', () => watch.current());
    assert.deepEqual(shardsIn(events, uid), [first.shard]);
    assert.deepEqual(events.find((event) => event.uid === uid && event.kind === 'plan')?.event, planEvent(1000));
    const second = (await worker.next())!;
    worker.report(liveEvent('pod-1', second.shard));
    await second.complete(shardEvent(second.shard));
    await eventually('both shards', () => shardsIn(events, uid).length === 2);
    await eventually('the live event', () => events.some((event) => event.uid === uid && event.kind === 'live'));
    assert.equal(watch.malformed(), 0);
    await eventually('a malformed one', () => {
      worker.report({ ...liveEvent('pod-1', 0), worker: 'w'.repeat(300) });
      return watch.malformed() > 0;
    });
  });

  test('a plan of 40,000 cells passes', async () => {
    const uid = randomUUID();
    await admin.ensureStreams(uid);
    const cells = range(40_000).map((i) => ({
      id: `sex=female,age=${i % 90}-${(i % 90) + 9},race=HISPANIC,finding=pleural-effusion-${i}`,
      wanted: 14 + (i % 3),
    }));
    // Another plan than the one that the worker has announced already.
    const plan = { planDigest: 'b'.repeat(64), samples: 565_000, shards: 565, cells };
    const worker = await workerOf(nats.url, uid);
    await worker.announce(plan);
    const events: QueueEvent[] = [];
    const watch = admin.watchProgress((event) => events.push(event));
    await eventually('current', () => watch.current());
    const told = events.find((event) => event.uid === uid && event.kind === 'plan')?.event;
    // An assertion would spend minutes on the difference.
    assert.ok(isDeepStrictEqual(told, plan), 'the plan is told as it is');
  });
});

describe('a server that cannot be used', { skip: await missingForServers() }, () => {
  after(closeAll);

  test('is named, and tried until it is there', async () => {
    const nats = await startNats();
    await nats.kill();
    const admin = adminOf(nats.url);
    await assert.rejects(admin.state(randomUUID()), (error: QueueError) => {
      assert.equal(error.retryable, true);
      assert.match(error.message, new RegExp(`${nats.url}.*check that NATS runs`));
      return true;
    });
    assert.match(admin.problem!, /cannot connect to NATS at nats:\/\/127\.0\.0\.1:\d+: it cannot be reached/);
    await nats.restart();
    await eventually('connected', () => admin.connected);
    assert.equal(admin.problem, null);
    await admin.ensureStreams(randomUUID());
    await nats.stop();
  });

  test('URLs with a password and URLs that are none are refused, and nothing secret is said', () => {
    for (const url of ['nats://user:hunter22@host:4222', 'http://host', 'host:4222', '']) {
      assert.throws(
        () => adminOf(url),
        (error: QueueError) => !error.retryable && !error.message.includes('hunter22'),
      );
    }
  });

  test('a credentials file that is not there is named', async () => {
    const worker = workerOf('nats://127.0.0.1:1', randomUUID(), { credentials: '/nowhere/nats.creds' });
    await assert.rejects(worker, /the credentials file \/nowhere\/nats\.creds .* cannot be read \(ENOENT\)/);
  });
});
