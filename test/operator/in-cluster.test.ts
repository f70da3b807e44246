import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { KubeConfig } from '@kubernetes/client-node';
import { createKube } from '../../kube/client.ts';
import { createTransport } from '../../kube/transport.ts';
import { type ControlPlane, startControlPlane } from '../../testbed/servers/control-plane.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';

const skip = await missingForServers();

describe('the configuration of a pod', { skip }, () => {
  let plane: ControlPlane;
  let root: string;
  const folder = 'var/run/secrets/kubernetes.io/serviceaccount';

  before(async () => {
    plane = await startControlPlane();
    root = await mkdtemp(join(tmpdir(), 'cohortfarm-pod-'));
    await mkdir(join(root, folder), { recursive: true });
    await writeFile(join(root, folder, 'ca.crt'), plane.ca);
    await writeFile(join(root, folder, 'namespace'), 'default');
    await plane.kubectl('create', 'serviceaccount', 'operator', '-n', 'default');
    await plane.kubectl(
      'create',
      'clusterrolebinding',
      'operator',
      '--clusterrole=cluster-admin',
      '--serviceaccount=default:operator',
    );
  });
  after(async () => {
    await plane.stop();
    await rm(root, { recursive: true, force: true });
  });

  it('reaches the API server by its service account, with a token that is read from its file', async () => {
    const { token } = await plane.serviceAccount('default', 'operator');
    await writeFile(join(root, folder, 'token'), token);
    const { hostname, port } = new URL(plane.url);
    Object.assign(process.env, { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port });
    const config = new KubeConfig();
    config.loadFromCluster(root);
    const kube = createKube({ transport: createTransport(config) });
    assert.ok(Array.isArray((await kube.list({ kind: 'Job' })).items));
    await rm(join(root, folder, 'ca.crt'));
    // A volume that is being renewed is a failure that passes, not the end of the process.
    await assert.rejects(kube.list({ kind: 'Job' }), { name: 'KubeError', kind: 'unavailable' });
    await writeFile(join(root, folder, 'ca.crt'), plane.ca);
    assert.ok(Array.isArray((await kube.list({ kind: 'Job' })).items));
  });
});
