import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { missingForPods } from '../../testbed/available.ts';
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

/** A4 and A19: pods that a cluster does not let come to be are named, and why. */

/** From the Job to the condition. */
const NAMED_WITHIN_MS = 30_000;

describe('a dataset in a namespace that refuses its pods', { skip: await missingForPods() }, () => {
  let rig: Rig;
  before(async () => {
    rig = await startRig();
  });
  after(() => rig?.stop());

  const quota = (hard: object) =>
    rig.plane.apply({
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'tight', namespace: NAMESPACE },
      spec: { hard },
    });
  const messageOf = async (name: string) =>
    (await statusOf(rig, name)).conditions?.find(({ type }) => type === 'Ready')?.message ?? '';
  const jobOf = (name: string) => () =>
    rig.plane.kubectl('get', 'job', `${name}-workers-1`, '-o', 'name').catch(() => null);

  test('by a ResourceQuota says which and how many, also where only some are refused, and grows once there is room', async () => {
    await quota({ pods: '0' });
    await until('the quota counts', async () =>
      (await rig.plane.kubectl('get', 'quota', 'tight', '-o', 'json')).includes('"used"'),
    );
    const dataset = await rigDataset(rig, 'tight', ({ spec }) => {
      spec.workers = { ...spec.workers, replicas: 3, probe: false };
    });
    await rig.plane.apply(dataset);
    const { conditions } = await waitForReady(rig, 'tight', isReason('PodsRefused'), NAMED_WITHIN_MS);
    assert.match(
      await messageOf('tight'),
      /^3 of 3 pods are refused: exceeded quota: tight, requested: pods=1, used: pods=0, limited: pods=0; raise the ResourceQuota, or lower spec\.workers/,
    );
    assert.deepEqual(
      ['Reconciling', 'Stalled'].map((type) => conditions?.find((one) => one.type === type)?.status),
      ['False', 'True'],
    );
    // What the pods are to mount is deleted meanwhile.
    await rig.plane.kubectl('delete', 'configmap', '-l', 'cohortfarm.dev/dataset=tight');
    await quota({ pods: '1' });
    await until(
      'some are refused',
      async () => /workers run.*2 of 3 pods are refused: exceeded quota/.test(await messageOf('tight')),
      60_000,
    );
    await rig.plane.kubectl('delete', 'quota', 'tight');
    await waitForReady(rig, 'tight', isReady);
  });

  test('by a quota that counts memory publishes all the same: publish pods say what they need', async () => {
    await quota({ 'requests.cpu': '16', 'requests.memory': '64Gi', 'limits.cpu': '16', 'limits.memory': '64Gi' });
    await rig.plane.apply(
      await rigDataset(rig, 'counted', ({ spec }) => {
        spec.quota.samples = 32;
      }),
    );
    await waitForReady(rig, 'counted', isReason('PodsRefused'), NAMED_WITHIN_MS);
    assert.match(
      await messageOf('counted'),
      /must specify .*; give spec\.workers resources with what the quota counts$/,
    );
    const amounts = { cpu: '1', memory: '1Gi' };
    const spec = { workers: { resources: { requests: amounts, limits: amounts } } };
    await rig.plane.kubectl('patch', 'sds', 'counted', '--type=merge', '-p', JSON.stringify({ spec }));
    await waitForReady(rig, 'counted', isReady);
    await rig.plane.kubectl('delete', 'quota', 'tight');
  });

  test('because something that they name is not there says what to create', async () => {
    const missing = [
      ['account', { serviceAccountName: 'nobody' }, /"nobody" not found; create the ServiceAccount/],
      ['class', { priorityClassName: 'urgent' }, /urgent was found; create the PriorityClass/],
      ['runtime', { runtimeClassName: 'nvidia' }, /"nvidia" not found; create the RuntimeClass/],
    ] as const;
    for (const [name, workers] of missing) {
      await rig.plane.apply(
        await rigDataset(rig, name, ({ spec }) => {
          spec.workers = { ...spec.workers, ...workers };
        }),
      );
    }
    for (const [name, , expected] of missing) {
      await until('it has its Job', jobOf(name));
      await waitForReady(rig, name, isReason('PodsRefused'), NAMED_WITHIN_MS);
      assert.match(await messageOf(name), expected);
    }
  });

  test('by a LimitRange, Pod Security, a policy or a webhook says which, and what to do', async () => {
    const { kubectl } = rig.plane;
    // Only pods of these datasets are asked about: an unreachable webhook would refuse all others, too.
    const ofDataset = (name: string) => ({ matchLabels: { 'cohortfarm.dev/dataset': name } });
    const onCreate = (apiGroups: string[], resources: string[]) => [
      { apiGroups, apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources },
    ];
    const hook = (name: string, dataset: string, rules: object[]) => ({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: dataset },
      webhooks: [
        {
          ...{ name, admissionReviewVersions: ['v1'], sideEffects: 'None', failurePolicy: 'Fail', timeoutSeconds: 1 },
          ...{ rules, objectSelector: ofDataset(dataset), clientConfig: { url: 'https://127.0.0.1:1/' } },
        },
      ],
    });
    const policy = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: 'team-label' },
      spec: {
        matchConstraints: { resourceRules: onCreate([''], ['pods']), objectSelector: ofDataset('governed') },
        validations: [{ expression: 'false', message: 'pods need the label team' }],
      },
    };
    const binding = {
      ...{ apiVersion: policy.apiVersion, kind: `${policy.kind}Binding`, metadata: { name: 'team-label' } },
      spec: { policyName: 'team-label', validationActions: ['Deny'] },
    };
    const limitRange = {
      ...{ apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'small', namespace: NAMESPACE } },
      spec: { limits: [{ type: 'Container', max: { memory: '8Gi' } }] },
    };
    const memory = (amount: string) => ({ resources: { requests: { memory: amount }, limits: { memory: amount } } });
    const refused = [
      [
        'greedy',
        memory('16Gi'),
        /maximum memory usage per Container is 8Gi.*; correct the resources of spec\.workers, or the LimitRange/,
      ],
      [
        'privileged',
        { ...memory('1Gi'), podTemplate: { spec: { hostNetwork: true } } },
        /violates PodSecurity "baseline.*host namespaces.*; correct the podTemplate of spec\.workers, or the standard/,
      ],
      [
        'governed',
        memory('1Gi'),
        /ValidatingAdmissionPolicy 'team-label'.* denied request: pods need the label team; correct spec\.workers, or what refuses it/,
      ],
      [
        'hooked',
        memory('1Gi'),
        /failed calling webhook "pods\.example\.org".*; correct spec\.workers, or the webhook that refuses it/,
      ],
    ] as const;
    const isRefused = (name: string, { resources, ...workers }: (typeof refused)[number][1]): Promise<boolean> => {
      const host = 'podTemplate' in workers ? workers.podTemplate.spec : {};
      const spec = { ...host, containers: [{ name: 'probe', image: 'probe', resources }] };
      const pod = [
        `--labels=cohortfarm.dev/dataset=${name}`,
        `--overrides=${JSON.stringify({ apiVersion: 'v1', spec })}`,
      ];
      return kubectl('run', 'probe', '--image=probe', '--dry-run=server', ...pod).then(
        () => false,
        () => true,
      );
    };
    for (const [name, workers] of refused)
      await until(`pods of ${name} are let in`, async () => !(await isRefused(name, workers)));
    await rig.plane.apply(limitRange, policy, binding);
    await rig.plane.apply(hook('jobs.example.org', 'unheard', onCreate(['batch'], ['jobs'])));
    await rig.plane.apply(hook('pods.example.org', 'hooked', onCreate([''], ['pods'])));
    await kubectl('label', 'namespace', NAMESPACE, 'pod-security.kubernetes.io/enforce=baseline');
    // What refuses pods is in force a moment after it was applied.
    for (const [name, workers] of refused) await until(`pods of ${name} are refused`, () => isRefused(name, workers));
    const datasetOf = (name: string, workers: object) =>
      rigDataset(rig, name, ({ spec }) => {
        spec.workers = { ...spec.workers, ...workers };
      });
    for (const [name, workers] of refused) await rig.plane.apply(await datasetOf(name, workers));
    await rig.plane.apply(await datasetOf('unheard', memory('1Gi')));
    for (const [name, , expected] of refused) {
      await until('it has its Job', jobOf(name));
      await waitForReady(rig, name, isReason('PodsRefused'), NAMED_WITHIN_MS);
      assert.match(await messageOf(name), expected);
    }
    // A8: the Job itself was never made; the dataset has a status all the same.
    await waitForReady(rig, 'unheard', ({ reason }) => /^(Retrying|ClusterUnavailable)$/.test(reason), NAMED_WITHIN_MS);
    assert.match(await messageOf('unheard'), /cannot apply Job .*failed calling webhook "jobs\.example\.org"/);
    await kubectl('label', 'namespace', NAMESPACE, 'pod-security.kubernetes.io/enforce-');
    await kubectl('delete', 'limitrange/small', 'validatingadmissionpolicybinding/team-label');
    await kubectl('delete', 'validatingwebhookconfigurations', 'hooked', 'unheard');
    await kubectl('delete', 'sds', ...refused.map(([name]) => name), 'unheard', '--wait=false');
  });

  test('whose volumes cannot be mounted names what is missing', async () => {
    await rig.plane.apply(
      await rigDataset(rig, 'mounts', ({ spec }) => {
        const volumes = [{ name: 'extra', secret: { secretName: 'not-there' } }];
        spec.workers = { ...spec.workers, podTemplate: { spec: { volumes } } };
      }),
    );
    await waitForReady(rig, 'mounts', isReason('ConfigMissing'), NAMED_WITHIN_MS);
    assert.match(await messageOf('mounts'), /its volumes cannot be mounted: .*secret "not-there" not found; create/);
  });
});
