import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { missingForNetworks, missingForPods } from '../../testbed/available.ts';
import { startKueue } from '../../testbed/controllers/kueue.ts';
import { until } from '../../testbed/replica.ts';
import {
  isReady,
  isReason,
  NAMESPACE,
  type Rig,
  rigDataset,
  startRig,
  statusOf,
  waitForReady,
} from '../../testbed/rig.ts';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';
import { REPO } from '../support/cli.ts';
import { missingPython } from '../support/venv.ts';
import { SHORT, trainerImage } from './trainer.ts';

/** Datasets that share GPUs through Kueue, whose real controller admits their Jobs. */

const GPUS = 2;
/** Samples that no test waits for. */
const LONG = 3000;
const SPOT = { key: 'cloud.google.com/gke-spot', value: 'true' };

interface Workload {
  readonly metadata: { readonly ownerReferences: readonly { readonly name: string }[] };
  readonly spec: { readonly queueName: string };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}
interface Job {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly parallelism: number;
    readonly completions: number;
    readonly template: { readonly spec: { readonly tolerations?: readonly { readonly key: string }[] } };
  };
}
type Change = NonNullable<Parameters<typeof rigDataset>[2]>;

/**
 * The objects of the example, with a quota that is soon used up, and tolerations, which Kueue adds to pods; beside them a
 * queue with quota of its own, and pods with more right to it.
 */
async function shareGpus({ kubectl, apply }: ControlPlane): Promise<void> {
  const groupsOf = (gpus: number) => {
    const amounts = { cpu: 64, memory: '256Gi', 'nvidia.com/gpu': gpus };
    const resources = Object.entries(amounts).map(([name, nominalQuota]) => ({ name, nominalQuota }));
    return [{ coveredResources: Object.keys(amounts), flavors: [{ name: 'spot-gpu', resources }] }];
  };
  const patch = (kind: string, name: string, spec: object) =>
    kubectl('patch', kind, name, '--type=merge', '-p', JSON.stringify({ spec }));
  const queue = (kind: string, name: string, spec: object) => ({
    ...{ apiVersion: 'kueue.x-k8s.io/v1beta2', kind, spec },
    metadata: { name, ...(kind === 'LocalQueue' && { namespace: NAMESPACE }) },
  });
  await kubectl('create', 'namespace', 'radiology');
  await kubectl('apply', '--server-side', '-f', join(REPO, 'examples/cluster/kueue.yaml'));
  await patch('resourceflavor', 'spot-gpu', { tolerations: [{ ...SPOT, operator: 'Equal', effect: 'NoSchedule' }] });
  await patch('clusterqueue', 'gpus', { resourceGroups: groupsOf(GPUS) });
  await apply(
    queue('ClusterQueue', 'reserve', { namespaceSelector: {}, resourceGroups: groupsOf(3) }),
    queue('LocalQueue', 'spot', { clusterQueue: 'gpus' }),
    queue('LocalQueue', 'reserve', { clusterQueue: 'reserve' }),
    { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: 'urgent' }, value: 1000 },
  );
}

const skip = (await missingForPods()) || (await missingForNetworks()) || (await missingPython());

