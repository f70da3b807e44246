import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { LABELS, QUEUE_AUDIENCE, reporterSubjects } from '../../contract/cluster.ts';
import { createKube } from '../../kube/client.ts';
import { isKubeError } from '../../kube/errors.ts';
import { createTransport } from '../../kube/transport.ts';
import type { Kube, KubeObject } from '../../kube/types.ts';
import { decide } from '../../operator/decide/decide.ts';
import { TRAINER_APIS, type TrainerApi } from '../../operator/desired/trainer-api.ts';
import { createTrainerObserver } from '../../operator/observe/trainer.ts';
import { createQueueAccess } from '../../operator/queue-access.ts';
import { until } from '../../testbed/replica.ts';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';
import { callApi } from '../../testbed/servers/control-plane-client.ts';
import { goModuleFolder } from '../../testbed/servers/go-files.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { startWithDefinition } from '../crd/definition-server.ts';
import { REPO } from '../support/cli.ts';
import { smallDataset } from '../support/dataset.ts';
import { OWNER, observed, SETTINGS } from '../support/observed.ts';
import { documentWith } from '../support/spec.ts';
import { configOf } from './access.ts';

/** A15, against the definitions of the versions themselves: what the operator reads of them, and sends. */

const MODULE = 'github.com/kubeflow/trainer/v2';
/** Folders whose go.mod names the version. */
const VERSIONS: readonly (readonly [string, string, TrainerApi])[] = [
  ['2.0.0', 'trainer', 'podSpecOverrides'],
  ['2.1.0', 'trainer-2.1', 'podTemplateOverrides'],
  ['2.2.0', 'trainer-2.2', 'runtimePatches'],
];

const RUNTIME = join(REPO, 'examples/cluster/kubeflow-runtime.yaml');
const { namespace } = OWNER;

/** The dataset as the API server knows it. */
let owner = OWNER;

/** The TrainJob of a stage with all that a dataset may say of it. */
function trainJob(trainerApi: TrainerApi): KubeObject {
  const dataset = smallDataset((spec) => {
    spec.output.uri = 's3://c/small';
    const stage = { name: 'pretrain', type: 'Pretrain' as const, nodes: 2, runtimeRef: { name: 'cohortfarm' } };
    spec.training = { labels: ['edema'], stages: [{ ...stage, resources: { limits: { cpu: '2', memory: '4Gi' } } }] };
    const tolerations = [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }];
    spec.workers = { ...spec.workers, serviceAccountName: 'trainer', tolerations };
  });
  const manifest = { uri: 's3://c/small/dataset.json', sha256: 'b'.repeat(64) };
  const settings = { ...SETTINGS, pods: { ...SETTINGS.pods, natsToken: true } };
  const { actions } = decide(observed({ owner, parsed: { dataset }, status: { manifest }, trainerApi }), settings);
  const objects = actions.flatMap((action) => (action.type === 'apply' ? [action.object] : []));
  return objects.find(({ kind }) => kind === 'TrainJob')!;
}

describe('a TrainJob of the operator', { skip: await missingForServers() }, () => {
  let plane: ControlPlane;
  let kube: Kube;
  /** With no more rights than anybody who is signed in. */
  let anybody: Kube;
  before(async () => {
    plane = await startWithDefinition();
    kube = createKube({ transport: createTransport(configOf(plane)) });
    await plane.kubectl('create', 'namespace', namespace);
    for (const name of ['anybody', 'trainer']) {
      await plane.kubectl('create', 'serviceaccount', name, '-n', namespace);
    }
    const dataset = await kube.apply(documentWith({ metadata: { name: OWNER.name, namespace } }) as KubeObject);
    owner = { ...OWNER, uid: dataset.metadata.uid };
    const access = await plane.serviceAccount(namespace, 'anybody');
    anybody = createKube({ transport: createTransport(configOf({ ...plane, ...access })) });
  });
  after(() => plane?.stop());

  /** The answer of the queue to a pod as the JobSet of a TrainJob makes it, without labels of ours. */
  const admitPodOf = async (trainJob: string) => {
    const name = `${trainJob}-node-0`;
    const pod = await kube.create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name, labels: { [LABELS.jobSet]: trainJob } },
      spec: { serviceAccountName: 'trainer', containers: [{ name: 'node', image: 'trainer' }] },
    });
    const { uid } = pod.metadata;
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/trainer/token`;
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid };
    const spec = { audiences: [QUEUE_AUDIENCE], expirationSeconds: 600, boundObjectRef };
    const { body } = await callApi<{ status: { token: string } }>(plane, path, { method: 'POST', body: { spec } });
    const answer = await createQueueAccess({ kube, operator: 'another' })(body.status.token);
    await plane.kubectl('delete', 'pod', name, '-n', namespace, '--grace-period=0', '--force');
    return answer;
  };
  const observeNow = () => createTrainerObserver({ kube: anybody, now: Date.now }).observe();

  it('A15: is written for no version where none is installed', async () => {
    assert.equal(await observeNow(), undefined);
  });

  for (const [version, folder, api] of VERSIONS) {
    it(`A15: is accepted by the definition of ${version}, which is recognised, and in no other way`, async () => {
      const definitions = join(await goModuleFolder({ folder, module: MODULE }), 'manifests/base/crds');
      for (const kind of ['trainjobs', 'clustertrainingruntimes']) {
        const file = join(definitions, `trainer.kubeflow.org_${kind}.yaml`);
        await plane.kubectl('apply', '--server-side', '--force-conflicts', '-f', file);
      }
      await until('the version is recognised', async () => (await observeNow()) === api);
      for (const other of TRAINER_APIS) {
        const applied = kube.apply(trainJob(other));
        if (other === api) await applied;
        else
          await assert.rejects(
            applied,
            (error) => isKubeError(error) && /unknown field|field not declared/.test(error.message),
          );
      }
      const { metadata } = trainJob(api);
      assert.deepEqual(await admitPodOf(metadata.name), {
        name: `${namespace}/${metadata.name}-node-0`,
        subjects: reporterSubjects(owner.uid),
      });
      await kube.delete({ kind: 'TrainJob', namespace, name: metadata.name });
      assert.match(String(await admitPodOf(metadata.name)), /is not a worker, and neither publishes nor trains/);
      const runtime = ['apply', '--server-side', '--validate=strict', '-f', RUNTIME];
      await until('our runtime is accepted, too', () => plane.kubectl(...runtime).catch(() => null));
    });
  }
});
