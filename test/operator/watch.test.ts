import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKube } from '../../kube/client.ts';
import { systemClock } from '../../kube/clock.ts';
import { isKubeError } from '../../kube/errors.ts';
import type { RequestMetrics } from '../../kube/send.ts';
import { createTransport } from '../../kube/transport.ts';
import type { Kube, KubeObject } from '../../kube/types.ts';
import { createWatchSource } from '../../kube/watch-stream.ts';
import { Watcher, type WatcherOptions } from '../../kube/watcher.ts';
import { createLogger } from '../../platform/log.ts';
import { type ControlPlane, startControlPlane } from '../../testbed/servers/control-plane.ts';
import { type ServerProxy, startProxy } from '../../testbed/servers/proxy.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { startWithDefinition } from '../crd/definition-server.ts';
import { documentWith } from '../support/spec.ts';
import { configOf } from './access.ts';

const skip = await missingForServers();

const configMap = (name: string, data: Record<string, string> = {}): KubeObject & { data: object } => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', labels: { watched: 'yes' } },
  data,
});

async function eventually(what: string, isTrue: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline; await sleep(20)) if (isTrue()) return;
  throw new Error(`within 15 seconds it did not happen that ${what}`);
}

describe('a watcher of a real API server', { skip }, () => {
  let plane: ControlPlane;
  let network: ServerProxy;
  let direct: Kube;
  let watcher: Watcher;
  let told: string[];
  let seen: RequestMetrics[];

  before(async () => {
    plane = await startWithDefinition();
    network = await startProxy(plane.url);
    direct = createKube({ transport: createTransport(configOf(plane)) });
  });
  after(async () => {
    await network.stop();
    await plane.stop();
  });

  const start = async (options: Partial<WatcherOptions> = {}) => {
    const transport = createTransport(configOf({ ...plane, url: network.url }));
    told = [];
    seen = [];
    watcher = new Watcher({
      kube: createKube({ transport, timeoutMs: 1500, onRequest: (request) => seen.push(request) }),
      source: createWatchSource(transport, (request) => seen.push(request)),
      query: { kind: 'ConfigMap', labels: { watched: 'yes' } },
      keyOf: ({ namespace, name }) => `${namespace}/${name}`,
      onKey: (key) => told.push(key),
      clock: systemClock,
      random: Math.random,
      log: createLogger({ name: 'test', level: 'silent' }),
      resyncMs: 600_000,
      backoff: { firstMs: 50, maxMs: 500 },
      ...options,
    });
    watcher.start();
    await eventually('it has listed', () => watcher.state.listed);
    await eventually('it watches', () => seen.some(({ verb, code }) => verb === 'watch' && code === '200'));
  };
  const count = (verb: string, code: string) => seen.filter((one) => one.verb === verb && one.code === code).length;

  beforeEach(() => network.heal());
  afterEach(() => watcher.stop());

  it('tells what is there, what is made, changed and deleted, and nothing that was not asked for', async () => {
    await direct.apply(configMap('there'));
    await start();
    assert.deepEqual(told, ['default/there']);
    await direct.apply(configMap('made'));
    await direct.apply(configMap('there', { changed: 'yes' }));
    await direct.apply({ ...configMap('other'), metadata: { name: 'other', namespace: 'default' } });
    await direct.delete({ kind: 'ConfigMap', namespace: 'default', name: 'made' });
    await eventually('four are told', () => told.length >= 4);
    assert.deepEqual(told.slice(1), ['default/made', 'default/there', 'default/made']);
  });

  it('goes on without a new list after its watch has ended without a word, and after it was cut', async () => {
    await start();
    for (const break_ of [network.end, network.cut]) {
      const watches = count('watch', '200');
      break_();
      const name = `meanwhile-${watches}`;
      await direct.apply(configMap(name));
      await eventually(`${name} is told`, () => told.includes(`default/${name}`));
      assert.ok(count('watch', '200') > watches);
    }
    assert.equal(count('list', '200'), 1);
  });

  it('notices a connection that has gone silent, and says what is wrong until it is not', async () => {
    await start({ idleMs: 700 });
    network.freeze();
    await direct.apply(configMap('while-frozen'));
    await eventually('it notices', () => watcher.state.problem !== null);
    assert.match(watcher.state.problem!, /for (700|10000) ms|ConfigMap/);
    assert.ok(!told.includes('default/while-frozen'));
    network.cut();
    network.heal();
    await eventually('it is told', () => told.includes('default/while-frozen'));
    assert.equal(watcher.state.problem, null);
  });

  it('loses no change while the server can not be reached, and does not storm it', async () => {
    await start();
    network.refuse();
    for (let i = 0; i < 3; i++) {
      await direct.apply(configMap(`away-${i}`));
      await sleep(500);
    }
    const tries = count('watch', 'unavailable');
    assert.ok(tries >= 3 && tries <= 15, `${tries} tries in 1.5 seconds, from every 50 to every 500 ms`);
    assert.match(watcher.state.problem!, /cannot watch ConfigMap in all namespaces/);
    network.heal();
    for (let i = 0; i < 3; i++) await eventually(`away-${i} is told`, () => told.includes(`default/away-${i}`));
  });

  it('is told that a version is gone, and lists anew', async () => {
    // The API server knows nothing of this kind from before its definition was installed.
    const query = { kind: 'SyntheticDataset' } as const;
    const long = '2';
    const source = createWatchSource(createTransport(configOf(plane)));
    const request = { lifetimeMs: 5000, idleMs: 5000, signal: AbortSignal.timeout(10_000) };
    await assert.rejects(
      async () => {
        for await (const _ of source({ ...request, query, resourceVersion: long })) break;
      },
      (error) => isKubeError(error, 'gone'),
    );
    let lists = 0;
    const kube: WatcherOptions['kube'] = {
      list: async (query) => {
        const list = await direct.list<never>(query);
        return lists++ === 0 ? { ...list, resourceVersion: long } : list;
      },
    };
    await start({ query, kube });
    await direct.apply(documentWith({ metadata: { name: 'after-gone', namespace: 'default' } }) as KubeObject);
    await eventually('it is told', () => told.includes('default/after-gone'));
    assert.equal(lists, 2);
    await eventually('it watches again', () => count('watch', 'gone') + count('watch', '200') === 2);
  });

  it('ends by itself when its life is over, and lists anew when that is due', async () => {
    await start({ resyncMs: 1000 });
    await eventually('it lists three times', () => count('list', '200') >= 3);
    assert.equal(watcher.state.problem, null);
  });

  it('closes its connection when it is stopped', async () => {
    await start();
    const stopped = watcher.stop();
    await eventually('the watch is closed', () => network.connections <= 1);
    await stopped;
  });
});

describe('calls over a slow network', { skip }, () => {
  it('end within their time limit, and work again when the network does', async () => {
    const plane = await startControlPlane();
    const network = await startProxy(plane.url);
    try {
      const kube = createKube({ transport: createTransport(configOf({ ...plane, url: network.url })), timeoutMs: 500 });
      const ref = { kind: 'ConfigMap', namespace: 'default', name: 'none' } as const;
      assert.equal(await kube.get(ref), null);
      network.freeze();
      const started = Date.now();
      await assert.rejects(kube.get(ref), (error) => {
        assert.ok(isKubeError(error, 'unavailable'));
        assert.equal(error.reason, 'Timeout');
        return true;
      });
      assert.ok(Date.now() - started < 1500);
      network.heal();
      assert.equal(await kube.get(ref), null);
      // A connection that the server has closed meanwhile does not fail the next call.
      network.end();
      assert.equal(await kube.get(ref), null);
      network.cut();
      assert.equal(await kube.get(ref), null);
    } finally {
      await network.stop();
      await plane.stop();
    }
  });
});
