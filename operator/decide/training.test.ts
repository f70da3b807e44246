import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import type { StageStatus } from '../../contract/schema/status.ts';
import { smallDataset } from '../../test/support/dataset.ts';
import { DIGEST, failedPod, NOW, OWNER, observed, SETTINGS } from '../../test/support/observed.ts';
import { buildStage } from '../desired/stage.ts';
import { TRAINER_APIS } from '../desired/trainer-api.ts';
import type { JobView, Observed } from '../observed.ts';
import { nextStatus } from '../status.ts';
import { decide } from './decide.ts';
import { isTrained, stagesOf } from './training.ts';

/** Stages after publishing, without a cluster. */

type Spec = Parameters<NonNullable<Parameters<typeof smallDataset>[0]>>[0];

function trained(change: (spec: Spec) => void = () => {}): SyntheticDataset {
  return smallDataset((spec) => {
    spec.output.uri = 's3://cohorts/small';
    spec.training = {
      labels: ['edema'],
      stages: [
        { name: 'pretrain', type: 'Pretrain' },
        { name: 'finetune', type: 'Finetune', from: 'pretrain', data: 's3://real/train', nodes: 2 },
      ],
      evaluation: { sites: [{ name: 'site-a', uri: 's3://real/a' }] },
    };
    change(spec);
  });
}

/** Digests of the stages of `trained()`, as versions recorded them in which the place of the dataset counted. */
const FORMER_DIGESTS = [
  '4eacd500b6843f4cbb3a7833bc772fc10044bbca922d2f0e90503582e852f5d1',
  'fc18b7ea80609006ab467dd2bb6f11662ab32b2fb681d722f5acf07a6324aaa1',
  '1e6da6db64bdea9f7293194751daa4bb7e949e959362ecefafb1117de047a9c4',
];

const MANIFEST = { uri: 's3://cohorts/small/dataset.json', sha256: DIGEST };

function world(change: Partial<Observed> = {}, dataset = trained(), stages?: StageStatus[]): Observed {
  const published = {
    type: 'Published' as const,
    status: 'True' as const,
    observedGeneration: 1,
    lastTransitionTime: '',
    reason: 'Published',
    message: '',
  };
  return observed({
    parsed: { dataset },
    status: { planDigest: DIGEST, manifest: MANIFEST, conditions: [published], ...(stages && { stages }) },
    ...change,
  });
}

function stageJob(given: Observed, name: string, change: Partial<JobView> = {}): JobView {
  const stage = stagesOf(given).find((wanted) => wanted.stage.name === name)!.stage;
  const dataset = (given.parsed as { dataset: SyntheticDataset }).dataset;
  const wanted = buildStage({ owner: OWNER, dataset, settings: SETTINGS.pods, stage }, change.round ?? 1);
  return {
    name: wanted.name,
    uid: wanted.name,
    kind: 'Job',
    role: 'train',
    stage: name,
    round: 1,
    templateDigest: wanted.templateDigest,
    renderedDigest: wanted.renderedDigest,
    state: 'running',
    suspended: false,
    parallelism: 1,
    active: 1,
    ready: 1,
    terminating: 0,
    succeeded: 0,
    failed: 0,
    missing: 0,
    createdAt: NOW - 60_000,
    endedAt: change.state ? NOW - 1000 : null,
    failure: null,
    deleting: false,
    avoidedNodes: [],
    ...change,
  };
}

const succeeded = (job: JobView) => ({
  job: job.name,
  outcome: {
    apiVersion: 'cohortfarm.dev/outcome/v1' as const,
    reason: 'Trained' as const,
    message: '',
    metrics: { auroc: 0.8 },
  },
});

/** The stages as they are once the first `done` have succeeded. */
function progress(dataset: SyntheticDataset, done: number): StageStatus[] {
  return stagesOf(world({}, dataset))
    .slice(0, done)
    .map(({ stage, digest, folder }) => ({
      name: stage.name,
      state: 'Succeeded',
      digest,
      output: `training/${folder}`,
      metrics: { auroc: 0.8 },
    }));
}

