import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createLogger } from '../platform/log.ts';
import { FakeClock } from '../test/support/clock.ts';
import { KubeError } from './errors.ts';
import { Leader, type LeaderOptions } from './leader-election.ts';

interface StoredLease {
  apiVersion: string;
  kind: string;
  metadata: { namespace: string; name: string; uid: string; resourceVersion: string };
  spec: Record<string, unknown>;
}

/** A lease as the API server keeps it: a write that names an old version is refused. Calls take a while. */
class LeaseServer {
  lease: StoredLease | null = null;
  readonly #clock: FakeClock;
  latencyMs = 20;
  #version = 0;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  /** The server as one client reaches it. */
  client(isReachable: () => boolean = () => true): LeaderOptions['kube'] {
    const call = async <T>(act: () => T): Promise<T> => {
      await this.#wait();
      if (!isReachable()) {
        await this.#wait();
        throw new KubeError('unavailable', { reason: 'Timeout', message: 'no answer' });
      }
      const answer = act();
      await this.#wait();
      // The answer may be lost although the write was done.
      if (!isReachable()) throw new KubeError('unavailable', { reason: 'ECONNRESET', message: 'cut off' });
      return answer;
    };
    return {
      get: () => call(() => structuredClone(this.lease) as never),
      create: (object) =>
        call(() => {
          if (this.lease) throw new KubeError('conflict', { reason: 'AlreadyExists', message: 'exists' });
          this.#store(object as unknown as StoredLease);
          return this.lease as never;
        }),
      mergePatch: (_ref, body) =>
        call(() => {
          const { metadata, spec } = body as StoredLease;
          if (this.lease?.metadata.resourceVersion !== metadata.resourceVersion) {
            throw new KubeError('conflict', { reason: 'Conflict', message: 'modified' });
          }
          this.#store({ ...this.lease, spec: { ...this.lease.spec, ...spec } });
          return this.lease as never;
        }),
    };
  }

