import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startControlPlane } from './control-plane.ts';
import { callApi } from './control-plane-client.ts';
import { startProxy } from './proxy.ts';
import { missingForServers } from './tools.ts';

const skip = await missingForServers();

describe('a control plane started for tests', { skip }, () => {
  it('is of one version, knows its administrator, and ends on demand', async () => {
    const plane = await startControlPlane();
    const { clientVersion, serverVersion } = JSON.parse(await plane.kubectl('version', '--output=json'));
    assert.match(serverVersion.gitVersion, /^v1\.\d+\.\d+$/);
    assert.equal(clientVersion.gitVersion, serverVersion.gitVersion);
    assert.equal(serverVersion.minor, serverVersion.gitVersion.split('.')[1]);
    assert.match(await plane.kubectl('auth', 'whoami'), /system:masters/);
    await assert.rejects(plane.kubectl('get', 'no-such-thing'), /doesn't have a resource type "no-such-thing"/);
    await plane.stop();
    await assert.rejects(plane.kubectl('version'), /was refused/);
  });

  it('does not outlive a test run that was killed', async () => {
    const program = `
      const { startControlPlane } = await import(${JSON.stringify(new URL('./control-plane.ts', import.meta.url).href)});
      process.stdout.write((await startControlPlane()).url);
      setInterval(() => undefined, 1000);`;
    const run = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [url] = await once(run.stdout, 'data');
    assert.equal(await isServed(String(url)), true);
    run.kill('SIGKILL');
    await once(run, 'exit');
    for (const deadline = Date.now() + 5000; await isServed(String(url)); await sleep(20)) {
      assert.ok(Date.now() < deadline, 'the API server is still there after 5 seconds');
    }
  });
});

describe('a control plane with controllers', { skip }, async () => {
  const plane = await startControlPlane({ controllers: true });
  after(() => plane.stop());

  it('makes pods for a Job and says why they find no node', async () => {
    const container = { name: 'main', image: 'none', resources: { limits: { 'nvidia.com/gpu': 1 } } };
    const template = { spec: { restartPolicy: 'Never', containers: [container] } };
    await plane.apply({ apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'idle' }, spec: { template } });
    await plane.kubectl('wait', '--for=create', 'pod', '-l', 'job-name=idle', '--timeout=20s');
    await plane.kubectl('wait', '--for=condition=PodScheduled=False', 'pod', '-l', 'job-name=idle', '--timeout=20s');
    assert.match(await plane.kubectl('get', 'pod', '-o', 'json'), /no nodes available to schedule pods/);
  });

  it('gives a service account the rights of its role and no other', async () => {
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: 'reader' } };
    await plane.apply(
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'reader' } },
      { ...role, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }] },
      {
        ...role,
        kind: 'RoleBinding',
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
        subjects: [{ kind: 'ServiceAccount', name: 'reader', namespace: 'default' }],
      },
    );
    const reader = await plane.serviceAccount('default', 'reader');
    const kubeconfig = await plane.writeKubeconfig('reader', reader);
    assert.match(await plane.kubectl('--kubeconfig', kubeconfig, 'auth', 'whoami'), /serviceaccount:default:reader/);
    assert.equal((await callApi(reader, '/api/v1/namespaces/default/pods')).code, 200);
    assert.equal((await callApi(reader, '/api/v1/namespaces/default/secrets')).code, 403);
  });

  it('works on after its API server was killed and came back', async () => {
    await plane.apiServer.kill();
    await assert.rejects(plane.kubectl('get', 'jobs'), /was refused/);
    await plane.apiServer.restart();
    assert.match(await plane.kubectl('get', 'jobs', '-o', 'name'), /idle/);
    await plane.kubectl('create', 'job', 'later', '--image=none');
    await plane.kubectl('wait', '--for=create', 'pod', '-l', 'job-name=later', '--timeout=60s');
  });

  it('can be reached by a way that is slow, hangs or breaks', async () => {
    const proxy = await startProxy(plane.url);
    const access = { ...plane, url: proxy.url };
    const version = async () => (await callApi(access, '/version')).code;
    assert.equal(await version(), 200);
    proxy.delay(100);
    const begin = performance.now();
    assert.equal(await version(), 200);
    // A handshake and a request: at least two pieces of data each way.
    assert.ok(performance.now() - begin > 400);
    proxy.heal();
    proxy.freeze();
    const hanging = version();
    assert.equal(await Promise.race([hanging, sleep(300, 'nothing')]), 'nothing');
    proxy.heal();
    assert.equal(await hanging, 200);
    proxy.freeze();
    const broken = assert.rejects(version());
    await sleep(50);
    proxy.cut();
    await broken;
    await proxy.stop();
  });
});

/** Whether anything answers: an untrusted certificate is an answer, too. */
const isServed = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => true,
    (error: Error) => (error.cause as NodeJS.ErrnoException).code !== 'ECONNREFUSED',
  );