const kindsOf = (given: Observed) =>
  decide(given, SETTINGS).actions.map((action) =>
    action.type === 'apply'
      ? `${action.object.kind} ${action.object.metadata.name}`
      : `${action.type} ${'name' in action ? action.name : ''}`,
  );
const statesOf = (given: Observed) => decide(given, SETTINGS).stages?.map(({ name, state }) => `${name} ${state}`);

describe('training', () => {
  test('begins with the stages that need no other', () => {
    const given = world();
    const kinds = kindsOf(given);
    assert.equal(kinds.length, 2);
    assert.equal(kinds[1], 'Job small-pretrain-1');
    assert.deepEqual(statesOf(given), ['pretrain Running', 'finetune Pending', 'evaluate Pending']);
    assert.equal(decide(given, SETTINGS).stepStatus?.reason, 'Training');
  });

  test('says how far a stage is, as long as it runs and reports it', () => {
    const first = world();
    const job = stageJob(first, 'pretrain');
    const at = (job: JobView, steps: Observed['progress']['steps']) =>
      world({ jobs: [job], progress: { ...first.progress, steps } });
    const reported = [
      { done: 3, all: 9 },
      { stage: 'pretrain', done: 50, all: 400, secondsLeft: 59.2 },
    ];
    const { stages, stepStatus } = decide(at(job, reported), SETTINGS);
    assert.deepEqual(stages?.[0]?.progress, { done: 50, all: 400, secondsLeft: 60 });
    assert.match(stepStatus!.message, /^0 of 3 stages are done: pretrain \(50 of 400, 60 s left\) runs$/);
    assert.deepEqual(
      stages?.slice(1).map(({ progress }) => progress),
      [undefined, undefined],
    );
    assert.equal(decide(at(job, []), SETTINGS).stages?.[0]?.progress, undefined);
    const done = { ...job, state: 'complete' as const, succeeded: 1 };
    assert.equal(decide(at(done, reported), SETTINGS).stages?.[0]?.progress, undefined);
  });

  test('can report, which is no reason to start a running stage again', () => {
    const stage = stagesOf(world()).find((wanted) => wanted.stage.name === 'pretrain')!.stage;
    const build = (settings: Partial<typeof SETTINGS.pods>) =>
      buildStage({ owner: OWNER, dataset: trained(), settings: { ...SETTINGS.pods, ...settings }, stage }, 1);
    const envOf = ({ job }: ReturnType<typeof build>) => {
      const [container] = (job.spec as { template: { spec: { containers: { env: { name: string }[] }[] } } }).template
        .spec.containers;
      return container!.env.map(({ name }) => name).filter((name) => /NATS|UID/.test(name));
    };
    const [open, token, signed] = [build({}), build({ natsToken: true }), build({ natsCredentialsSecret: 'nats' })];
    assert.deepEqual(envOf(open), ['COHORTFARM_NATS_URL', 'COHORTFARM_DATASET_UID']);
    assert.deepEqual(envOf(token), [...envOf(open), 'COHORTFARM_NATS_TOKEN']);
    assert.match(JSON.stringify(token.job), /"audience":"cohortfarm-queue"/);
    assert.deepEqual(envOf(signed), []);
    const moved = build({ natsUrl: 'tls://other' });
    assert.equal(new Set([open, token, signed, moved].map((one) => one.templateDigest)).size, 1);
  });

  test('can report from a TrainJob, too, by a token of its pods in the words of each version', () => {
    const dataset = trained();
    dataset.spec.training!.stages[0]!.runtimeRef = { name: 'ours' };
    const { stage } = stagesOf(world({}, dataset)).find((wanted) => wanted.stage.name === 'pretrain')!;
    for (const trainerApi of TRAINER_APIS) {
      const build = (settings: Partial<typeof SETTINGS.pods>) =>
        buildStage({ owner: OWNER, dataset, settings: { ...SETTINGS.pods, ...settings }, stage, trainerApi }, 1);
      const [open, token] = [build({}), build({ natsToken: true })];
      const text = JSON.stringify(token.job.spec);
      assert.match(text, /"COHORTFARM_NATS_TOKEN","value":"\/var\/run\/secrets\/cohortfarm.dev\/queue\/token"/);
      assert.match(
        text,
        /"projected":\{"sources":\[\{"serviceAccountToken":\{"path":"token","audience":"cohortfarm-queue"/,
      );
      assert.match(text, /\{"name":"queue-token","mountPath":"\/var\/run\/secrets\/cohortfarm.dev\/queue"/);
      assert.equal(open.templateDigest, token.templateDigest);
    }
  });

  test('keeps the metrics of a stage that has succeeded, and goes on to what needs it', () => {
    const first = world();
    const job = stageJob(first, 'pretrain', { state: 'complete', succeeded: 1 });
    const given = world({ jobs: [job], pods: { waiting: [], failed: [], succeeded: [succeeded(job)], present: 0 } });
    const decision = decide(given, SETTINGS);
    assert.deepEqual(decision.stages?.[0]?.metrics, { auroc: 0.8 });
    assert.equal(decision.requeueAfter, 0);
    const next = { ...given, status: nextStatus(given, decision)! };
    assert.deepEqual(kindsOf(next).slice(-2), ['Service small-finetune-1', 'Job small-finetune-1']);
  });

  test('a stage that fails holds up what needs it, and says so', () => {
    const first = world();
    const job = stageJob(first, 'pretrain', { state: 'failed' });
    const outcome = {
      apiVersion: 'cohortfarm.dev/outcome/v1' as const,
      reason: 'DataNotFound' as const,
      message: 'there is no folder s3://real/train',
    };
    const given = world({
      jobs: [job],
      pods: { waiting: [], failed: [failedPod(job, { outcome })], succeeded: [], present: 0 },
    });
    const { stepStatus, actions, requeueAfter } = decide(given, SETTINGS);
    assert.deepEqual([stepStatus?.at, stepStatus?.reason, actions.length], ['Trained', 'DataNotFound', 0]);
    assert.equal(
      stepStatus?.message,
      'Stage pretrain: there is no folder s3://real/train; finetune, evaluate wait for it',
    );
    assert.ok(requeueAfter! > 0);
    assert.deepEqual(statesOf(given), ['pretrain Failed', 'finetune Pending', 'evaluate Pending']);
  });

  test('a stage that has failed stays so where the GPU-hours are used up, before and after the pause until a next try', () => {
    const dataset = trained((spec) => {
      spec.limits = { maxGpuHours: 2 };
    });
    const usage = { rounds: 1, workers: 0, gpus: 0, activeSeconds: 0, gpuSeconds: 7200, rejectedGpuSeconds: 0 };
    const at = (endedAt: number, reason: 'DataNotFound' | 'StoreUnavailable') => {
      const given = world({}, dataset);
      const job = stageJob(given, 'pretrain', { state: 'failed', active: 0, endedAt });
      const outcome = {
        apiVersion: 'cohortfarm.dev/outcome/v1' as const,
        reason,
        message: 'the folder x does not exist',
      };
      const { stepStatus, stages, actions } = decide(
        {
          ...given,
          status: { ...given.status, usage: { ...usage, until: new Date(NOW).toISOString() } },
          jobs: [job],
          pods: { ...given.pods, failed: [failedPod(job, { outcome })] },
        },
        SETTINGS,
      );
      return [stepStatus?.reason, stages?.[0]?.state, actions.length, stepStatus?.message.split(' 2.00')[0]];
    };
    const words = 'Stage pretrain: the folder x does not exist; finetune, evaluate wait for it. Workers have used';
    assert.deepEqual(at(NOW - 1000, 'DataNotFound'), ['DataNotFound', 'Failed', 0, words]);
    assert.deepEqual(at(NOW - 600_000, 'DataNotFound'), ['DataNotFound', 'Failed', 0, words]);
    // It would pass: the budget alone holds up the next try.
    assert.deepEqual(at(NOW - 1000, 'StoreUnavailable'), ['BudgetSpent', 'Pending', 0, 'Workers have used']);
  });

  test('the dataset is ready when every stage has succeeded', () => {
    const dataset = trained();
    const { policy, stepStatus } = decide(world({}, dataset, progress(dataset, 3)), SETTINGS);
    assert.deepEqual([policy, stepStatus?.at], ['finished', 'done']);
  });

  test('a changed stage runs again into a folder of its own, and so does what depends on it', () => {
    const before = trained();
    const after = trained((spec) => {
      spec.training!.stages![0]!.hyperparameters = { epochs: 3 };
    });
    const given = world({}, after, progress(before, 3));
    const [pretrain, finetune, evaluate] = stagesOf(given);
    assert.match(pretrain!.folder, /^pretrain-[0-9a-f]{8}$/);
    assert.equal(finetune!.stage.config.weights, `s3://cohorts/small/training/${pretrain!.folder}/model.pt`);
    assert.deepEqual(
      [pretrain, finetune, evaluate].map((stage) => stage!.isDone),
      [false, false, false],
    );
    assert.ok(kindsOf(given).includes('Job small-pretrain-1'));
  });

  test('A26: another place of the dataset, or another way to it, runs no stage again', () => {
    const before = trained();
    const after = trained((spec) => {
      spec.output = { uri: 's3://archive/small', s3: { endpoint: 'https://minio.example', region: 'eu-west-1' } };
    });
    const stages = progress(before, 3);
    assert.deepEqual(
      stagesOf(world({}, after, stages)).map(({ isDone }) => isDone),
      [true, true, true],
    );
    const [pretrain] = stagesOf(world({}, after, stages));
    assert.deepEqual(pretrain!.stage.config.train?.data, ['s3://archive/small']);
  });

  test('A26: what a former version recorded is done, and is kept by a digest that no move changes', () => {
    const dataset = trained();
    const given = world({}, dataset, progress(dataset, 3));
    const former = FORMER_DIGESTS.map((digest, i) => ({ ...given.status.stages![i]!, digest }));
    const old = { ...given, status: { ...given.status, stages: former } };
    const decision = decide(old, SETTINGS);
    assert.equal(decision.policy, 'finished');
    assert.deepEqual(nextStatus(old, decision)!.stages, given.status.stages);
  });

  test('a stage that did not change is not run again', () => {
    const before = trained();
    const after = trained((spec) => {
      spec.training!.stages![1]!.hyperparameters = { epochs: 3 };
    });
    const [pretrain, finetune] = stagesOf(world({}, after, progress(before, 3)));
    assert.deepEqual([pretrain!.isDone, finetune!.isDone], [true, false]);
  });

  test('a suspended dataset ends its stages, which resume from their checkpoints later', () => {
    const dataset = trained((spec) => {
      spec.suspend = true;
    });
    const given = world({ jobs: [stageJob(world(), 'pretrain')] }, dataset);
    assert.deepEqual(kindsOf(given), ['deleteJob small-pretrain-1']);
  });

  test('is a TrainJob where a runtime of Kubeflow Trainer is named', () => {
    const limits = { 'nvidia.com/gpu': 4 };
    const dataset = trained((spec) => {
      const stage = { runtimeRef: { name: 'torch-distributed' }, processesPerNode: 4, resources: { limits } };
      Object.assign(spec.training!.stages![0]!, stage);
    });
    const action = decide(world({}, dataset), SETTINGS).actions.at(-1);
    assert.ok(action?.type === 'apply');
    assert.equal(action.object.kind, 'TrainJob');
    const { runtimeRef, trainer } = action.object.spec as { runtimeRef: object; trainer: Record<string, unknown> };
    assert.deepEqual(runtimeRef, { name: 'torch-distributed' });
    const { command, numProcPerNode, resourcesPerNode } = trainer;
    // The trainer starts torchrun itself, so that its exit code is the container's.
    assert.deepEqual([command, numProcPerNode], [['python', '-m', 'cohortfarm_trainer'], 4]);
    assert.deepEqual(resourcesPerNode, { limits, requests: limits });
  });

  test('A27: runs on the nodes that its podTemplate names, which are not those of the workers', () => {
    const podSpecOf = (podTemplate?: Record<string, unknown>) => {
      const dataset = trained((spec) => {
        spec.workers = { ...spec.workers, runtimeClassName: 'nvidia', nodeSelector: { pool: 'inference' } };
        if (podTemplate) spec.training!.stages![0]!.podTemplate = podTemplate;
      });
      const [, job] = decide(world({}, dataset), SETTINGS).actions.flatMap((action) =>
        action.type === 'apply' ? [action.object] : [],
      );
      const { nodeSelector, affinity, runtimeClassName } = (
        job!.spec as { template: { spec: Record<string, unknown> } }
      ).template.spec;
      return { nodeSelector, affinity, runtimeClassName };
    };
    const none = { nodeSelector: undefined, affinity: undefined, runtimeClassName: 'nvidia' };
    assert.deepEqual(podSpecOf(), none);
    const placed = { nodeSelector: { pool: 'training' }, affinity: { nodeAffinity: {} } };
    assert.deepEqual(podSpecOf({ spec: placed }), { ...none, ...placed });
  });

  test('A27: of several nodes all start again together, and a single one by itself; both see the GPUs', () => {
    const jobFor = (nodes: number) => {
      const dataset = trained((spec) => {
        spec.training!.stages![0]!.nodes = nodes;
        spec.workers = { ...spec.workers, runtimeClassName: 'nvidia' };
      });
      const job = decide(world({}, dataset), SETTINGS).actions.at(-1);
      assert.ok(job?.type === 'apply' && job.object.kind === 'Job');
      return job.object.spec as {
        backoffLimit: number;
        podFailurePolicy: { rules: { action: string; onPodConditions?: { type: string }[] }[] };
        template: { spec: { runtimeClassName?: string } };
      };
    };
    assert.deepEqual(
      [1, 8].map(jobFor).map(({ backoffLimit }) => backoffLimit),
      [6, 0],
    );
    // Of a drained node, too.
    const disrupted = ({ podFailurePolicy: { rules } }: ReturnType<typeof jobFor>) =>
      rules.find(({ onPodConditions }) => onPodConditions?.[0]?.type === 'DisruptionTarget')?.action;
    assert.deepEqual([1, 8].map(jobFor).map(disrupted), ['Ignore', 'FailJob']);
    assert.equal(jobFor(1).template.spec.runtimeClassName, 'nvidia');
  });

  describe('of several nodes of which one is lost', () => {
    const dataset = trained();
    const base = world({}, dataset, progress(dataset, 1));
    const lost = (change: Partial<JobView>, since = NOW - 1000): Observed => {
      const job = stageJob(base, 'finetune', { parallelism: 2, active: 1, ready: 1, terminating: 1, ...change });
      const problem = {
        job: job.name,
        pod: `${job.name}-1-x`,
        reason: 'NodeLost' as const,
        message: '',
        pods: 1,
        since,
      };
      return { ...base, jobs: [job], pods: { ...base.pods, waiting: [problem] } };
    };

    test('ends all pods, and starts them together with the next round', () => {
      const given = lost({});
      const [removed, , , started] = decide(given, SETTINGS).actions;
      assert.deepEqual(
        kindsOf(given).filter((kind) => !kind.startsWith('ConfigMap')),
        ['deleteJob small-finetune-1', 'Service small-finetune-2', 'Job small-finetune-2'],
      );
      assert.match((removed as { event: string }).event, /node of pod small-finetune-1-1-x is lost, so all pods start/);
      assert.ok(started?.type === 'apply');
      assert.deepEqual(statesOf(given), ['pretrain Succeeded', 'finetune Running', 'evaluate Pending']);
    });

    test('waits while the node is perhaps only slow, and where no pod is left but those that are lost', () => {
      for (const given of [lost({}, NOW + 5000), lost({ active: 0, ready: 0, terminating: 2 })])
        assert.deepEqual(kindsOf(given), []);
    });

    test('leaves a stage of one node alone: its pod may still work', () => {
      const alone = trained((spec) => {
        spec.training!.stages![1]!.nodes = 1;
      });
      const given = world({}, alone, progress(alone, 1));
      const job = stageJob(given, 'finetune', { parallelism: 1, terminating: 1 });
      const waiting = lost({}).pods.waiting.map((problem) => ({ ...problem, job: job.name }));
      assert.deepEqual(kindsOf({ ...given, jobs: [job], pods: { ...given.pods, waiting } }), []);
    });
  });

  test('nodes of one stage find each other as torchrun wants it', () => {
    const dataset = trained();
    const given = world({}, dataset, progress(dataset, 1));
    const job = decide(given, SETTINGS).actions.at(-1);
    assert.ok(job?.type === 'apply');
    const spec = job.object.spec as {
      completions: number;
      template: { spec: { subdomain: string; containers: { env: { name: string; value?: string }[] }[] } };
    };
    const env = Object.fromEntries(spec.template.spec.containers[0]!.env.map(({ name, value }) => [name, value]));
    assert.deepEqual(
      [spec.completions, spec.template.spec.subdomain, env.PET_NNODES, env.PET_MASTER_ADDR],
      [2, 'small-finetune-1', '2', 'small-finetune-1-0.small-finetune-1'],
    );
  });

  test('science 2.4: runs of a comparison are indexes of one Job, and are measured once all are trained', () => {
    const compared = (more: object) =>
      trained((spec) => Object.assign(spec.training!, { compare: ['RealOnly', 'Mixed'], seeds: 2, ...more }));
    const dataset = compared({ compareParallelism: 2 });
    assert.deepEqual(
      stagesOf(world({}, dataset)).map(({ stage }) => stage.name),
      ['pretrain', 'finetune', 'evaluate', 'compare-runs', 'compare'],
    );
    const given = world({}, dataset, progress(dataset, 3));
    const job = decide(given, SETTINGS).actions.at(-1);
    assert.ok(job?.type === 'apply');
    const {
      template,
      podFailurePolicy: _,
      ...spec
    } = job.object.spec as Record<string, unknown> & {
      template: { spec: { subdomain?: string; containers: { env: Record<string, unknown>[] }[] } };
    };
    assert.deepEqual(spec, {
      completionMode: 'Indexed',
      completions: 6,
      parallelism: 2,
      backoffLimitPerIndex: 6,
      suspend: false,
    });
    const { env } = template.spec.containers[0]!;
    const value = (name: string) => env.find((one) => one.name === name);
    // Each is a training of its own, on however many nodes the stages are.
    assert.equal(template.spec.subdomain, undefined);
    assert.equal(value('PET_NNODES')!.value, '1');
    assert.equal(value('PET_NODE_RANK'), undefined);
    assert.match(JSON.stringify(value('COHORTFARM_SHARE')), /job-completion-index/);
    // The result is that of one pod: it is not made again where only the way changes.
    const digestOf = (more: object) => stagesOf(world({}, compared(more))).at(-1)!.digest;
    assert.equal(digestOf({ compareParallelism: 2 }), digestOf({}));
    const kubeflow = compared({ compareParallelism: 2 });
    kubeflow.spec.training!.stages.at(-1)!.runtimeRef = { name: 'torch' };
    assert.equal(stagesOf(world({}, kubeflow)).at(-2)!.stage.name, 'evaluate');
  });

  test('science 2.4: a comparison that is done is not run again because its runs may be side by side', () => {
    const compared = (more: object) =>
      trained((spec) => Object.assign(spec.training!, { compare: ['Mixed'], ...more }));
    const dataset = compared({ compareParallelism: 2 });
    const done = world({}, dataset, progress(compared({}), 4));
    assert.equal(isTrained(done), true);
    assert.deepEqual(statesOf(done), [
      'pretrain Succeeded',
      'finetune Succeeded',
      'evaluate Succeeded',
      'compare Succeeded',
    ]);
    assert.deepEqual(
      kindsOf(done).filter((kind) => kind.startsWith('Job')),
      [],
    );
    // Runs that were side by side stay in the status, and those of another comparison are trained.
    assert.equal(stagesOf(world({}, dataset, progress(dataset, 5))).length, 5);
    const another = world({}, compared({ compareParallelism: 2, seeds: 4 }), progress(compared({}), 4));
    assert.deepEqual(statesOf(another)?.slice(3), ['compare-runs Running', 'compare Pending']);
  });
});
