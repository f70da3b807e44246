import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { buildCpuImage } from '../../testbed/images/buildah.ts';
import { type RealKubelet, startRealKubelet } from '../../testbed/real/real-kubelet.ts';
import { isReady, rigDataset, waitForReady } from '../../testbed/rig.ts';
import { type ControlPlane, startControlPlane } from '../../testbed/servers/control-plane.ts';
import { CHART, helm } from '../../testbed/servers/helm.ts';
import { type NatsServer, startNats } from '../../testbed/servers/nats.ts';
import { type S3Server, startS3Server } from '../../testbed/servers/s3.ts';
import { runCli } from '../support/cli.ts';

/**
 * `npm run test:images`, not part of `npm test` because it takes minutes: images/Dockerfile built by buildah, installed by
 * the chart, run by the kubelet and containerd.
 */

const SYSTEM = 'farm-system';

/** Prints the architecture, and a plan. */
const LOOK = `
cat > /tmp/two.yaml <<'END'
apiVersion: cohortfarm.dev/v1alpha1
kind: SyntheticDataset
metadata: {name: two}
spec:
  quota: {samples: 2, axes: {sex: {values: [female, male]}}}
  prompt: {template: 'chest x-ray of a {sex} patient'}
  model: {uri: 'embedded:phantom', sampling: {steps: 2}}
  output: {uri: /tmp/two}
END
node -p process.arch
node /app/cli/main.ts plan -f /tmp/two.yaml`;

describe('B2: the image that images/Dockerfile builds', { timeout: 1_800_000 }, () => {
  let folder: string;
  let plane: ControlPlane;
  let nats: NatsServer;
  let s3: S3Server;
  let node: RealKubelet;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-built-'));
    [plane, nats, s3] = await Promise.all([startControlPlane({ controllers: true }), startNats(), startS3Server()]);
    node = await startRealKubelet(plane, 0);
  });
  after(async () => {
    await node?.stop();
    await Promise.all([plane?.stop(), nats?.stop(), s3?.stop()]);
    await rm(folder, { recursive: true, force: true });
  });

  it('is built, and containerd takes it', async (t) => {
    const archive = join(folder, 'image.tar');
    await buildCpuImage({ archive, name: 'docker.io/library/cohortfarm:0.1.0' });
    t.diagnostic(`${((await stat(archive)).size / 1e6).toFixed(0)} MB compressed`);
    await node.importImage(archive);
  });

  it('is installed by helm until the operator is ready', async () => {
    await plane.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: SYSTEM } });
    const { hostname, port } = new URL(plane.url);
    // Pods have no network of their own on this node, so that the operator takes the node's.
    const chart = join(folder, 'cohortfarm');
    await cp(CHART, chart, { recursive: true });
    const template = join(chart, 'templates/operator/deployment.yaml');
    const text = await readFile(template, 'utf8');
    await writeFile(template, text.replace('      enableServiceLinks: false\n', '$&      hostNetwork: true\n'));
    const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
    const values = {
      image: { pullPolicy: 'Never' },
      nats: { bundled: false, url: nats.url },
      operator: { replicas: 1, extraEnv: Object.entries(env).map(([name, value]) => ({ name, value })) },
    };
    await writeFile(join(folder, 'values.json'), JSON.stringify(values));
    const args = ['--values', join(folder, 'values.json'), '--namespace', SYSTEM, '--wait', '--timeout', '180s'];
    await helm(['install', 'farm', chart, ...args], { KUBECONFIG: plane.kubeconfig });
  });

  it('grows a dataset in pods of the operator, and publishes it', async () => {
    await s3.createBucket('cohorts');
    const stringData = { AWS_ACCESS_KEY_ID: s3.accessKey, AWS_SECRET_ACCESS_KEY: s3.secretKey };
    await plane.apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'bucket', namespace: 'default' },
      stringData,
    });
    const podTemplate = { spec: { hostNetwork: true } };
    const dataset = await rigDataset({ s3 }, 'built', ({ spec }) => {
      Object.assign(spec.quota, { samples: 12, minPerCell: 0 });
      Object.assign(spec.workers, { podTemplate });
      Object.assign(spec, { publish: { podTemplate } });
    });
    await plane.apply(dataset);
    await waitForReady({ plane }, 'built', isReady, 300_000);
    const { code, stdout, stderr } = await runCli(['verify', 's3://cohorts/built'], s3.env);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Verified: 12 images in 2 shards/);
    const images = await plane.kubectl('get', 'pods', '-A', '-o', 'jsonpath={.items[*].spec.containers[*].image}');
    assert.deepEqual([...new Set(images.split(' '))], ['cohortfarm:0.1.0']);
  });
});

describe('B6: the image for 64-bit ARM', { timeout: 3_600_000 }, () => {
  it('is built, and its command line makes a plan', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-arm64-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const archive = join(folder, 'image.tar');
    const name = 'docker.io/library/cohortfarm:0.1.0';
    // ONNX Runtime crashes under emulation, since /sys describes this machine's processors: nothing is grown here.
    const printed = await buildCpuImage({ archive, name, architecture: 'arm64', command: ['sh', '-ec', LOOK] });
    t.diagnostic(`${((await stat(archive)).size / 1e6).toFixed(0)} MB compressed`);
    assert.match(printed, /^arm64$/m);
    assert.match(printed, /2 images in 2 cells/);
  });
});