  #store(lease: StoredLease): void {
    const metadata = { ...lease.metadata, uid: 'lease', resourceVersion: String(++this.#version) };
    this.lease = structuredClone({ ...lease, metadata });
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => this.#clock.after(this.latencyMs, resolve));
  }
}

function setUp() {
  const clock = new FakeClock();
  const server = new LeaseServer(clock);
  const story: string[] = [];
  const leader = (identity: string, options: Partial<LeaderOptions> = {}) =>
    new Leader({
      kube: server.client(),
      namespace: 'system',
      name: 'operator',
      identity,
      clock,
      wallClock: () => clock.now(),
      random: () => 0.5,
      log: createLogger({ name: 'test', level: 'silent' }),
      onStarted: () => story.push(`${identity} leads`),
      onLost: (why) => story.push(`${identity} lost: ${why}`),
      ...options,
    });
  return { clock, server, story, leader };
}

describe('leader election', () => {
  it('gives a new lease to the first one, writes times with six digits, and keeps it', async () => {
    const { clock, server, story, leader } = setUp();
    const a = leader('a');
    const b = leader('b');
    a.start();
    await clock.advance(100);
    b.start();
    await clock.advance(60_000);
    assert.deepEqual(story, ['a leads']);
    assert.deepEqual([a.leading, b.leading], [true, false]);
    const { spec } = server.lease!;
    assert.deepEqual(
      { holder: spec.holderIdentity, seconds: spec.leaseDurationSeconds, transitions: spec.leaseTransitions },
      { holder: 'a', seconds: 15, transitions: 0 },
    );
    for (const time of [spec.acquireTime, spec.renewTime]) assert.match(String(time), /T[\d:]+\.\d{6}Z$/);
    assert.equal(spec.acquireTime, '1970-01-01T00:00:00.040000Z');
  });

  it('passes to another within the lease time when its holder falls silent', async () => {
    const { clock, story, leader } = setUp();
    let cut = false;
    const { server } = { server: new LeaseServer(clock) };
    const a = leader('a', { kube: server.client(() => !cut) });
    const b = leader('b', { kube: server.client() });
    a.start();
    await clock.advance(100);
    b.start();
    await clock.advance(10_000);
    cut = true;
    const at = clock.now();
    assert.equal(a.problemAfter(5000), null);
    while (!b.leading && clock.now() < 100_000) await clock.advance(100);
    assert.ok(clock.now() - at <= 15_000 + 2 * 2200, `${clock.now() - at} ms`);
    assert.deepEqual(story, ['a leads', 'a lost: the lease could not be renewed for 10 seconds', 'b leads']);
    assert.equal(server.lease!.spec.leaseTransitions, 1);
    assert.equal(a.problemAfter(5000), 'no answer');
    assert.equal(b.problemAfter(0), null);
  });

  it('passes at once when its holder releases it', async () => {
    const { clock, server, story, leader } = setUp();
    const a = leader('a');
    const b = leader('b');
    a.start();
    await clock.advance(100);
    b.start();
    await clock.advance(5000);
    const released = a.release();
    await clock.advance(3000);
    await released;
    assert.deepEqual(story, ['a leads', 'b leads']);
    assert.equal(server.lease!.spec.holderIdentity, 'b');
    assert.equal(a.leading, false);
  });

  it('is over for a holder that another one has replaced, and it does not take the lease back', async () => {
    const { clock, server, story, leader } = setUp();
    const a = leader('a');
    a.start();
    await clock.advance(5000);
    const { mergePatch } = server.client();
    const { resourceVersion } = server.lease!.metadata;
    const stolen = mergePatch(
      { kind: 'Lease', namespace: 'system', name: 'operator' },
      {
        metadata: { resourceVersion },
        spec: { holderIdentity: 'thief' },
      },
    );
    await clock.advance(60_000);
    await stolen;
    assert.deepEqual(story, ['a leads', 'a lost: thief has taken the lease']);
    assert.equal(server.lease!.spec.holderIdentity, 'thief');
  });

  it('takes over an old lease of any shape only after it has seen it unchanged for its duration', async () => {
    const { clock, server, leader } = setUp();
    const made = server.client().create({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace: 'system', name: 'operator' },
      spec: { holderIdentity: 'gone', leaseDurationSeconds: 30, renewTime: '1970-01-01T00:00:00.000000Z' },
    });
    await clock.advance(100);
    await made;
    const a = leader('a');
    a.start();
    await clock.advance(29_900);
    assert.equal(a.leading, false);
    await clock.advance(3000);
    assert.equal(a.leading, true);
  });

  it('takes a lease that anyone has written by its name: at once without a holder, else after 20 minutes at most', async () => {
    for (const [spec, seconds] of [
      [{ holderIdentity: '', renewTime: '2999-01-01T00:00:00.000000Z', leaseTransitions: 2 ** 31 - 1 }, 1],
      [{ holderIdentity: 'x', renewTime: '2999-01-01T00:00:00.000000Z' }, 20],
      [{ holderIdentity: 'x', leaseDurationSeconds: 2 ** 31 - 1, leaseTransitions: 2 ** 31 - 1 }, 1203],
    ] as const) {
      const { clock, server, leader } = setUp();
      const metadata = { namespace: 'system', name: 'operator' };
      const made = server.client().create({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec });
      await clock.advance(100);
      await made;
      const a = leader('a');
      a.start();
      await clock.advance(seconds * 1000);
      assert.equal(a.leading, true);
      assert.ok((server.lease!.spec.leaseTransitions as number) < 2 ** 31);
    }
  });

  it('tries again soon after a try that failed for a moment, however rarely it renews, and says so only after several', async () => {
    const { clock, server, leader } = setUp();
    let isDown = true;
    const kube = server.client(() => !isDown);
    const a = leader('a', { kube, durationMs: 60_000, renewDeadlineMs: 40_000, retryMs: 15_000 });
    a.start();
    await clock.advance(1000);
    isDown = false;
    await clock.advance(2000);
    assert.equal(a.leading, true);
    await clock.advance(14_000);
    isDown = true;
    await clock.advance(1500);
    isDown = false;
    await clock.advance(5000);
    assert.deepEqual([a.leading, a.problemAfter(0)], [true, null]);
    isDown = true;
    await clock.advance(30_000);
    assert.equal(a.problemAfter(5000), 'no answer');
    // A right that is missing stays so for longer, and is asked for as rarely as before.
    const refused = new KubeError('forbidden', { reason: 'Forbidden', message: 'no right' });
    const b = leader('b', { kube: { ...kube, get: () => Promise.reject(refused) }, retryMs: 15_000 });
    b.start();
    await clock.advance(14_000);
    assert.equal(b.problemAfter(5000), null);
    await clock.advance(2000);
    assert.equal(b.problemAfter(5000), 'no right');
  });
});

describe('whatever the network does', () => {
  it('no two lead at the same time, and once it is good again somebody does', async () => {
    const step = fc.record({
      ms: fc.integer({ min: 100, max: 20_000 }),
      a: fc.boolean(),
      b: fc.boolean(),
      c: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 12 }),
        fc.integer({ min: 1, max: 900 }),
        async (steps, latencyMs) => {
          const { clock, story, leader } = setUp();
          const server = new LeaseServer(clock);
          server.latencyMs = latencyMs;
          const reachable = { a: true, b: true, c: true };
          const names = ['a', 'b', 'c'] as const;
          const leaders = new Map<string, Leader>();
          const enter = (name: 'a' | 'b' | 'c', life: number): void => {
            // One that has lost is replaced, as a container is.
            const onLost = () => clock.after(1000, () => enter(name, life + 1));
            const entry = leader(`${name}${life}`, { kube: server.client(() => reachable[name]), onLost });
            leaders.set(name, entry);
            entry.start();
          };
          for (const name of names) enter(name, 0);
          const leading = () => [...leaders.values()].filter((one) => one.leading).length;
          for (const { ms, ...state } of steps) {
            Object.assign(reachable, state);
            for (let passed = 0; passed < ms; passed += 100) {
              await clock.advance(100);
              assert.ok(leading() <= 1, `two lead at ${clock.now()}: ${story}`);
            }
          }
          Object.assign(reachable, { a: true, b: true, c: true });
          await clock.advance(40_000);
          assert.equal(leading(), 1, `nobody leads: ${story}`);
        },
      ),
      { numRuns: 60 },
    );
  });
});
