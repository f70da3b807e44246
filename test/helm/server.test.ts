import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { waitForDefinitions } from '../../testbed/definitions.ts';
import { type ControlPlane, startControlPlane } from '../../testbed/servers/control-plane.ts';
import { goModuleFolder } from '../../testbed/servers/go-files.ts';
import { CHART, renderChart } from '../../testbed/servers/helm.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { dryRun } from './dry-run.ts';

const skip = await missingForServers();
const PROMETHEUS = { folder: 'prometheus-operator', module: 'github.com/prometheus-operator/prometheus-operator' };
const VALUES = await readdir(join(CHART, 'ci'));
const NAMESPACES = ['farm-system', 'radiology', 'research'];

describe('a real API server', { skip }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startControlPlane();
    await plane.apply(...NAMESPACES.map(restrictedNamespace));
    // What the controller manager would make.
    await plane.apply(...NAMESPACES.map(defaultAccount));
    const definitions = join(await goModuleFolder(PROMETHEUS), 'example/prometheus-operator-crd');
    for (const name of ['servicemonitors', 'podmonitors', 'prometheusrules']) {
      await plane.kubectl('apply', '--server-side', '-f', join(definitions, `monitoring.coreos.com_${name}.yaml`));
    }
    await waitForDefinitions(plane, 'crd', '--all');
  });
  after(() => plane?.stop());

  for (const file of VALUES) {
    it(`takes all that is rendered with ${file}, without a warning`, async () => {
      const objects = await renderChart('--values', join(CHART, 'ci', file));
      assert.deepEqual(await dryRun(plane, objects), []);
    });
  }

  it('would refuse or warn of what is not right', async () => {
    const objects = await renderChart();
    const deployment = structuredClone(objects.find(({ kind }) => kind === 'Deployment')!);
    deployment.spec.template.spec.hostNetwork = true;
    deployment.spec.replica = 2;
    const faults = (await dryRun(plane, [deployment])).join('\n');
    assert.match(faults, /unknown field "replica" in io.k8s.api.apps.v1.DeploymentSpec/);
    delete deployment.spec.replica;
    assert.match((await dryRun(plane, [deployment])).join('\n'), /would violate PodSecurity "restricted/);
  });
});

/** Pods that are not restricted are refused, and what would make such pods is warned of. */
const restrictedNamespace = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name,
    labels: {
      'pod-security.kubernetes.io/enforce': 'restricted',
      'pod-security.kubernetes.io/warn': 'restricted',
    },
  },
});

const defaultAccount = (namespace: string) => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name: 'default', namespace },
});
