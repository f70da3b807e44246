import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LABELS } from '../contract/cluster.ts';
import type { DatasetStatus } from '../contract/schema/status.ts';
import { KubeError } from '../kube/errors.ts';
import type { Kind } from '../kube/resources.ts';
import type { Kube, KubeObject, ListQuery, Stored } from '../kube/types.ts';
import type { WatchEvent } from '../kube/watch-stream.ts';
import { createLogger } from '../platform/log.ts';
import { QueueError } from '../platform/queue/errors.ts';
import type { QueueAdmin } from '../platform/queue/types.ts';
import { FakeClock } from '../test/support/clock.ts';
import { smallDataset } from '../test/support/dataset.ts';
import { DIGEST, filledQueue, SETTINGS } from '../test/support/observed.ts';
import { Controller } from './controller.ts';
import { lineageChanges } from './lineage/changes.ts';
import { NO_LINEAGE } from './lineage/reporter.ts';
import { createProgressStore } from './observe/progress-store.ts';
import { createReconciler } from './reconcile.ts';

/** One dataset, its reconciler and the loop around it, on an API server and a queue that are functions. */

const NAME = { namespace: 'research', name: 'small' };

const onCluster = () =>
  smallDataset((spec) => {
    spec.output.uri = 's3://c/small';
  });

interface Given {
  /** Holds up the finalizer. */
  readonly holding?: () => Promise<void>;
  readonly applying?: (object: KubeObject) => Promise<void>;
  readonly specFields?: () => Promise<string[]>;
  readonly queue?: object;
  readonly resource?: object;
  readonly jobs?: Stored[];
  /** Seconds that news may wait. */
  readonly patience?: number;
  readonly mayWorkIn?: (namespace: string) => boolean;
  /** So many writes are done, of which the last is not answered, and nothing after it. */
  readonly writes?: number;
}