describe('datasets that share GPUs through Kueue', { skip }, () => {
  let rig: Rig;
  let stopKueue: () => Promise<void>;

  const edit = (name: string, spec: object) =>
    rig.plane.kubectl('patch', 'sds', name, '--type=merge', '-p', JSON.stringify({ spec }));
  const list = async <T>(kind: string): Promise<T[]> =>
    (JSON.parse(await rig.plane.kubectl('get', kind, '-o', 'json')) as { items: T[] }).items;
  /** Jobs of a dataset that Kueue has let run, each with the queue that it was admitted through. */
  const admitted = async (dataset: string) =>
    (await list<Workload>('workloads'))
      .filter(({ status }) => status?.conditions?.some((one) => one.type === 'Admitted' && one.status === 'True'))
      .map(({ metadata, spec }) => `${metadata.ownerReferences[0]?.name} ${spec.queueName}`)
      .filter((name) => name.startsWith(`${dataset}-`))
      .sort();
  const jobOf = async (name: string) => (await list<Job>('jobs')).find(({ metadata }) => metadata.name === name);
  const messageOf = async (name: string) =>
    (await statusOf(rig, name)).conditions?.find(({ type }) => type === 'Ready')?.message ?? '';
  const says = (name: string, pattern: RegExp) =>
    until(`${name} says ${pattern}`, async () => pattern.test(await messageOf(name)), 120_000).catch(async (cause) => {
      throw new Error(`${(cause as Error).message}; it says: ${await messageOf(name)}`, { cause });
    });
  /** One GPU for each worker, in the queue of the example. */
  const apply = async (name: string, workers: object, more: Change = () => {}) =>
    rig.plane.apply(
      await rigDataset(rig, name, (dataset) => {
        const { spec } = dataset;
        spec.model.executionProvider = 'cpu';
        spec.workers = { ...spec.workers, gpus: 1, queueName: 'spot', ...workers };
        more(dataset);
      }),
    );
  /** Enough to be stopped in the middle. */
  const samples =
    (count: number): Change =>
    ({ spec }) => {
      spec.quota.samples = count;
    };

  before(async () => {
    const spot = { labels: { [SPOT.key]: SPOT.value }, taints: [{ ...SPOT, effect: 'NoSchedule' }] };
    rig = await startRig({
      nodes: [{ name: 'node-a', gpus: 8, ...spot }],
      image: await trainerImage(),
    });
    stopKueue = await startKueue(rig.plane);
    await shareGpus(rig.plane);
  });
  after(async () => {
    await stopKueue?.();
    await rig?.stop();
  });

  test('grow, publish and train by Jobs that Kueue admits', async () => {
    await apply('whole', {}, ({ spec }) => {
      const training = {
        architecture: 'cnn-small',
        imageSize: 32,
        // Kueue gives the nodes and tolerations of a flavor to pods that request something of it, and to no others.
        stages: [{ name: 'pretrain', type: 'Pretrain', hyperparameters: SHORT, resources: { requests: { cpu: '1' } } }],
      };
      Object.assign(spec, { training });
    });
    await waitForReady(rig, 'whole', isReady, 180_000);
    assert.deepEqual(await admitted('whole'), [
      'whole-pretrain-1 spot',
      'whole-publish-1 spot',
      'whole-workers-1 spot',
    ]);
  });

  test('wait with the words of Kueue, and start with fewer workers where that is allowed', async () => {
    await apply('large', { replicas: 3 }, samples(72));
    await waitForReady(rig, 'large', isReason('AwaitingAdmission'));
    await says('large', /^Job large-workers-1 waits for Kueue to admit it \(queue spot\): .*nvidia.com\/gpu.*spot-gpu/);
    await edit('large', { workers: { minReplicas: 1 } });
    await says('large', /Kueue has admitted 2 of 3/);
    await waitForReady(rig, 'large', isReady, 180_000);
    const { parallelism, completions } = (await jobOf('large-workers-1'))!.spec;
    assert.deepEqual([parallelism, completions], [GPUS, GPUS]);
  });

  test('give their GPUs to one with more right to them, and return', async () => {
    await apply('patient', {}, samples(LONG));
    await says('patient', /^[1-9][\d,]* of .*2 workers run/);
    const { samples: before } = await statusOf(rig, 'patient');
    await apply('first', { priorityClassName: 'urgent' });
    await says('patient', /waits for Kueue to admit it \(queue spot\): ./);
    await waitForReady(rig, 'first', isReady, 180_000);
    await says('patient', /2 workers run/);
    assert.deepEqual(await admitted('patient'), ['patient-workers-1 spot'], 'its Job has come back');
    const { samples: after } = await statusOf(rig, 'patient');
    assert.ok(after!.accepted! >= before!.accepted!, 'and lost nothing');
  });

  test('leave the queue when they are suspended, and join it again', async () => {
    await edit('patient', { suspend: true });
    await waitForReady(rig, 'patient', isReason('Suspended'));
    await until('its quota is free', async () => (await admitted('patient')).length === 0, 60_000);
    await edit('patient', { suspend: false });
    await says('patient', /2 workers run/);
  });

  test('change their size while they run, whatever Kueue has added to their pods', async () => {
    const { template } = (await jobOf((await admitted('patient'))[0]!.split(' ')[0]!))!.spec;
    assert.ok(template.spec.tolerations?.some(({ key }) => key === SPOT.key));
    await edit('patient', { workers: { replicas: 1 } });
    await says('patient', /1 workers run/);
  });

  test('move to the queue that an edit names, also from one that is not there', async () => {
    await edit('patient', { workers: { queueName: 'nowhere' } });
    await says('patient', /\(queue nowhere\): .*nowhere/);
    await edit('patient', { workers: { queueName: 'reserve', replicas: 3 } });
    await says('patient', /3 workers run/);
    assert.deepEqual(
      (await admitted('patient')).map((name) => name.split(' ')[1]),
      ['reserve'],
    );
  });
});
