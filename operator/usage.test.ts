import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ANNOTATIONS, LABELS } from '../contract/cluster.ts';
import type { Usage } from '../contract/schema/status.ts';
import { smallDataset } from '../test/support/dataset.ts';
import { filledQueue, jobOf, NOW, observed, progressOf, SETTINGS } from '../test/support/observed.ts';
import { decide } from './decide/decide.ts';
import { jobView, trainJobView } from './observe/jobs.ts';
import type { JobView, Observed } from './observed.ts';
import { differs, nextStatus } from './status.ts';
import { usageOf } from './usage.ts';

const GPUS = 4;
const dataset = () => {
  const { spec, ...rest } = smallDataset();
  return { ...rest, spec: { ...spec, workers: { ...spec.workers, gpus: GPUS, replicas: 8 } } };
};

/** The dataset `seconds` later, with so many workers that run. */
const seen = (seconds: number, ready: number, usage?: Usage): Observed =>
  observed({
    now: NOW + seconds * 1000,
    parsed: { dataset: dataset() },
    jobs: [jobOf('workers', { dataset: dataset(), ready, active: ready })],
    progress: progressOf({ planned: true, committed: 1 }).summary(NOW),
    queue: filledQueue(2),
    ...(usage && { status: { usage } }),
  });

describe('the usage of workers', () => {
  test('is unknown before the first Job, and begins with nothing used', () => {
    assert.equal(usageOf(observed()), undefined);
    const { until, ...first } = usageOf(seen(0, 2))!;
    assert.deepEqual(first, {
      ...{ rounds: 1, workers: 2, gpus: 8, activeSeconds: 0, gpuSeconds: 0, rejectedGpuSeconds: 0 },
    });
    assert.equal(Date.parse(until), NOW);
  });

  test('counts the pods and GPUs of the last count until now, and the share that was rejected', () => {
    const usage = usageOf(seen(60, 3, usageOf(seen(0, 2))))!;
    // 8 of 10 images were accepted.
    assert.deepEqual([usage.activeSeconds, usage.gpuSeconds, usage.rejectedGpuSeconds], [60, 480, 96]);
    assert.equal(usage.gpus, 12);
  });

  test('stands still while no pod runs, however long', () => {
    const idle = usageOf(seen(60, 0, usageOf(seen(0, 2))))!;
    assert.deepEqual([idle.workers, idle.gpuSeconds], [0, 480]);
    assert.deepEqual(usageOf(seen(86_400, 0, idle)), idle);
    assert.equal(usageOf(seen(86_460, 1, idle))!.gpuSeconds, 480);
  });

  test('ends with the Job where the operator looks late', () => {
    const before = usageOf(seen(0, 2))!;
    const late = seen(7200, 0, before);
    const jobs = late.jobs.map((job) => ({ ...job, state: 'complete' as const, endedAt: NOW + 100_000 }));
    assert.equal(usageOf({ ...late, jobs })!.gpuSeconds, 800);
  });

  test('is the same however often it is counted', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ pause: fc.integer({ min: 1, max: 600 }), ready: fc.nat(8) })), (looks) => {
        let [at, gpuSeconds, ready] = [0, 0, 0];
        let usage = usageOf(seen(0, 0));
        for (const look of looks) {
          at += look.pause;
          gpuSeconds += look.pause * ready * GPUS;
          ready = look.ready;
          // A look between two changes.
          usage = usageOf(seen(at - look.pause / 2, usage!.workers, usage));
          usage = usageOf(seen(at, ready, usage));
        }
        assert.ok(Math.abs(usage!.gpuSeconds - gpuSeconds) < 1e-6, `${usage!.gpuSeconds} for ${gpuSeconds}`);
      }),
    );
  });

  test('counts the GPUs of stages beside them, by whatever name their pods ask for them, as Jobs and as TrainJobs', () => {
    const meta = (stage: string) => ({
      name: `small-${stage}-1`,
      labels: { [LABELS.role]: 'train', [LABELS.stage]: stage },
      annotations: { [ANNOTATIONS.round]: '1' },
    });
    const limits = { 'nvidia.com/gpu': '2', 'nvidia.com/mig-1g.10gb': 1, cpu: '8', 'example.com/rdma': '1' };
    const template = { spec: { containers: [{ resources: { limits } }, {}] } };
    const job = (ready: number) =>
      jobView({ metadata: meta('a'), spec: { parallelism: 2, template }, status: { active: 2, ready } })!;
    const trainJob = (ready: number) =>
      trainJobView({
        metadata: meta('b'),
        spec: { trainer: { numNodes: 2, resourcesPerNode: { limits: { 'nvidia.com/gpu': '4' } } } },
        status: { jobsStatus: [{ active: 1, ready }] },
      })!;
    const at = (seconds: number, jobs: JobView[], usage?: Usage) =>
      observed({ now: NOW + seconds * 1000, jobs, ...(usage && { status: { usage } }) });
    assert.equal(usageOf(at(0, [job(0), trainJob(0)])), undefined);
    const first = usageOf(at(0, [job(1), trainJob(1)]))!;
    assert.deepEqual([first.training, first.gpus, first.rounds], [{ gpus: 3 + 8, gpuSeconds: 0 }, 0, 0]);
    const second = usageOf(at(60, [job(2), trainJob(0)], first))!;
    assert.deepEqual(second.training, { gpus: 6, gpuSeconds: 660 });
    const ended = usageOf(at(3600, [{ ...job(0), state: 'complete', endedAt: NOW + 70_000 }], second))!;
    assert.deepEqual([ended.training, ended.gpuSeconds], [{ gpus: 0, gpuSeconds: 720 }, 0]);
    assert.equal(usageOf(at(7200, [], ended)), ended);
  });

  test('counts devices alone, not the memory, cores or percents of one that are limited beside it', () => {
    const gpusOf = (limits: Record<string, string>, gpuResourceName = 'nvidia.com/gpu') => {
      const metadata = { name: 'small-a-1', labels: { [LABELS.role]: 'train', [LABELS.stage]: 'a' } };
      const annotations = { [ANNOTATIONS.round]: '1' };
      const template = { spec: { containers: [{ resources: { limits } }] } };
      const job = { metadata: { ...metadata, annotations }, spec: { template }, status: { active: 1, ready: 1 } };
      const { spec, ...rest } = smallDataset();
      const parsed = { dataset: { ...rest, spec: { ...spec, workers: { ...spec.workers, gpuResourceName } } } };
      return usageOf(observed({ parsed, jobs: [jobView(job)!] }))?.training?.gpus;
    };
    const parts = { 'nvidia.com/gpumem': '16k', 'nvidia.com/gpucores': '30', 'koordinator.sh/gpu': '50' };
    assert.equal(gpusOf({ 'nvidia.com/gpu': '1', ...parts }), 1);
    assert.equal(gpusOf({ 'gpu.intel.com/i915': '2', 'gpu.intel.com/millicores': '500' }), 2);
    assert.equal(gpusOf({ 'nvidia.com/gpu.shared': '3', 'amd.com/gpu': '1', 'gpu.intel.com/xe': '1' }), 5);
    assert.equal(gpusOf({ 'aliyun.com/gpu-mem': '8' }), undefined);
    assert.equal(gpusOf({ 'example.com/card': '2', 'nvidia.com/gpu': 'many' }, 'example.com/card'), 2);
  });

  test('is written when the pods change, and every few minutes besides', () => {
    const first = seen(0, 2);
    const status = nextStatus(first, decide(first, SETTINGS))!;
    const later = (seconds: number, ready: number) => {
      const given = { ...seen(seconds, ready), status };
      return differs(status, nextStatus(given, decide(given, SETTINGS))!);
    };
    assert.deepEqual([later(60, 2), later(299, 2), later(300, 2), later(3, 1)], [false, false, true, true]);
  });
});