function setUp(given: Given = {}) {
  const { holding = async () => {}, applying = async () => {}, queue = {}, resource = {}, jobs = [] } = given;
  const { specFields = async () => [], patience = 0, writes = Number.POSITIVE_INFINITY } = given;
  const { mayWorkIn = () => true } = given;
  let written = 0;
  const write = async <T>(run: () => T | Promise<T>): Promise<T> => {
    const result = written++ < writes && (await run());
    return written < writes ? (result as T) : new Promise<T>(() => {});
  };
  const clock = new FakeClock();
  const listeners = new Map<Kind, (event: WatchEvent) => void>();
  let version = 1;
  let stored: Stored = {
    ...onCluster(),
    ...resource,
    metadata: {
      ...NAME,
      uid: 'uid-1',
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: '1970-01-01T00:00:00Z',
      ...(resource as { metadata?: object }).metadata,
    },
  };
  const statuses: { at: number; status: DatasetStatus }[] = [];
  const change = (more: Partial<Stored>): Stored => {
    version++;
    stored = {
      ...stored,
      ...more,
      metadata: { ...stored.metadata, ...more.metadata, resourceVersion: String(version) },
    };
    listeners.get('SyntheticDataset')?.({ type: 'MODIFIED', metadata: stored.metadata });
    return stored;
  };
  /** Requests for one dataset; the lists of watches are for all. */
  const requests: string[] = [];
  const objects: KubeObject[] = [];
  const kube = {
    get: async ({ kind }: { kind: Kind }) => {
      requests.push(`get ${kind}`);
      const { deletionTimestamp, finalizers } = stored.metadata;
      return deletionTimestamp !== undefined && finalizers?.length === 0 ? null : stored;
    },
    list: async ({ kind, metadataOnly }: ListQuery) => {
      if (!metadataOnly) requests.push(`list ${kind}`);
      return { items: kind === 'SyntheticDataset' ? [stored] : kind === 'Job' ? jobs : [], resourceVersion: '1' };
    },
    specFields,
    apply: (object: KubeObject) => {
      requests.push(`apply ${object.kind}`);
      objects.push(object);
      return write(async () => {
        await applying(object);
        const status = { active: 1, ready: 1 };
        if (object.kind === 'Job' && !jobs.some(({ metadata }) => metadata.name === object.metadata.name))
          jobs.push({ ...object, metadata: { ...object.metadata, uid: 'job', resourceVersion: '1' }, status });
        return object;
      });
    },
    mergePatch: (_ref: unknown, { metadata }: { metadata: { finalizers: string[] } }) =>
      write(async () => {
        await holding();
        stored = { ...stored, metadata: { ...stored.metadata, finalizers: metadata.finalizers } };
        return change({});
      }),
    patchStatus: (_ref: unknown, status: DatasetStatus) =>
      write(() => {
        statuses.push({ at: clock.now(), status });
        return change({ status });
      }),
    delete: async () => {},
  } as unknown as Kube;
  const admin = {
    problem: null,
    state: async () => {
      requests.push('state of the queue');
      return filledQueue(3);
    },
    ...queue,
    ensureStreams: (uid: string) => write(() => (queue as Partial<QueueAdmin>).ensureStreams?.(uid)),
  } as unknown as QueueAdmin;
  const progress = createProgressStore({
    now: () => clock.now(),
    wake: (uid, seconds) => controller.wake(uid, seconds),
    isKnown: (uid) => controller.knows(uid),
    onIgnored: (why, { uid }) => ignored.push(`${why} ${uid}`),
  });
  const ignored: string[] = [];
  const events: string[] = [];
  const lineage: string[] = [];
  const reconciles: number[] = [];
  const reconcile = createReconciler({
    kube,
    queue: admin,
    isCurrent: () => true,
    progress,
    events: { record: ({ type, reason, message }) => events.push(`${type} ${reason}: ${message}`) },
    lineage: {
      ...NO_LINEAGE,
      report: ({ owner, status }) => lineage.push(...lineageChanges(status, owner).map(({ state }) => state.type)),
    },
    settings: SETTINGS,
    mayWorkIn: async (namespace) => mayWorkIn(namespace),
    now: () => clock.now(),
    patience: () => patience,
    onStatus: () => {},
    onSeen: (_uid, key) => key && reconciles.push(clock.now()),
  });
  const controller = new Controller({
    kube,
    source: async function* ({ query: { kind }, lifetimeMs, signal, onOpen }) {
      onOpen?.();
      const end = clock.now() + lifetimeMs;
      while (!signal.aborted && clock.now() < end) {
        const { promise, resolve } = Promise.withResolvers<WatchEvent | null>();
        listeners.set(kind, resolve);
        signal.addEventListener('abort', () => resolve(null));
        const cancel = clock.after(end - clock.now(), () => resolve(null));
        const event = await promise;
        cancel();
        if (event) yield event;
      }
    },
    reconcile,
    namespaces: [],
    resyncSeconds: 300,
    concurrency: 1,
    metrics: { reconciled: () => {} },
    clock,
    random: () => 0.5,
    log: createLogger({ name: 'test', level: 'silent' }),
  });
  const touchJob = () =>
    listeners.get('Job')!({
      type: 'MODIFIED',
      metadata: { ...jobs[0]!.metadata, labels: { [LABELS.dataset]: 'small' } } as WatchEvent['metadata'],
    });
  controller.start();
  return {
    clock,
    controller,
    statuses,
    progress,
    reconciles,
    requests,
    touchJob,
    change,
    events,
    lineage,
    ignored,
    /** Objects of a kind, each time that they were applied. */
    applied: (kind: string) => objects.filter((object) => object.kind === kind),
    jobs,
    written: () => written,
    stored: () => stored,
  };
}

const readyOf = (status: DatasetStatus | undefined) => status?.conditions?.find(({ type }) => type === 'Ready');

