import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ENV } from '../../contract/cluster.ts';
import { smallDataset } from '../../test/support/dataset.ts';
import { OWNER, SETTINGS } from '../../test/support/observed.ts';
import { buildSingle, buildWorkers } from './job.ts';
import { buildPodTemplate, type PodSettings } from './pod.ts';

type Change = NonNullable<Parameters<typeof smallDataset>[0]>;

function workersOf(change: Change = () => {}, settings: Partial<PodSettings> = {}) {
  const context = { owner: OWNER, dataset: smallDataset(change), settings: { ...SETTINGS.pods, ...settings } };
  return {
    ...buildWorkers(context, { round: 1, replicas: context.dataset.spec.workers.replicas }),
    publish: buildSingle(context, 'publish', 1),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: tests look deep into plain JSON.
const podOf = ({ job }: { job: { spec?: any } }) => job.spec.template.spec;

describe('the Job of the workers', () => {
  test('has as many indexes as pods, gives up on what no restart fixes, and forgives disruptions', () => {
    const { job } = workersOf((spec) => {
      spec.workers!.replicas = 8;
    });
    const { template: _, ...rest } = job.spec as Record<string, unknown>;
    assert.deepEqual(rest, {
      completionMode: 'Indexed',
      completions: 8,
      parallelism: 8,
      backoffLimitPerIndex: 6,
      maxFailedIndexes: 1,
      suspend: false,
      podFailurePolicy: {
        rules: [
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          { action: 'FailJob', onExitCodes: { operator: 'In', values: [2, 3] } },
          { action: 'FailIndex', onExitCodes: { operator: 'In', values: [78] } },
        ],
      },
    });
    assert.equal(job.metadata.ownerReferences?.[0]?.uid, OWNER.uid);
  });

  test('A5: keeps away from the nodes of a round before, whatever else is asked of a node, and is the same pod', () => {
    const term = { matchExpressions: [{ key: 'pool', operator: 'In', values: ['gpu'] }] };
    const context = {
      owner: OWNER,
      dataset: smallDataset((spec) => {
        const required = { nodeSelectorTerms: [term, {}] };
        spec.workers!.affinity = {
          nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required },
          podAffinity: {},
        };
      }),
      settings: SETTINGS.pods,
    };
    const plain = buildWorkers(context, { round: 2, replicas: 1 });
    const desired = buildWorkers(context, { round: 2, replicas: 1, avoidedNodes: ['gpu-7', 'gpu-9'] });
    const matchFields = ['gpu-7', 'gpu-9'].map((name) => ({
      key: 'metadata.name',
      operator: 'NotIn',
      values: [name],
    }));
    const { nodeAffinity, podAffinity } = podOf(desired).affinity;
    assert.deepEqual(nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms, [
      { ...term, matchFields },
      { matchFields },
    ]);
    assert.deepEqual(podAffinity, {});
    assert.equal(desired.job.metadata.annotations?.['cohortfarm.dev/avoided-nodes'], 'gpu-7,gpu-9');
    assert.equal(desired.templateDigest, plain.templateDigest);
  });

  test('A20: asks for CUDA where it asks for GPUs, unless the spec says otherwise', () => {
    const providerOf = (gpus: number, executionProvider: 'auto' | 'cpu') => {
      const { needs } = workersOf((spec) => {
        spec.workers!.gpus = gpus;
        spec.model.executionProvider = executionProvider;
      });
      const { spec } = JSON.parse((needs[0]!.data as Record<string, string>)['dataset.json']!);
      return spec.model.executionProvider;
    };
    assert.deepEqual([providerOf(1, 'auto'), providerOf(0, 'auto'), providerOf(1, 'cpu')], ['cuda', 'auto', 'cpu']);
  });

  test('B13: gives workers the CPUs that they request', () => {
    const { env } = podOf(workersOf(() => {})).containers[0];
    const [cpus] = env.filter(({ name }: { name: string }) => name === ENV.cpus);
    assert.equal(cpus.valueFrom.resourceFieldRef.resource, 'requests.cpu');
  });

  test('B4, B14: takes the CUDA image for workers with GPUs alone, unless the spec names another', () => {
    const pods = { ...SETTINGS.pods, cudaImage: 'example.org/cuda:1' };
    const imageOf = (role: 'workers' | 'publish', gpus: number, image?: string): string => {
      const dataset = smallDataset();
      dataset.spec.workers = { ...dataset.spec.workers, gpus, ...(image !== undefined && { image }) };
      const wanted = { owner: OWNER, dataset, role, configMap: 'x', settings: pods };
      return (buildPodTemplate(wanted).spec.containers as { image: string }[])[0]!.image;
    };
    assert.deepEqual(
      [imageOf('workers', 1), imageOf('workers', 0), imageOf('publish', 1), imageOf('workers', 1, 'mine')],
      ['example.org/cuda:1', pods.workerImage, pods.workerImage, 'mine'],
    );
  });

  test('of a cleanup tells whose objects may go', () => {
    const context = { owner: OWNER, dataset: smallDataset(), settings: SETTINGS.pods, planDigest: 'a'.repeat(64) };
    const { env } = podOf(buildSingle(context, 'cleanup', 1)).containers[0];
    assert.deepEqual(
      env.filter(({ name }: { name: string }) => name === ENV.planDigest),
      [{ name: ENV.planDigest, value: 'a'.repeat(64) }],
    );
  });

  test('leaves suspend to Kueue where a queue is named', () => {
    const { job } = workersOf((spec) => {
      spec.workers!.queueName = 'gpus';
    });
    assert.equal('suspend' in (job.spec as object), false);
    assert.equal(job.metadata.labels?.['kueue.x-k8s.io/queue-name'], 'gpus');
  });

  test('asks for GPUs by any name beside other resources, and for workers alone', () => {
    const workers = workersOf((spec) => {
      spec.workers = {
        gpus: 2,
        gpuResourceName: 'nvidia.com/mig-1g.10gb',
        resources: { requests: { memory: '8Gi' }, limits: { memory: '16Gi' } },
        nodeSelector: { pool: 'gpu' },
      };
    });
    assert.deepEqual(podOf(workers).containers[0].resources, {
      requests: { memory: '8Gi' },
      limits: { memory: '16Gi', 'nvidia.com/mig-1g.10gb': '2' },
    });
    assert.equal(podOf(workers.publish).nodeSelector, undefined);
  });

  test('A12, M13: gives pods that publish small resources of their own, and no GPU of a template for workers', () => {
    const gpuTemplate: Change = (spec) => {
      spec.workers = {
        tolerations: [{ key: 'gpu' }],
        podTemplate: {
          spec: {
            imagePullSecrets: [{ name: 'registry' }],
            nodeSelector: { pool: 'gpu' },
            affinity: { nodeAffinity: {} },
            containers: [{ name: 'main', resources: { limits: { 'nvidia.com/gpu': '1' } } }],
          },
        },
      };
    };
    const pod = podOf(workersOf(gpuTemplate).publish);
    assert.deepEqual(pod.containers[0].resources, {
      requests: { cpu: '250m', memory: '512Mi' },
      limits: { cpu: '2', memory: '4Gi' },
    });
    assert.deepEqual([pod.nodeSelector, pod.affinity], [undefined, undefined]);
    assert.deepEqual(pod.imagePullSecrets, [{ name: 'registry' }]);
    const own = podOf(
      workersOf((spec) => {
        gpuTemplate(spec);
        spec.publish = {
          resources: { requests: { memory: '1Gi' } },
          nodeSelector: { pool: 'cpu' },
          tolerations: [],
          podTemplate: { spec: { priorityClassName: 'low' } },
        };
      }).publish,
    );
    assert.deepEqual(own.containers[0].resources, { requests: { memory: '1Gi' } });
    assert.deepEqual([own.nodeSelector, own.tolerations, own.priorityClassName], [{ pool: 'cpu' }, [], 'low']);
  });

  test('hands credentials over by reference only', () => {
    const pod = podOf(
      workersOf((spec) => {
        spec.output.s3 = { credentialsSecretRef: { name: 'bucket' } };
      }),
    );
    const env = pod.containers[0].env.filter(({ name }: { name: string }) => name.startsWith('AWS'));
    assert.deepEqual(env, [
      { name: 'AWS_ACCESS_KEY_ID', valueFrom: { secretKeyRef: { name: 'bucket', key: 'AWS_ACCESS_KEY_ID' } } },
      { name: 'AWS_SECRET_ACCESS_KEY', valueFrom: { secretKeyRef: { name: 'bucket', key: 'AWS_SECRET_ACCESS_KEY' } } },
      {
        name: 'AWS_SESSION_TOKEN',
        valueFrom: { secretKeyRef: { name: 'bucket', key: 'AWS_SESSION_TOKEN', optional: true } },
      },
    ]);
  });

  test('A27: changes the group of a volume only where it is another', () => {
    for (const desired of [workersOf(), workersOf().publish]) {
      assert.equal(podOf(desired).securityContext.fsGroupChangePolicy, 'OnRootMismatch');
    }
  });

  test('meets the restricted pod security standard', () => {
    const pod = podOf(workersOf());
    assert.equal(pod.securityContext.runAsNonRoot, true);
    assert.deepEqual(pod.securityContext.seccompProfile, { type: 'RuntimeDefault' });
    assert.deepEqual(pod.containers[0].securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    assert.equal(pod.automountServiceAccountToken, false);
  });

  test('takes a pod template over all of it', () => {
    const pod = podOf(
      workersOf((spec) => {
        spec.workers!.podTemplate = {
          spec: { hostNetwork: true, containers: [{ name: 'main', env: [{ name: 'X', value: '1' }] }] },
        };
      }),
    );
    assert.equal(pod.hostNetwork, true);
    assert.equal(pod.containers[0].image, SETTINGS.pods.workerImage);
    assert.ok(pod.containers[0].env.some(({ name }: { name: string }) => name === 'X'));
    assert.ok(pod.containers[0].env.some(({ name }: { name: string }) => name === ENV.datasetUid));
  });

  test('stays the same pod when only its number changes, and is another when anything else does', () => {
    const digest = (change?: Change) => workersOf(change).templateDigest;
    const replicas = digest((spec) => {
      spec.workers!.replicas = 3;
    });
    const batch = digest((spec) => {
      spec.workers!.batchSize = 3;
    });
    assert.equal(replicas, digest());
    assert.notEqual(batch, digest());
  });

  test('A21: what is for the next pods only makes no other Job; a new image does where the spec wants it at once', () => {
    const newer = { workerImage: 'example.org/cohortfarm:2', logLevel: 'debug', imagePullPolicy: 'Always' };
    const [before, after] = [workersOf(), workersOf(undefined, newer)];
    assert.equal(after.templateDigest, before.templateDigest);
    assert.notEqual(after.renderedDigest, before.renderedDigest);
    assert.equal(podOf(after).containers[0].image, 'example.org/cohortfarm:2');
    const gpus: Change = (spec) => {
      spec.workers!.gpus = 1;
    };
    const cuda = (image: string) => workersOf(gpus, { cudaImage: image });
    assert.equal(cuda('cuda:2').templateDigest, cuda('cuda:1').templateDigest);
    assert.notEqual(cuda('cuda:2').renderedDigest, cuda('cuda:1').renderedDigest);
    const immediate: Change = (spec) => {
      spec.workers!.updatePolicy = 'Immediate';
    };
    assert.notEqual(workersOf(immediate, newer).templateDigest, workersOf(immediate).templateDigest);
    const { templateDigest } = workersOf(immediate, { logLevel: 'debug' });
    assert.equal(templateDigest, workersOf(immediate).templateDigest);
    const own: Change = (spec) => {
      spec.workers!.image = 'example.org/own:1';
    };
    assert.notEqual(workersOf(own).templateDigest, before.templateDigest, 'an image of the spec is an edit of it');
  });

  test('A13: lets Kueue admit fewer workers only where that is fewer, and then no more failed indexes than those', () => {
    const job = (workers: object) =>
      workersOf((spec) => {
        spec.workers = { ...spec.workers, queueName: 'gpus', replicas: 40, ...workers };
      }).job;
    const least = (workers: object) => job(workers).metadata.annotations?.['kueue.x-k8s.io/job-min-parallelism'];
    assert.deepEqual([least({}), least({ minReplicas: 2 }), least({ minReplicas: 40 })], [undefined, '2', undefined]);
    assert.equal(least({ queueName: undefined, minReplicas: 2 }), undefined, 'without Kueue');
    const failing = (workers: object) => (job(workers).spec as { maxFailedIndexes: number }).maxFailedIndexes;
    assert.deepEqual([failing({}), failing({ minReplicas: 2 })], [4, 1]);
  });

  test('mounts the NATS credentials only where there are any', () => {
    const names = (settings: Partial<PodSettings>) =>
      podOf(workersOf(() => {}, settings)).volumes.map(({ name }: { name: string }) => name);
    assert.deepEqual(names({}), ['config', 'cache', 'tmp']);
    assert.deepEqual(names({ natsCredentialsSecret: 'nats' }), ['config', 'cache', 'tmp', 'nats']);
  });

  test('H4: gives workers a token for the queue, and none for the API server', () => {
    const pod = podOf(workersOf(() => {}, { natsToken: true }));
    assert.equal(pod.automountServiceAccountToken, false);
    const tokens = pod.volumes.flatMap(
      ({ projected }: { projected?: { sources: object[] } }) => projected?.sources ?? [],
    );
    const wanted = { path: 'token', audience: 'cohortfarm-queue', expirationSeconds: 3600 };
    assert.deepEqual(tokens, [{ serviceAccountToken: wanted }]);
    const { env, volumeMounts } = pod.containers[0];
    const path = env.find(({ name }: { name: string }) => name === 'COHORTFARM_NATS_TOKEN').value;
    const mount = volumeMounts.find(({ name }: { name: string }) => name === 'queue-token');
    assert.equal(path, `${mount.mountPath}/token`);
  });
});
