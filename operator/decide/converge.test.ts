import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Progress } from '../../contract/account/progress.ts';
import { ANNOTATIONS, LABELS, type Role } from '../../contract/cluster.ts';
import type { DatasetStatus } from '../../contract/schema/status.ts';
import type { KubeObject } from '../../kube/types.ts';
import { smallDataset } from '../../test/support/dataset.ts';
import { DIGEST, NOW, OWNER, SETTINGS } from '../../test/support/observed.ts';
import type { FailedPod, JobView, Observed } from '../observed.ts';
import { nextStatus } from '../status.ts';
import { decide } from './decide.ts';
import type { Action } from './decision.ts';

/**
 * Whatever happens, the decisions lead to a published dataset: a small model of the cluster, the queue and the store, in
 * which things go wrong for a while.
 */

const SHARDS = 4;
const PLAN = { planDigest: DIGEST, samples: 24, shards: SHARDS, cells: [{ id: 'a', wanted: 24 }] };

const FAULTS = [
  'workerDies',
  'jobFails',
  'workersLeave',
  'queueLost',
  'operatorRestarts',
  'recordRemoved',
  'podLost',
  'away',
] as const;
type Fault = (typeof FAULTS)[number];

class World {
  now = NOW;
  dataset = smallDataset();
  status: DatasetStatus = {};
  jobs: JobView[] = [];
  failed: FailedPod[] = [];
  succeeded: Observed['pods']['succeeded'][number][] = [];
  stream: { messages: Set<number>; seen: Set<number>; filledFor: string | null } | null = null;
  away = false;
  /** Shards with a record. */
  store = new Set<number>();
  /** The contents of the progress stream. */
  kept: { plan: boolean; shards: Set<number> } = { plan: false, shards: new Set() };
  progress = new Progress();

  observe(): Observed {
    const stream = this.stream;
    return {
      now: this.now,
      owner: OWNER,
      parsed: { dataset: this.dataset },
      status: this.status,
      jobs: this.jobs,
      pods: { waiting: [], failed: this.failed, succeeded: this.succeeded, present: 0 },
      queue: this.away
        ? { state: 'unreachable', message: 'NATS is away' }
        : stream
          ? {
              state: 'ready',
              messages: stream.messages.size,
              available: stream.messages.size,
              inFlight: 0,
              parked: 0,
              filledFor: stream.filledFor,
            }
          : { state: 'missing' },
      progress: this.progress.summary(this.now),
    };
  }

  /** One reconcile. @returns whether the dataset is done */
  reconcile(): boolean {
    const observed = this.observe();
    const decision = decide(observed, SETTINGS);
    for (const action of decision.actions) this.act(action);
    this.status = nextStatus(observed, decision) ?? this.status;
    this.now += Math.max(1, decision.requeueAfter ?? 1) * 1000;
    return decision.policy === 'finished' && this.stream === null;
  }

  act(action: Action): void {
    if (action.type === 'apply' && action.object.kind === 'Job') this.applyJob(action.object);
    else if (action.type === 'deleteJob') this.jobs = this.jobs.filter(({ name }) => name !== action.name);
    else if (action.type === 'ensureQueue') this.stream ??= { messages: new Set(), seen: new Set(), filledFor: null };
    else if (action.type === 'remakeQueue') this.stream = { messages: new Set(), seen: new Set(), filledFor: null };
    else if (action.type === 'removeQueue') this.loseQueue(true);
    else if (action.type === 'fillQueue') {
      assert.ok(this.stream, 'only a stream that is there can be filled');
      for (const shard of this.progress.missing()) {
        if (!this.stream.seen.has(shard)) this.stream.messages.add(shard);
        this.stream.seen.add(shard);
      }
      this.stream.filledFor = action.planDigest;
    }
  }

  applyJob({ metadata, spec }: KubeObject): void {
    const { parallelism, suspend = false } = spec as { parallelism: number; suspend?: boolean };
    const known = this.jobs.find(({ name }) => name === metadata.name);
    this.jobs = this.jobs.filter((job) => job !== known);
    const created: JobView = {
      name: metadata.name,
      uid: metadata.name,
      kind: 'Job',
      role: metadata.labels![LABELS.role] as Role,
      round: Number(metadata.annotations![ANNOTATIONS.round]),
      templateDigest: metadata.annotations![ANNOTATIONS.template]!,
      renderedDigest: metadata.annotations![ANNOTATIONS.rendered]!,
      state: 'running',
      active: 1,
      ready: 1,
      terminating: 0,
      succeeded: 0,
      failed: 0,
      missing: 0,
      createdAt: this.now,
      endedAt: null,
      failure: null,
      deleting: false,
      avoidedNodes: [],
      parallelism,
      suspended: suspend,
    };
    this.jobs.push(known ? { ...known, parallelism, suspended: suspend } : created);
    assert.ok(
      this.jobs.filter(({ role, state }) => role === 'workers' && state === 'running').length <= 1,
      'one Job of workers runs',
    );
  }

