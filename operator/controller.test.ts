import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FINALIZER, LABELS } from '../contract/cluster.ts';
import { KubeError } from '../kube/errors.ts';
import type { Kind } from '../kube/resources.ts';
import type { ObjectMeta } from '../kube/types.ts';
import type { WatchEvent } from '../kube/watch-stream.ts';
import { createLogger } from '../platform/log.ts';
import { FakeClock } from '../test/support/clock.ts';
import { Controller, type ControllerOptions } from './controller.ts';

const meta = (name: string, more: Partial<ObjectMeta> = {}) => ({
  namespace: 'ns',
  name,
  uid: `uid-${name}`,
  resourceVersion: '7',
  ...more,
});

/** A time before the clock of the tests begins. */
const ago = (hours: number): string => new Date(new FakeClock().now() - hours * 3_600_000).toISOString();

/** A cluster of which tests say what is in it and what happens; the log as its lines. */
function setUp(options: Partial<ControllerOptions> & { datasets?: (string | Partial<ObjectMeta>)[] } = {}) {
  const clock = new FakeClock();
  const lines: Record<string, unknown>[] = [];
  const seen: [string, number][] = [];
  const reconciled: (string | null)[] = [];
  const asked: string[] = [];
  const listeners = new Map<Kind, (event: WatchEvent) => void>();
  const { datasets = ['a'], ...rest } = options;
  const controller = new Controller({
    kube: {
      list: async ({ kind, namespace }) => {
        asked.push(`${kind} ${namespace}`);
        if (kind === 'TrainJob') throw new KubeError('noSuchKind', { reason: 'NotFound', message: 'not installed' });
        const there = kind === 'SyntheticDataset' ? datasets : [];
        const items = there.map((one) => ({ metadata: typeof one === 'string' ? meta(one) : meta(one.name!, one) }));
        return { items: items as never[], resourceVersion: '7' };
      },
    },
    source: async function* ({ query: { kind }, signal, onOpen }) {
      onOpen?.();
      while (!signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<WatchEvent | null>();
        listeners.set(kind, resolve);
        signal.addEventListener('abort', () => resolve(null));
        const event = await promise;
        if (event) yield event;
      }
    },
    reconcile: async ({ namespace, name }) => {
      seen.push([`${namespace}/${name}`, clock.now()]);
      return {};
    },
    namespaces: [],
    resyncSeconds: 300,
    concurrency: 2,
    metrics: { reconciled: (_seconds, reason) => reconciled.push(reason) },
    clock,
    random: () => 0.5,
    log: createLogger({ name: 'test', level: 'debug' }, { write: (line) => lines.push(JSON.parse(line)) }),
    ...rest,
  });
  const happen = async (kind: Kind, type: WatchEvent['type'], metadata: ReturnType<typeof meta>) => {
    listeners.get(kind)!({ type, metadata });
    await clock.advance(0);
  };
  controller.start();
  return { clock, controller, seen, reconciled, asked, lines, happen };
}

