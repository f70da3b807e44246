import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createKube } from '../../kube/client.ts';
import { isKubeError } from '../../kube/errors.ts';
import { createTransport } from '../../kube/transport.ts';
import type { Kube, KubeObject } from '../../kube/types.ts';
import { claimOf } from '../../operator/claims.ts';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';
import { type Access, callApi } from '../../testbed/servers/control-plane-client.ts';
import { CHART, type Rendered, renderChart } from '../../testbed/servers/helm.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { startWithDefinition } from '../crd/definition-server.ts';
import { configOf } from '../operator/access.ts';
import { documentWith } from '../support/spec.ts';
import { rightsOf, servedResources } from './rights.ts';

const skip = await missingForServers();

/** All that the operator may do in a namespace with datasets. Workloads and TrainJobs are not served here; see the rules for them. */
const NEEDED = {
  'syntheticdatasets.cohortfarm.dev': 'get list watch patch',
  'syntheticdatasets/status.cohortfarm.dev': 'patch',
  'jobs.batch': 'get list watch create patch delete',
  pods: 'list',
  configmaps: 'get create patch',
  services: 'get create patch',
  'events.events.k8s.io': 'get list create patch',
  'leases.coordination.k8s.io': 'create',
};
/** In its own namespace: the Lease of its leader. */
const LEADER = { 'leases.coordination.k8s.io': 'create' };

const RBAC = new Set(['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding']);
const rbacOf = (objects: readonly Rendered[]) => objects.filter(({ kind }) => RBAC.has(kind));