describe('A7: a running dataset', () => {
  const PLAN = { planDigest: DIGEST, samples: 24, shards: 3, cells: [{ id: 'sex=female', wanted: 24 }] };
  const live = (worker: number, seconds: number) => ({
    worker: `w-${worker}`,
    shard: worker % 3,
    cells: [{ cell: 0, accepted: seconds, exhausted: 0, attempts: seconds + 1, rejected: { sex: 1 } }],
    since: { seconds: 1, accepted: 1, attempts: 1 },
  });

  test('costs a status write every three seconds at most, whatever is reported and however its Job changes', async () => {
    const { clock, controller, statuses, progress, touchJob } = setUp();
    await clock.advance(1000);
    progress.take({ uid: 'uid-1', kind: 'plan', event: PLAN }, true);
    await clock.advance(1000);
    const before = statuses.length;
    for (let second = 0; second < 60; second++) {
      for (let worker = 0; worker < 10; worker++) {
        progress.take({ uid: 'uid-1', kind: 'live', event: live(worker, second) }, true);
      }
      touchJob();
      await clock.advance(1000);
    }
    const written = statuses.length - before;
    assert.ok(written >= 15 && written <= 21, `${written} writes in 60 seconds`);
    assert.ok((statuses.at(-1)!.status.imagesPerSecond ?? 0) > 0);
    await controller.stop(1000);
  });

  test('has its status written as often, also where nothing but reports of its workers comes in', async () => {
    const { clock, controller, statuses, progress } = setUp();
    await clock.advance(1000);
    progress.take({ uid: 'uid-1', kind: 'plan', event: PLAN }, true);
    await clock.advance(1000);
    const before = statuses.length;
    for (let tick = 0; tick < 300; tick++) {
      progress.take({ uid: 'uid-1', kind: 'live', event: live(tick % 10, tick / 5) }, true);
      await clock.advance(200);
    }
    const written = statuses.length - before;
    assert.ok(written >= 15 && written <= 21, `${written} writes in 60 seconds`);
    await controller.stop(1000);
  });

  test('of which nothing is heard costs no write but those of its falling rate, and no echo starts a reconcile', async () => {
    const { clock, controller, statuses, progress, reconciles } = setUp();
    await clock.advance(1000);
    progress.take({ uid: 'uid-1', kind: 'plan', event: PLAN }, true);
    progress.take({ uid: 'uid-1', kind: 'live', event: live(0, 1) }, true);
    await clock.advance(4000);
    const [writes, looks] = [statuses.length, reconciles.length];
    await clock.advance(240_000);
    assert.ok(statuses.length - writes <= 5, `${statuses.length - writes} writes`);
    assert.ok(reconciles.length - looks <= 5, `${reconciles.length - looks} reconciles`);
    await controller.stop(1000);
  });
});

describe('A24: a finished dataset', () => {
  const HOURS_MS = 3_600_000;
  const status = {
    observedGeneration: 1,
    planDigest: DIGEST,
    manifest: { uri: 's3://c/small/dataset.json', sha256: 'b'.repeat(64) },
    samples: { wanted: 24, accepted: 24, exhausted: 0, attempts: 30 },
    conditions: [{ type: 'Ready', status: 'True', reason: 'Complete', message: '', lastTransitionTime: '' }],
  };
  const resource = { status, metadata: { finalizers: ['cohortfarm.dev/cleanup'] } };

  test('costs one request after a start, and none at the resyncs of hours', async () => {
    const { clock, controller, requests, statuses } = setUp({ resource });
    await clock.advance(5 * HOURS_MS);
    assert.deepEqual(requests, ['get SyntheticDataset']);
    assert.deepEqual(statuses, []);
    await controller.stop(1000);
  });

  test('is observed once where it might have stages to run, and no more after that', async () => {
    const { spec } = onCluster();
    const { clock, controller, requests } = setUp({
      resource: { ...resource, spec: { ...spec, ttlSecondsAfterFinished: 60 } },
      queue: { state: async () => null },
    });
    await clock.advance(5 * HOURS_MS);
    // The first look writes all conditions, so that the next list finds another version: it is looked at once more.
    assert.equal(requests.filter((request) => request === 'list Job').length, 2);
    await controller.stop(1000);
  });

  test('is observed again as soon as its spec changes', async () => {
    const { clock, controller, requests, change, stored } = setUp({ resource, queue: { state: async () => null } });
    await clock.advance(HOURS_MS);
    change({ metadata: { ...stored().metadata, generation: 2 } });
    await clock.advance(1000);
    assert.ok(requests.includes('list Job'));
    await controller.stop(1000);
  });
});