describe('the loop', () => {
  it('looks at every dataset, and again when it, a Job of it or its progress changes', async () => {
    const { clock, controller, seen, happen } = setUp({ datasets: ['a', 'b'] });
    await clock.advance(1000);
    assert.deepEqual(seen, [
      ['ns/a', 0],
      ['ns/b', 0],
    ]);
    await happen('SyntheticDataset', 'MODIFIED', meta('a', { generation: 2 }));
    await happen('Job', 'MODIFIED', meta('b-workers-1', { labels: { [LABELS.dataset]: 'b' } }));
    await happen('Job', 'MODIFIED', meta('not-ours'));
    controller.wake('uid-a', 3);
    controller.wake('uid-unknown', 0);
    await clock.advance(10_000);
    assert.deepEqual(seen.slice(2), [
      ['ns/a', 1000],
      ['ns/b', 1000],
      ['ns/a', 4000],
    ]);
    await controller.stop(1000);
  });

  it('A7: looks at no dataset for what the operator wrote itself, but for all that others ask', async () => {
    const { clock, controller, seen, happen } = setUp();
    await clock.advance(1000);
    const held = { finalizers: [FINALIZER] };
    await happen('SyntheticDataset', 'MODIFIED', meta('a', held));
    await happen('SyntheticDataset', 'MODIFIED', meta('a', { ...held, resourceVersion: '8' }));
    await clock.advance(5000);
    assert.equal(seen.length, 1);
    const license = { annotations: { 'cohortfarm.dev/license': 'CC-BY-4.0' } };
    const asked: Partial<ObjectMeta>[] = [
      { ...held, generation: 2 },
      { ...held, generation: 2, ...license },
      { finalizers: [FINALIZER, 'else/where'], generation: 2, ...license },
      { finalizers: ['else/where'], generation: 2, ...license },
      { finalizers: ['else/where'], generation: 2, ...license, deletionTimestamp: '2026-01-02T03:00:00Z' },
    ];
    for (const change of asked) {
      await happen('SyntheticDataset', 'MODIFIED', meta('a', change));
      await clock.advance(5000);
    }
    assert.equal(seen.length, 1 + asked.length);
    await controller.stop(1000);
  });

  it('B: lets news of running datasets wait while many wait, and looks at once at what a person asks for', async () => {
    const { promise: free, resolve } = Promise.withResolvers<void>();
    const names = Array.from({ length: 40 }, (_, i) => `d${i}`);
    const looks: string[] = [];
    const { clock, controller, happen } = setUp({
      datasets: [],
      concurrency: 1,
      reconcile: async ({ name }) => {
        looks.push(name);
        if (name === 'd0') await free;
        return {};
      },
    });
    await clock.advance(1000);
    for (const name of names) await happen('SyntheticDataset', 'ADDED', meta(name));
    await happen('Job', 'ADDED', meta('d0-workers-1', { labels: { [LABELS.dataset]: 'd0' } }));
    await clock.advance(1000);
    await happen('SyntheticDataset', 'ADDED', meta('late'));
    resolve();
    await clock.advance(500);
    assert.deepEqual(looks.toSorted(), [...names, 'late'].toSorted());
    await clock.advance(5000);
    assert.deepEqual(looks.slice(names.length + 1), ['d0']);
    await controller.stop(1000);
  });

  it('looks once more at a dataset that is gone, and wakes for it no more', async () => {
    const { clock, controller, seen, happen } = setUp();
    await clock.advance(1000);
    await happen('SyntheticDataset', 'DELETED', meta('a'));
    await clock.advance(1000);
    assert.equal(seen.length, 2);
    await happen('SyntheticDataset', 'ADDED', meta('a', { uid: 'another' }));
    controller.wake('uid-a', 0);
    await clock.advance(1000);
    assert.equal(seen.length, 3);
    controller.wake('another', 0);
    await clock.advance(1000);
    assert.equal(seen.length, 4);
    await controller.stop(1000);
  });

  it('A24: after a start, looks first at what is new or is to go, and then at what it held before', async () => {
    const looks: string[] = [];
    const held = { finalizers: [FINALIZER] };
    const { clock, controller } = setUp({
      concurrency: 1,
      datasets: [
        'old-1',
        'old-2',
        'old-3',
        { name: 'gone', ...held, deletionTimestamp: '2026-01-02T03:00:00Z' },
        'new',
      ].map((one) => (typeof one === 'string' ? { name: one, ...(one !== 'new' && held) } : one)),
      reconcile: async ({ name }) => {
        looks.push(name);
        return {};
      },
    });
    await clock.advance(1000);
    // One turn in eight is for the others.
    const first = looks.slice(0, 3);
    assert.ok(first.includes('gone') && first.includes('new'), first.join());
    assert.deepEqual(looks.toSorted(), ['gone', 'new', 'old-1', 'old-2', 'old-3']);
    await controller.stop(1000);
  });

  it('after a start, does not look first at what no operator has taken up for hours: it is of another class', async () => {
    const looks: string[] = [];
    const { clock, controller } = setUp({
      concurrency: 1,
      datasets: [
        ...Array.from({ length: 4 }, (_, i) => ({
          name: `own-${i}`,
          creationTimestamp: ago(26),
          finalizers: [FINALIZER],
        })),
        ...Array.from({ length: 20 }, (_, i) => ({ name: `foreign-${i}`, creationTimestamp: ago(26) })),
        { name: 'new', creationTimestamp: ago(0.5) },
      ],
      reconcile: async ({ name }) => {
        looks.push(name);
        return {};
      },
    });
    await clock.advance(1000);
    assert.ok(looks.indexOf('new') < 2, looks.join());
    const own = looks.flatMap((name, i) => (name.startsWith('own-') ? [i] : []));
    assert.equal(own.length, 4);
    assert.ok(own.at(-1)! < 8, looks.join());
    assert.equal(looks.length, 25);
    await controller.stop(1000);
  });

  it('watches only the namespaces that it was given', async () => {
    const { clock, controller, asked } = setUp({ namespaces: ['x', 'y'] });
    await clock.advance(0);
    assert.deepEqual(
      asked.filter((one) => one.startsWith('Synthetic')),
      ['SyntheticDataset x', 'SyntheticDataset y'],
    );
    assert.ok(asked.every((one) => / [xy]$/.test(one)));
    await controller.stop(1000);
  });

  it('tries again what failed, and says what failed, of which dataset, and why', async () => {
    let failures: Error[] = [
      new KubeError('unavailable', { reason: 'ECONNREFUSED', message: 'no server' }),
      new KubeError('conflict', { reason: 'Conflict', message: 'somebody was faster' }),
      new TypeError('a mistake'),
    ];
    const { clock, controller, reconciled, lines } = setUp({
      reconcile: async () => {
        const [error, ...left] = failures;
        failures = left;
        if (error) throw error;
        return {};
      },
    });
    await clock.advance(10_000);
    assert.deepEqual(reconciled, ['ECONNREFUSED', 'Conflict', 'TypeError', null]);
    const told = lines.filter(({ retryInMs }) => retryInMs !== undefined);
    assert.deepEqual(
      told.map(({ level, msg, namespace, name, uid }) => [level, msg, namespace, name, uid]),
      [
        ['warn', 'no server', 'ns', 'a', 'uid-a'],
        ['debug', 'somebody was faster', 'ns', 'a', 'uid-a'],
        ['error', 'a mistake', 'ns', 'a', 'uid-a'],
      ],
    );
    assert.match(String(told[2]!.stack), /TypeError: a mistake\n/);
    await controller.stop(1000);
  });

  it('is ready once all is listed, and not healthy when a reconcile hangs', async () => {
    const { clock, controller } = setUp({ reconcile: () => new Promise(() => undefined) });
    assert.equal(controller.ready.watches!(), 'the first list is not there yet');
    await clock.advance(1000);
    assert.equal(controller.ready.watches!(), null);
    assert.equal(controller.healthy.reconcile!(), null);
    await clock.advance(301_000);
    assert.match(controller.healthy.reconcile!()!, /one has not ended for 30\d seconds/);
    const stopped = controller.stop(1000);
    await clock.advance(1000);
    assert.equal(await stopped, false);
  });

  it('stops when what runs has ended, and begins nothing more', async () => {
    const { promise, resolve } = Promise.withResolvers<Record<string, never>>();
    let begun = 0;
    const { clock, controller } = setUp({
      datasets: ['a', 'b'],
      concurrency: 1,
      reconcile: () => {
        begun++;
        return promise;
      },
    });
    await clock.advance(0);
    const stopped = controller.stop(60_000);
    await clock.advance(500);
    resolve({});
    assert.equal(await stopped, true);
    await clock.advance(400_000);
    assert.equal(begun, 1);
  });
});