describe("the operator's rights on a real API server", { skip }, () => {
  let plane: ControlPlane;
  let resources: Awaited<ReturnType<typeof servedResources>>;
  /** Rights of every account: to ask who it is and what it may do. */
  let everybody: Record<string, string>;
  const namespaces = ['farm-system', 'radiology', 'research', 'elsewhere'];
  const rightsIn = async (account: Access, namespace: string) => {
    const rights = await rightsOf(account, resources, namespace);
    return Object.fromEntries(Object.entries(rights).filter(([name, verbs]) => everybody[name] !== verbs));
  };

  before(async () => {
    plane = await startWithDefinition();
    const objects = namespaces.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }));
    const nobody = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'nobody', namespace: 'elsewhere' } };
    await plane.apply(...objects, nobody);
    resources = await servedResources(plane);
    everybody = await rightsOf(await plane.serviceAccount('elsewhere', 'nobody'), resources, 'elsewhere');
  });
  after(() => plane?.stop());

  describe('with the scope Cluster', () => {
    let account: Access;
    let kube: Kube;
    before(async () => {
      await plane.apply(...rbacOf(await renderChart()));
      account = await plane.serviceAccount('farm-system', 'farm-cohortfarm');
      kube = createKube({ transport: createTransport(configOf(account)) });
    });

    it('are what it needs in every namespace, and nothing else: of no kind any other verb', async () => {
      assert.ok(resources.length > 80, `${resources.length} resources are served`);
      assert.deepEqual(await rightsIn(account, 'radiology'), NEEDED);
    });

    it('let it lead in its own namespace alone, by one Lease, and claim namespaces and the cluster by others', async () => {
      const lease = (name: string) => kube.get({ kind: 'Lease', namespace: 'farm-system', name });
      assert.equal(await lease('farm-cohortfarm'), null);
      await assert.rejects(lease('another'), (error) => isKubeError(error, 'forbidden'));
      for (const namespace of [null, 'radiology']) {
        const { kind, ...metadata } = claimOf('', namespace);
        const ref = { kind, ...metadata };
        await kube.create({ apiVersion: 'coordination.k8s.io/v1', kind, metadata, spec: {} });
        await kube.mergePatch(ref, { spec: { holderIdentity: 'farm-system/farm-cohortfarm' } });
        assert.equal((await kube.get(ref))?.metadata.name, ref.name);
        await assert.rejects(kube.get(claimOf('research', namespace)), (error) => isKubeError(error, 'forbidden'));
      }
    });

    it('H4: are not those of the authenticator, which can check tokens and read pods and datasets one by one', async () => {
      const authenticator = await plane.serviceAccount('farm-system', 'farm-cohortfarm-nats');
      assert.deepEqual(await rightsIn(authenticator, 'radiology'), {
        'tokenreviews.authentication.k8s.io': 'create',
        'syntheticdatasets.cohortfarm.dev': 'get',
        pods: 'get',
      });
    });

    it('are enough for what it does', async () => {
      const namespace = 'radiology';
      const dataset = documentWith({ metadata: { name: 'small', namespace } }) as KubeObject;
      await plane.apply(dataset);
      const ref = { kind: 'SyntheticDataset', namespace, name: 'small' } as const;
      const stored = (await kube.get(ref))!;
      await kube.mergePatch(ref, { metadata: { finalizers: ['cohortfarm.dev/cleanup'] } });
      await kube.patchStatus({ ...ref, uid: stored.metadata.uid }, { percent: 1 });
      for (const object of objectsOfDataset(namespace)) {
        await kube.apply(object);
        await kube.apply({ ...object, metadata: { ...object.metadata, labels: { again: 'yes' } } });
      }
      for (const kind of ['SyntheticDataset', 'Job', 'Pod', 'Event'] as const) await kube.list({ kind });
      await kube.delete({ kind: 'Job', namespace, name: 'small-workers-1' });
    });

    const SECRETS = '/api/v1/namespaces/radiology/secrets';
    const REFUSED: readonly (readonly [what: string, method: 'GET' | 'POST' | 'DELETE', path: string])[] = [
      ['read a Secret', 'GET', `${SECRETS}/bucket`],
      ['list Secrets', 'GET', SECRETS],
      ['list the Secrets of all namespaces', 'GET', '/api/v1/secrets'],
      ['make a Secret', 'POST', SECRETS],
      ['delete a Secret', 'DELETE', `${SECRETS}/bucket`],
      ['ask for a token', 'POST', '/api/v1/namespaces/farm-system/serviceaccounts/farm-cohortfarm/token'],
      ['make a pod of its own', 'POST', '/api/v1/namespaces/radiology/pods'],
      ['run a command in a pod', 'POST', '/api/v1/namespaces/radiology/pods/any/exec?command=id'],
      ['read the log of a pod', 'GET', '/api/v1/namespaces/radiology/pods/any/log'],
      ['list nodes', 'GET', '/api/v1/nodes'],
      ['delete a dataset', 'DELETE', '/apis/cohortfarm.dev/v1alpha1/namespaces/radiology/syntheticdatasets/small'],
      ['read roles', 'GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles'],
    ];
    for (const [what, method, path] of REFUSED) {
      it(`do not let it ${what}`, async () => {
        const { code, body } = await callApi(account, path, { method, ...(method === 'POST' && { body: {} }) });
        assert.equal(code, 403, body.message);
        assert.match(body.message!, /is forbidden: User "system:serviceaccount:farm-system:farm-cohortfarm" cannot/);
      });
    }
  });

  describe('with the scope Namespaced', () => {
    it('are the same in the namespaces that it watches, and none elsewhere', async () => {
      await plane.apply(...rbacOf(await renderChart('--values', join(CHART, 'ci/namespaced-values.yaml'))));
      const account = await plane.serviceAccount('farm-system', 'farmer');
      for (const namespace of ['radiology', 'research']) {
        assert.deepEqual(await rightsIn(account, namespace), NEEDED);
      }
      assert.deepEqual(await rightsIn(account, 'farm-system'), LEADER);
      for (const namespace of ['elsewhere', '']) assert.deepEqual(await rightsIn(account, namespace), {});
    });

    it('do not make worker accounts able to do anything', async () => {
      const account = await plane.serviceAccount('radiology', 'cohortfarm-worker');
      assert.deepEqual(await rightsIn(account, 'radiology'), {});
    });
  });

  it('include Workloads and TrainJobs only where they are wanted', async () => {
    const groups = async (name: string, ...args: string[]) => {
      const role = (await renderChart(...args)).find(
        ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === name,
      )!;
      return role.rules.flatMap((rule: { apiGroups: string[] }) => rule.apiGroups);
    };
    for (const [name, value, group] of [
      ['farm-cohortfarm', 'kueue', 'kueue.x-k8s.io'],
      ['farm-cohortfarm', 'kubeflowTrainer', 'trainer.kubeflow.org'],
      // It finds the dataset of a TrainJob's pod by the TrainJob.
      ['farm-cohortfarm-nats', 'kubeflowTrainer', 'trainer.kubeflow.org'],
    ] as const) {
      assert.ok((await groups(name)).includes(group), group);
      const without = await groups(name, '--set', `rbac.${value}=false`);
      assert.equal(without.includes(group), false, group);
    }
  });
});

/** One of each kind that the operator applies. */
function objectsOfDataset(namespace: string): KubeObject[] {
  const container = { name: 'main', image: 'cohortfarm' };
  const template = { spec: { restartPolicy: 'Never', containers: [container] } };
  return [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'small-spec', namespace }, data: {} },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'small-train', namespace },
      spec: { clusterIP: 'None', selector: { a: 'b' } },
    },
    { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'small-workers-1', namespace }, spec: { template } },
  ];
}