test('B: what a Job needs is made while the dataset is held, and the Job when both are done', async () => {
  const holding = Promise.withResolvers<void>();
  const { clock, controller, requests, statuses } = setUp({ holding: () => holding.promise });
  await clock.advance(1000);
  assert.deepEqual(requests, ['get SyntheticDataset', 'apply ConfigMap']);
  assert.equal(statuses.length, 0);
  holding.resolve();
  await clock.advance(0);
  assert.deepEqual(requests.slice(2, 3), ['apply Job']);
  assert.equal(readyOf(statuses[0]?.status)?.reason, 'Starting');
  await controller.stop(1000);
});

describe('B: where a crowd of new datasets waits', () => {
  test('the Job of each goes before its first status, which follows with the next look', async () => {
    const { clock, controller, requests, statuses } = setUp({ patience: 3, queue: { state: async () => null } });
    await clock.advance(1000);
    assert.equal(requests.at(-1), 'apply Job');
    assert.equal(statuses.length, 0);
    await clock.advance(2500);
    assert.equal(readyOf(statuses[0]?.status)?.reason, 'Starting');
    await controller.stop(1000);
  });

  test('what a person has to correct is said at once', async () => {
    const { spec } = onCluster();
    const { clock, controller, statuses } = setUp({
      patience: 3,
      resource: { spec: { ...spec, output: { ...spec.output, uri: '/tmp' } } },
    });
    await clock.advance(100);
    assert.equal(readyOf(statuses[0]?.status)?.reason, 'SpecInvalid');
    await controller.stop(1000);
  });
});

describe('B: an operator that is killed after any write of a first look', () => {
  for (const patience of [0, 3]) {
    test(`leaves nothing that the next one does not bring to the same end (patience ${patience})`, async () => {
      const run = async (given: Given, streams: Set<string>) => {
        const queue = {
          state: async (uid: string) => (streams.has(uid) ? filledQueue(3) : null),
          ensureStreams: async (uid: string) => void streams.add(uid),
        };
        const world = setUp({ ...given, patience, queue });
        await world.clock.advance(20_000);
        void world.controller.stop(0);
        await world.clock.advance(0);
        return world;
      };
      const outcome = ({ jobs, stored }: ReturnType<typeof setUp>, streams: Set<string>) => ({
        jobs: jobs.map(({ metadata }) => metadata.name),
        finalizers: stored().metadata.finalizers,
        reason: readyOf(stored().status as DatasetStatus)?.reason,
        streams: [...streams],
      });
      const streams = new Set<string>();
      const whole = await run({}, streams);
      const wanted = outcome(whole, streams);
      assert.deepEqual(wanted, {
        jobs: ['small-workers-1'],
        finalizers: ['cohortfarm.dev/cleanup'],
        reason: 'Starting',
        streams: ['uid-1'],
      });
      for (let writes = 1; writes <= whole.written(); writes++) {
        const streams = new Set<string>();
        const killed = await run({ writes }, streams);
        // Nothing is begun that deletion would not undo.
        if (streams.size + killed.jobs.length > 0)
          assert.deepEqual(killed.stored().metadata.finalizers, wanted.finalizers);
        const next = await run({ resource: killed.stored(), jobs: killed.jobs }, streams);
        assert.deepEqual(outcome(next, streams), wanted, `killed after ${writes} writes`);
      }
    });
  }
});

