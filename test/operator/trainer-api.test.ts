import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createKube } from '../../kube/client.ts';
import { isKubeError } from '../../kube/errors.ts';
import { createTransport } from '../../kube/transport.ts';
import type { Kube, KubeObject } from '../../kube/types.ts';
import { decide } from '../../operator/decide/decide.ts';
import { TRAINER_APIS, type TrainerApi } from '../../operator/desired/trainer-api.ts';
import { createTrainerObserver } from '../../operator/observe/trainer.ts';
import { until } from '../../testbed/replica.ts';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';
import { goModuleFolder } from '../../testbed/servers/go-files.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { startWithDefinition } from '../crd/definition-server.ts';
import { REPO } from '../support/cli.ts';
import { smallDataset } from '../support/dataset.ts';
import { OWNER, observed, SETTINGS } from '../support/observed.ts';
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
  const { actions } = decide(observed({ parsed: { dataset }, status: { manifest }, trainerApi }), SETTINGS);
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
    await plane.kubectl('create', 'serviceaccount', 'anybody', '-n', namespace);
    const access = await plane.serviceAccount(namespace, 'anybody');
    anybody = createKube({ transport: createTransport(configOf({ ...plane, ...access })) });
  });
  after(() => plane?.stop());

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
      const runtime = ['apply', '--server-side', '--validate=strict', '-f', RUNTIME];
      await until('our runtime is accepted, too', () => plane.kubectl(...runtime).catch(() => null));
      const { metadata } = trainJob(api);
      await kube.delete({ kind: 'TrainJob', namespace, name: metadata.name });
    });
  }
});
