import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { LABELS, QUEUE_AUDIENCE, reporterSubjects, workerSubjects } from '../../contract/cluster.ts';
import { createKube } from '../../kube/client.ts';
import { createTransport } from '../../kube/transport.ts';
import type { Kube, KubeObject } from '../../kube/types.ts';
import { createQueueAccess } from '../../operator/queue-access.ts';
import type { Admitted } from '../../platform/queue/callout.ts';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';
import { callApi } from '../../testbed/servers/control-plane-client.ts';
import { renderChart } from '../../testbed/servers/helm.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { startWithDefinition } from '../crd/definition-server.ts';
import { documentWith } from '../support/spec.ts';
import { configOf } from './access.ts';

/** Who is let into the queue, as a real API server knows pods and tokens, with the rights that the chart gives. */

const RIGHTS = new Set(['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding']);
const OPERATOR = 'system:serviceaccount:farm-system:farm-cohortfarm';
const API = 'https://kubernetes.default.svc';

describe('H4: the queue lets in', { skip: await missingForServers() }, () => {
  let plane: ControlPlane;
  let kube: Kube;
  let admit: (token: string) => Promise<Admitted | string>;
  const uids: Record<string, string> = {};

  before(async () => {
    plane = await startWithDefinition();
    const namespace = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    await plane.apply(...['farm-system', 'team-a', 'team-b'].map(namespace));
    await plane.apply(...(await renderChart()).filter(({ kind }) => RIGHTS.has(kind)));
    kube = createKube({ transport: createTransport(configOf(plane)) });
    for (const team of ['team-a', 'team-b']) {
      await plane.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: team } });
      await plane.apply(documentWith({ metadata: { name: 'cohort', namespace: team } }) as KubeObject);
      uids[team] = (await kube.get({ kind: 'SyntheticDataset', namespace: team, name: 'cohort' }))!.metadata.uid;
    }
    const account = await plane.serviceAccount('farm-system', 'farm-cohortfarm-nats');
    const own = createKube({ transport: createTransport(configOf(account)) });
    admit = createQueueAccess({ kube: own, operator: OPERATOR });
  });
  after(() => plane?.stop());

  const tokenOf = async (namespace: string, account: string, audience = QUEUE_AUDIENCE, pod?: KubeObject) => {
    const { name, uid } = pod?.metadata ?? {};
    const bound = pod && { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid } };
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
    const body = { spec: { audiences: [audience], expirationSeconds: 600, ...bound } };
    const answer = await callApi<{ status: { token: string } }>(plane, path, { method: 'POST', body });
    return answer.body.status.token;
  };
  const podOf = (namespace: string, name: string, labels: Record<string, string>) => {
    const containers = [{ name: 'main', image: 'cohortfarm' }];
    return kube.create({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name, labels }, spec: { containers } });
  };
  const workerLabels = (uid: string) => ({ [LABELS.dataset]: 'cohort', [LABELS.uid]: uid, [LABELS.role]: 'workers' });

  test('a worker for its own dataset, for as long as its pod is there', async () => {
    const pod = await podOf('team-a', 'worker', workerLabels(uids['team-a']!));
    const token = await tokenOf('team-a', 'default', QUEUE_AUDIENCE, pod);
    assert.deepEqual(await admit(token), { name: 'team-a/worker', subjects: workerSubjects(uids['team-a']!) });
    await plane.kubectl('delete', 'pod', 'worker', '-n', 'team-a', '--grace-period=0', '--force');
    assert.match(String(await admit(token)), /is not valid|is gone/);
  });

  test('the publish pod and a training stage, to report how far they are and for nothing else', async () => {
    for (const role of ['publish', 'train']) {
      const labels = { ...workerLabels(uids['team-a']!), [LABELS.role]: role };
      const pod = await podOf('team-a', role, labels);
      const subjects = { publish: [`cohortfarm.live.${uids['team-a']}.step`], subscribe: [] };
      assert.deepEqual(reporterSubjects(uids['team-a']!), subjects);
      const found = await admit(await tokenOf('team-a', 'default', QUEUE_AUDIENCE, pod));
      assert.deepEqual(found, { name: `team-a/${role}`, subjects });
    }
  });

  test('the operator, for everything', async () => {
    const found = await admit(await tokenOf('farm-system', 'farm-cohortfarm'));
    assert.deepEqual(found, { name: OPERATOR, subjects: { publish: ['>'], subscribe: ['>'] } });
  });

  test('no pod that names the dataset of another namespace', async () => {
    const pod = await podOf('team-a', 'forger', workerLabels(uids['team-b']!));
    const token = await tokenOf('team-a', 'default', QUEUE_AUDIENCE, pod);
    assert.match(String(await admit(token)), /belongs to no dataset of its namespace/);
  });

  test('no pod of another role, no token without a pod, for the API server, or of no account', async () => {
    const cleaner = { ...workerLabels(uids['team-a']!), [LABELS.role]: 'cleanup' };
    const pod = await podOf('team-a', 'cleaner', cleaner);
    assert.match(String(await admit(await tokenOf('team-a', 'default', QUEUE_AUDIENCE, pod))), /is not a worker/);
    assert.match(String(await admit(await tokenOf('team-a', 'default'))), /is not bound to a pod/);
    assert.match(String(await admit(await tokenOf('farm-system', 'farm-cohortfarm', API))), /is not valid for/);
    assert.match(String(await admit('made up')), /is not valid for/);
    assert.match(String(await admit('')), /presents no token/);
  });
});
