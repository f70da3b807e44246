import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger } from '../platform/log.ts';
import { FakeClock } from '../test/support/clock.ts';
import { KubeError } from './errors.ts';
import type { ObjectMeta, Stored } from './types.ts';
import type { WatchEvent, WatchRequest } from './watch-stream.ts';
import { Watcher, type WatcherOptions } from './watcher.ts';

const meta = (name: string, resourceVersion: string) => ({ name, namespace: 'ns', uid: name, resourceVersion });
const event = (type: WatchEvent['type'], name: string, version: string): WatchEvent => ({
  type,
  metadata: meta(name, version),
});
const gone = () => new KubeError('gone', { reason: 'Expired', message: 'too old resource version' });
const refused = (retryAfterSeconds?: number) =>
  new KubeError('unavailable', { reason: 'ECONNREFUSED', message: 'no server', retryAfterSeconds });

/** The script of one watch: sends events, waits, then finishes or throws. */
interface Script {
  readonly events?: readonly WatchEvent[];
  readonly lastsMs?: number;
  readonly throws?: Error;
}

/** A server that follows a script: lists in turn (the last one again and again), then watches, then long quiet ones. */
function setUp(
  lists: readonly (readonly string[] | Error)[],
  watches: readonly Script[],
  options: Partial<WatcherOptions> = {},
) {
  const clock = new FakeClock();
  const told: string[] = [];
  const calls: string[] = [];
  let listed = 0;
  let watched = 0;
  const watcher = new Watcher({
    kube: {
      list: async () => {
        const names = lists[Math.min(listed++, lists.length - 1)]!;
        calls.push(`${clock.now()} list`);
        if (names instanceof Error) throw names;
        const items = names.map((name) => ({ apiVersion: 'batch/v1', kind: 'Job', metadata: meta(name, '5') }));
        return { items: items as unknown as Stored<never>[], resourceVersion: String(100 * listed) };
      },
    },
    source: async function* ({ resourceVersion, lifetimeMs, signal, onOpen }: WatchRequest) {
      calls.push(`${clock.now()} watch ${resourceVersion}`);
      const script = watches[watched++] ?? { lastsMs: lifetimeMs };
      if (script.throws && script.events === undefined && script.lastsMs === undefined) throw script.throws;
      onOpen?.();
      yield* script.events ?? [];
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve());
        clock.after(Math.min(script.lastsMs ?? 0, lifetimeMs), resolve);
      });
      if (script.throws) throw script.throws;
    },
    query: { kind: 'Job' },
    keyOf: ({ namespace, name }: ObjectMeta) => `${namespace}/${name}`,
    onKey: (key) => told.push(key),
    clock,
    random: () => 0.5,
    log: createLogger({ name: 'test', level: 'silent' }),
    resyncMs: 300_000,
    backoff: { firstMs: 1000, maxMs: 8000 },
    ...options,
  });
  watcher.start();
  return { clock, told, calls, watcher };
}

describe('a watcher', () => {
  it('tells all that is listed, then each change, and resumes from where a watch ended', async () => {
    const { clock, told, calls, watcher } = setUp(
      [['a', 'b']],
      [{ events: [event('MODIFIED', 'a', '101'), event('BOOKMARK', '', '150')], lastsMs: 20_000 }],
    );
    await clock.advance(30_000);
    assert.deepEqual(told, ['ns/a', 'ns/b', 'ns/a']);
    assert.deepEqual(calls, ['0 list', '0 watch 100', '20000 watch 150']);
    assert.deepEqual(watcher.state, { listed: true, problem: null });
    await watcher.stop();
  });

  it('lists again when its version is gone, at once the first time, and tells what vanished meanwhile', async () => {
    const { clock, told, calls, watcher } = setUp([['a', 'b'], ['b'], ['b']], [{ throws: gone() }, { throws: gone() }]);
    await clock.advance(700);
    assert.deepEqual(calls, ['0 list', '0 watch 100', '0 list', '0 watch 200']);
    assert.deepEqual(told, ['ns/a', 'ns/b', 'ns/b', 'ns/a']);
    await clock.advance(700);
    assert.deepEqual(calls.slice(4), ['750 list', '750 watch 300']);
    await watcher.stop();
  });

  it('lists at once after a 410 however long the server was away before', async () => {
    const { clock, calls, watcher } = setUp([['a']], [...Array(6).fill({ throws: refused() }), { throws: gone() }]);
    await clock.advance(60_000);
    const last = calls.filter((call) => call.endsWith('watch 100')).at(-1)!;
    const at = last.split(' ')[0];
    assert.deepEqual(calls.slice(-2), [`${at} list`, `${at} watch 200`]);
    await watcher.stop();
  });

  it('waits longer after each failure, says why, and starts afresh after a watch that worked', async () => {
    const { clock, calls, watcher } = setUp(
      [refused(), refused(), ['a']],
      [{ events: [event('ADDED', 'b', '301')], throws: refused() }],
    );
    await clock.advance(800);
    assert.deepEqual(watcher.state, { listed: false, problem: 'no server' });
    await clock.advance(10_000);
    assert.deepEqual(calls, ['0 list', '750 list', '2250 list', '2250 watch 300', '3000 watch 301']);
    assert.deepEqual(watcher.state, { listed: true, problem: null });
    await watcher.stop();
  });

  it('leaves a server alone for as long as that asks', async () => {
    const { clock, calls, watcher } = setUp([refused(20), ['a']], []);
    await clock.advance(19_999);
    assert.deepEqual(calls, ['0 list']);
    await clock.advance(1);
    assert.deepEqual(calls, ['0 list', '20000 list', '20000 watch 200']);
    await watcher.stop();
  });

  it('is content without a kind that need not be there, and looks for it now and then', async () => {
    const missing = new KubeError('noSuchKind', { reason: 'NotFound', message: 'no such kind' });
    const { clock, told, calls, watcher } = setUp([missing, ['a']], [], { optional: true });
    await clock.advance(1000);
    assert.deepEqual(watcher.state, { listed: true, problem: null });
    await clock.advance(300_000);
    assert.deepEqual(calls, ['0 list', '300000 list', '300000 watch 200']);
    assert.deepEqual(told, ['ns/a']);
    await watcher.stop();
  });

  it('does not storm a server that ends every watch at once', async () => {
    const { clock, calls, watcher } = setUp([['a']], Array(20).fill({}));
    await clock.advance(60_000);
    const watches = calls.filter((call) => call.includes('watch')).length;
    assert.ok(watches > 5 && watches < 15, `${watches} watches in a minute`);
    await watcher.stop();
  });

  it('lists again every now and then, although the watch says nothing', async () => {
    const { clock, calls, watcher } = setUp([['a'], ['a', 'missed']], []);
    await clock.advance(301_000);
    assert.deepEqual(calls, ['0 list', '0 watch 100', '300000 list', '300000 watch 200']);
    await watcher.stop();
  });

  it('once stopped calls nothing any more, whatever it was doing', async () => {
    for (const afterMs of [0, 500, 5000]) {
      const { clock, calls, watcher } = setUp([refused(), ['a']], []);
      await clock.advance(afterMs);
      await watcher.stop();
      const before = calls.length;
      await clock.advance(1_000_000);
      assert.equal(calls.length, before);
    }
  });
});