test('A15: a TrainJob that is refused is written again, in the form of the version that was installed meanwhile', async () => {
  const { spec } = onCluster();
  const training = {
    labels: ['edema'],
    stages: [{ name: 'pretrain', type: 'Pretrain', runtimeRef: { name: 'ours' } }],
  };
  let field = 'podSpecOverrides';
  const { clock, controller, applied } = setUp({
    resource: {
      spec: { ...spec, training },
      status: { manifest: { uri: 's3://c/small/dataset.json', sha256: 'b'.repeat(64) } },
      metadata: { finalizers: ['cohortfarm.dev/cleanup'] },
    },
    specFields: async () => ['trainer', field],
    applying: async (object) => {
      if (object.kind !== 'TrainJob' || field in (object.spec as object)) return;
      throw new KubeError('invalid', { reason: 'Invalid', message: 'unknown field "spec.podSpecOverrides"' });
    },
  });
  await clock.advance(1000);
  assert.deepEqual(applied('TrainJob').length, 1);
  field = 'runtimePatches';
  await clock.advance(90_000);
  const specs = applied('TrainJob').map(({ spec }) => spec as object);
  assert.ok('runtimePatches' in specs.at(-1)!, JSON.stringify(specs.map(Object.keys)));
  await controller.stop(1000);
});

test('A25: a dataset of another operator costs one request, and is neither held nor written', async () => {
  const { spec } = onCluster();
  const { clock, controller, requests, statuses, stored } = setUp({
    resource: { spec: { ...spec, operatorClass: 'other' } },
  });
  await clock.advance(3_600_000);
  assert.deepEqual(requests, ['get SyntheticDataset']);
  assert.deepEqual([statuses, stored().metadata.finalizers], [[], undefined]);
  await controller.stop(1000);
});

test('A25: a dataset of another installation of the class is not written, until its namespace is free', async () => {
  let isFree = false;
  const { clock, controller, requests, statuses, stored } = setUp({
    mayWorkIn: (namespace) => namespace === NAME.namespace && isFree,
  });
  await clock.advance(60_000);
  assert.deepEqual([...new Set(requests)], ['get SyntheticDataset']);
  assert.deepEqual([statuses, stored().metadata.finalizers], [[], undefined]);
  isFree = true;
  controller.lookAgain('other');
  await clock.advance(1000);
  assert.deepEqual(statuses, []);
  controller.lookAgain(NAME.namespace);
  await clock.advance(1000);
  assert.ok(requests.includes('apply Job'));
  assert.equal(statuses.length > 0, true);
  await controller.stop(1000);
});

describe('A8: what fails before the status is written is in the status', () => {
  const webhook = new KubeError('unavailable', {
    reason: 'InternalError',
    message: 'cannot apply Job research/small-workers-1: failed calling webhook "mjob.kb.io" (500 InternalError)',
  });

  test('a queue without room', async () => {
    const full = new QueueError('retryable', 'cannot make the stream at nats://nats:4222: JetStream has no room left');
    let isFull = true;
    const queue = {
      state: async () => null,
      ensureStreams: async () => {
        if (isFull) throw full;
      },
    };
    const { clock, controller, statuses } = setUp({ queue });
    await clock.advance(100);
    const { reason, message } = readyOf(statuses[0]?.status)!;
    assert.deepEqual([reason, message], ['QueueUnavailable', full.message]);
    isFull = false;
    await clock.advance(60_000);
    assert.equal(readyOf(statuses.at(-1)?.status)?.reason, 'Starting');
    await controller.stop(1000);
  });

  test('a webhook that is away, at once where there is no status yet, and as stalled when it stays away', async () => {
    let isAway = true;
    const applying = async () => {
      if (isAway) throw webhook;
    };
    const { clock, controller, statuses } = setUp({ applying });
    await clock.advance(100);
    assert.equal(readyOf(statuses[0]?.status)?.reason, 'Retrying');
    assert.match(readyOf(statuses[0]?.status)!.message, /failed calling webhook "mjob\.kb\.io"/);
    await clock.advance(200_000);
    assert.equal(readyOf(statuses.at(-1)?.status)?.reason, 'ClusterUnavailable');
    isAway = false;
    await clock.advance(120_000);
    assert.equal(readyOf(statuses.at(-1)?.status)?.reason, 'Starting');
    await controller.stop(1000);
  });

  test('but not a moment in which requests are refused, of a dataset that has a status', async () => {
    let [isAway, refused] = [false, 0];
    const queue = {
      state: async () => null,
      ensureStreams: async () => {
        if (isAway) refused++;
        if (isAway) throw webhook;
      },
    };
    const { clock, controller, statuses, touchJob } = setUp({ queue });
    await clock.advance(1000);
    isAway = true;
    touchJob();
    await clock.advance(4000);
    isAway = false;
    await clock.advance(60_000);
    assert.ok(refused > 1);
    assert.deepEqual([...new Set(statuses.map(({ status }) => readyOf(status)?.reason))], ['Starting']);
    await controller.stop(1000);
  });
});

