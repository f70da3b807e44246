import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { StoppedError } from '../../contract/failure.ts';
import type { QueueError } from '../../platform/queue/errors.ts';
import { openShardSource } from '../../platform/queue/shard-source.ts';
import type { QueueAdmin } from '../../platform/queue/types.ts';
import { type NatsServer, startNats } from '../../testbed/servers/nats.ts';
import { freePort } from '../../testbed/servers/process.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import {
  ACK_WAIT_MS,
  adminOf,
  closeAll,
  DIGEST,
  eventually,
  planEvent,
  range,
  shardEvent,
  workerOf,
} from './support.ts';

/** A worker's face of the queue, against a real server. */

describe('a worker', { skip: await missingForServers() }, () => {
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

  async function filled(shards: number): Promise<string> {
    const uid = randomUUID();
    await admin.ensureStreams(uid);
    await admin.fill(uid, DIGEST, range(shards));
    return uid;
  }

  test('takes one shard at a time, and leaves when none is available', async () => {
    const uid = await filled(2);
    const [one, two] = await Promise.all([workerOf(nats.url, uid), workerOf(nats.url, uid)]);
    const [a, b] = await Promise.all([one.next(), two.next()]);
    assert.deepEqual([a!.shard, b!.shard].sort(), [0, 1]);
    assert.deepEqual([a!.deliveryCount, b!.deliveryCount], [1, 1]);
    await a!.complete(shardEvent(a!.shard));
    assert.equal(await one.next(), null);
    assert.equal((await admin.state(uid))!.inFlight, 1);
    await b!.complete(shardEvent(b!.shard));
    assert.equal((await admin.state(uid))!.messages, 0);
  });

  test('waits for a stream that is not filled yet, and says so when that does not come', async () => {
    const uid = randomUUID();
    const impatient = await workerOfMissing(uid, 1500);
    await assert.rejects(impatient.next(), (error: QueueError) => {
      assert.equal(error.retryable, true);
      return /operator/.test(error.message);
    });
    await admin.ensureStreams(uid);
    await assert.rejects(impatient.next(), /was not filled within 2 s; check that the operator runs/);
    const worker = await workerOf(nats.url, uid);
    const taken = worker.next();
    await sleep(500);
    await admin.fill(uid, DIGEST, [7]);
    assert.equal((await taken)!.shard, 7);
  });

  async function workerOfMissing(uid: string, timeoutMs: number) {
    await admin.ensureStreams(randomUUID()); // The progress stream is there; the dataset's is not.
    return workerOf(nats.url, uid, { timeoutMs });
  }

  test('tells its plan once beside others that tell the same', async () => {
    const uid = await filled(1);
    const plans: string[] = [];
    const watch = admin.watchProgress((event) => {
      if (event.uid === uid && event.kind === 'plan') plans.push(event.event.planDigest);
    });
    for (const _ of range(5)) await workerOf(nats.url, uid);
    await eventually('current', () => watch.current() && plans.length > 0);
    await sleep(300);
    assert.deepEqual(plans, [DIGEST]);
    await watch.close();
  });

  test('refuses a queue that is filled for another plan', async () => {
    const uid = randomUUID();
    await admin.ensureStreams(uid);
    await admin.fill(uid, 'b'.repeat(64), [0]);
    const worker = await workerOf(nats.url, uid);
    await assert.rejects(worker.next(), (error: QueueError) => {
      assert.deepEqual([error.retryable, error.reason], [false, 'PlanChanged']);
      return true;
    });
  });

  test('keeps its shard for as long as it works on it', async () => {
    const uid = await filled(1);
    const worker = await workerOf(nats.url, uid);
    const lease = (await worker.next())!;
    await sleep(3 * ACK_WAIT_MS);
    const other = await workerOf(nats.url, uid);
    // A first lease waits for shards that may come back, and here none does.
    assert.equal(await other.next(), null);
    await lease.complete(shardEvent(0));
    assert.equal((await admin.state(uid))!.messages, 0);
  });

  test('that is stopped by the system loses its shard, and its late acknowledgement harms nothing', async () => {
    const uid = await filled(1);
    const stuck = await workerOf(nats.url, uid);
    const late = (await stuck.next())!;
    const program = fileURLToPath(new URL('./dying-worker.ts', import.meta.url));
    const other = spawn(process.execPath, [program, nats.url, uid], { stdio: ['ignore', 'pipe', 'inherit'] });
    const until = Date.now() + 2 * ACK_WAIT_MS;
    while (Date.now() < until); // No keep-alive leaves this process.
    assert.equal(JSON.parse(String((await once(other.stdout, 'data'))[0])).shard, 0);
    await late.complete(shardEvent(0));
    other.kill('SIGKILL');
    assert.equal((await admin.state(uid))!.messages, 0);
  });

  test('that is killed gives its shard to the next, which waits for it', async () => {
    const uid = await filled(1);
    const program = fileURLToPath(new URL('./dying-worker.ts', import.meta.url));
    const victim = spawn(process.execPath, [program, nats.url, uid], { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.equal(JSON.parse(String((await once(victim.stdout, 'data'))[0])).shard, 0);
    victim.kill('SIGKILL');
    await once(victim, 'exit');
    const next = await workerOf(nats.url, uid);
    const delivery = (await next.next())!;
    assert.deepEqual([delivery.shard, delivery.deliveryCount], [0, 2]);
    await delivery.complete(shardEvent(0));
  });

  test('can be closed while it connects', { timeout: 10_000 }, async () => {
    for (const _ of range(20)) {
      const worker = openShardSource({ url: nats.url, uid: randomUUID() });
      await sleep(Math.random() * 20);
      await worker.close();
    }
  });

  test('that is stopped while it asks for a shard takes none', async () => {
    const uid = await filled(1);
    const [holder, stopped, next] = await Promise.all([0, 1, 2].map(() => workerOf(nats.url, uid)));
    const lease = (await holder!.next())!;
    const stopping = new AbortController();
    const asked = assert.rejects(stopped!.next(stopping.signal), /stopped by hand/);
    await sleep(300); // By now the server has its request.
    stopping.abort(new StoppedError('stopped by hand'));
    await lease.release();
    await asked;
    const begin = performance.now();
    const again = (await next!.next())!;
    assert.ok(performance.now() - begin < ACK_WAIT_MS / 2, 'it need not wait until the server misses a worker');
    assert.equal(again.deliveryCount, 3, 'the stopped one had it, and gave it back');
    await again.complete(shardEvent(0));
  });

  test('that is stopped while its server is away does not wait for it', async () => {
    const away = openShardSource({ url: `nats://127.0.0.1:${await freePort()}`, uid: randomUUID() });
    for (const call of [
      (signal: AbortSignal) => away.announce(planEvent(1), signal),
      (signal: AbortSignal) => away.next(signal),
    ]) {
      const stopping = new AbortController();
      setTimeout(() => stopping.abort(new StoppedError('stopped by hand')), 100);
      const begin = performance.now();
      await assert.rejects(call(stopping.signal), /stopped by hand/);
      assert.ok(performance.now() - begin < 2000);
    }
    await away.close();
  });

  test('gives a shard back at once', async () => {
    const uid = await filled(1);
    const [one, two] = await Promise.all([workerOf(nats.url, uid), workerOf(nats.url, uid)]);
    await (await one.next())!.release();
    const again = (await two.next())!;
    assert.equal(again.deliveryCount, 2);
  });

  test('a shard that comes back too often is parked, until deliveries are counted anew', async () => {
    const uid = await filled(2);
    const worker = await workerOf(nats.url, uid);
    const kept = (await worker.next())!;
    for (let i = 0; i < 3; i++) await (await worker.next())!.release();
    assert.equal(await worker.next(), null);
    await eventually('parked', async () => (await admin.state(uid))!.parked === 1);
    await kept.complete(shardEvent(kept.shard));
    await admin.resetConsumer(uid);
    const state = (await admin.state(uid))!;
    assert.deepEqual([state.messages, state.available, state.parked], [1, 1, 0]);
    const freed = (await worker.next())!;
    assert.equal(freed.deliveryCount, 1);
    await freed.complete(shardEvent(freed.shard));
    assert.equal((await admin.state(uid))!.messages, 0);
  });
});