  running(role: Role): JobView | undefined {
    return this.jobs.find((job) => job.role === role && job.state === 'running');
  }

  end(job: JobView, state: 'complete' | 'failed'): void {
    this.jobs = this.jobs.map((one) => (one === job ? { ...job, state, active: 0, ready: 0, endedAt: this.now } : one));
  }

  fail(job: JobView, reason: 'StoreUnavailable' | 'ShardsMissing'): void {
    this.failed.push({
      job: job.name,
      pod: `${job.name}-x`,
      node: null,
      exitCode: 75,
      containerReason: 'Error',
      endedAt: this.now,
      outcome: { apiVersion: 'cohortfarm.dev/outcome/v1', reason, message: 'try again' },
    });
    this.end(job, 'failed');
  }

  /** The work of workers and the publish pod between two reconciles. */
  work(): void {
    const publish = this.running('publish');
    if (publish && this.store.size < SHARDS) this.fail(publish, 'ShardsMissing');
    else if (publish) this.succeed(publish);
    const workers = this.running('workers');
    if (!workers || this.away) return;
    if (!this.kept.plan) {
      this.kept.plan = true;
      this.progress.addPlan(PLAN);
    }
    if (this.stream?.filledFor !== DIGEST) return;
    const [shard] = this.stream.messages;
    if (shard === undefined) this.end(workers, 'complete');
    else this.commit(shard);
  }

  commit(shard: number): void {
    this.store.add(shard);
    this.kept.shards.add(shard);
    this.tell(shard, this.now);
    this.stream!.messages.delete(shard);
  }

  tell(shard: number, at: number | null): void {
    const cells = [{ cell: 0, accepted: 6, exhausted: 0, attempts: 6, rejected: {} }];
    this.progress.addShard({ planDigest: DIGEST, shard, cells }, at);
  }

  succeed(job: JobView): void {
    const published = {
      planDigest: DIGEST,
      manifest: { uri: 's3://c/dataset.json', sha256: DIGEST },
      samples: { wanted: 24, accepted: 24, exhausted: 0, attempts: 24 },
    };
    const outcome = {
      apiVersion: 'cohortfarm.dev/outcome/v1' as const,
      reason: 'Published' as const,
      message: '',
      published,
    };
    this.succeeded.push({ job: job.name, outcome });
    this.end(job, 'complete');
  }

  loseQueue(forget: boolean): void {
    this.stream = null;
    this.kept = { plan: false, shards: new Set() };
    if (forget) this.progress = new Progress();
  }

  suffer(fault: Fault): void {
    const workers = this.running('workers');
    switch (fault) {
      case 'workerDies':
        return; // Its shard stays in the queue.
      case 'jobFails':
        if (workers) this.fail(workers, 'StoreUnavailable');
        return;
      case 'workersLeave':
        if (workers) this.end(workers, 'complete');
        return;
      case 'queueLost':
        this.loseQueue(false);
        return;
      case 'operatorRestarts':
        this.progress = new Progress();
        if (this.kept.plan) this.progress.addPlan(PLAN);
        for (const shard of this.kept.shards) this.tell(shard, null);
        return;
      case 'recordRemoved':
        // Once it is published, verify finds that, not the operator.
        if (!this.status.manifest && this.succeeded.length === 0) this.store.delete(0);
        return;
      case 'podLost':
        this.succeeded = [];
        return;
      case 'away':
        this.away = !this.away;
    }
  }
}

test('a dataset is published in the end, whatever has gone wrong before', () => {
  const moment = fc.record({ fault: fc.option(fc.constantFrom(...FAULTS), { freq: 2 }), works: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(moment, { maxLength: 25 }), (moments) => {
      const world = new World();
      for (const { fault, works } of moments) {
        world.reconcile();
        for (let i = 0; i < works; i++) world.work();
        if (fault) world.suffer(fault);
      }
      world.away = false;
      let looks = 0;
      while (!world.reconcile()) {
        assert.ok(
          ++looks < 60,
          `is not done after ${looks} quiet looks: ${JSON.stringify(world.status.conditions?.[0])}`,
        );
        world.work();
      }
      assert.equal(world.store.size, SHARDS);
      assert.equal(world.status.conditions?.[0]?.status, 'True');
    }),
    { numRuns: 3000 },
  );
});