test('H4: a contradicting plan fills no queue and forgets nothing, whether it is told before or after the status was read', async () => {
  const plan = { planDigest: DIGEST, samples: 24, shards: 3, cells: [{ id: 'sex=female', wanted: 24 }] };
  const forged = { ...plan, planDigest: 'c'.repeat(64), shards: 1000 };
  const fills: string[] = [];
  const queue = {
    state: async () => filledQueue(3, { filledFor: fills.at(-1) ?? null }),
    fill: async (_uid: string, digest: string) => void fills.push(digest),
  };
  const { clock, controller, statuses, progress, ignored } = setUp({ queue });
  await clock.advance(1000);
  progress.take({ uid: 'uid-1', kind: 'plan', event: plan }, true);
  await clock.advance(5000);
  progress.take({ uid: 'uid-1', kind: 'plan', event: forged }, true);
  progress.take({ uid: 'stranger', kind: 'plan', event: forged }, true);
  await clock.advance(5000);
  assert.deepEqual(ignored, ['contradictingPlan uid-1', 'unknownDataset stranger']);
  const { planDigest, shards } = statuses.at(-1)!.status;
  assert.deepEqual([planDigest, shards?.total, fills], [DIGEST, 3, [DIGEST]]);
  assert.match(readyOf(statuses.at(-1)!.status)!.message, /plan cccccccccccc, which contradicts the accepted one/);
  // As an operator that starts with this status and finds the forged plan alone.
  progress.forget('uid-1');
  progress.take({ uid: 'uid-1', kind: 'plan', event: forged }, false);
  await clock.advance(5000);
  assert.equal(readyOf(statuses.at(-1)!.status)!.reason, 'PlanChanged');
  progress.take({ uid: 'uid-1', kind: 'plan', event: plan }, true);
  await clock.advance(5000);
  assert.equal(readyOf(statuses.at(-1)!.status)!.reason, 'Generating');
  assert.deepEqual(fills, [DIGEST]);
  await controller.stop(1000);
});

test('A3: in a namespace that is being deleted the resource goes, and an Event reports that its objects are kept', async () => {
  const message = 'unable to create new content in namespace research because it is being terminated';
  const { spec } = onCluster();
  const { clock, controller, events, lineage, stored } = setUp({
    applying: async () => {
      throw new KubeError('forbidden', { reason: 'Forbidden', message, causes: ['NamespaceTerminating'] });
    },
    resource: {
      spec: { ...spec, deletionPolicy: 'Delete' },
      status: { planDigest: DIGEST },
      metadata: { deletionTimestamp: '1970-01-01T00:01:00Z', finalizers: ['cohortfarm.dev/cleanup'] },
    },
  });
  await clock.advance(5000);
  await controller.stop(1000);
  assert.deepEqual(stored().metadata.finalizers, []);
  assert.match(
    events.join('\n'),
    /^Warning Deleted: The objects in s3:\/\/c\/small are kept: the namespace is being deleted/m,
  );
  assert.deepEqual(lineage, ['ABORT']);
});
