import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { missingForPods } from '../available.ts';
import { startControlPlane } from '../servers/control-plane.ts';
import { callApi } from '../servers/control-plane-client.ts';
import { startProcessKubelet } from './kubelet.ts';
import type { Container, Pod } from './types.ts';

const skip = await missingForPods();

describe('the process kubelet', { skip, timeout: 180_000 }, async () => {
  const plane = await startControlPlane({ controllers: true, nodeGraceSeconds: 8 });
  const kubelet = await startProcessKubelet({
    access: plane,
    nodes: [
      { name: 'node-a', gpus: 1 },
      { name: 'node-b', gpus: 1 },
    ],
  });
  after(async () => {
    await kubelet.stop();
    await plane.stop();
  });

  const pods = async (job: string): Promise<Pod[]> => {
    const path = `/api/v1/namespaces/default/pods?labelSelector=job-name%3D${job}`;
    return (await callApi<{ items: Pod[] }>(plane, path)).body.items;
  };
  const pod = async (name: string) => (await callApi<Pod & { status: PodStatus }>(plane, `${PODS}/${name}`)).body;
  const containerState = async (name: string) => (await pod(name)).status.containerStatuses?.[0]?.state ?? {};
  const isOver = async (name: string) => ['Succeeded', 'Failed'].includes((await pod(name)).status.phase);
  const run = (name: string, container: Partial<Container>, spec: object = {}) =>
    plane.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: { restartPolicy: 'Never', ...spec, containers: [{ ...main, ...container }] },
    });

  it('runs an Indexed Job, each pod with its own index, variables and files', async () => {
    await plane.apply(
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { colour: 'blue', 'b.txt': 'two' } },
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, stringData: { word: 'hush' } },
      job('indexed', {
        completions: 3,
        spec: {
          volumes: [
            { name: 'config', configMap: { name: 'settings', items: [{ key: 'b.txt', path: 'deep/b.txt' }] } },
            { name: 'scratch', emptyDir: {} },
          ],
          containers: [
            {
              ...sh(
                'echo $INDEX $POD $CPUS $colour $WORD $BOTH; cat /etc/x/deep/b.txt; echo; echo x > /work/y && cat /work/y',
              ),
              resources: { requests: { cpu: '1200m' } },
              envFrom: [{ configMapRef: { name: 'settings' } }],
              env: [
                { name: 'INDEX', valueFrom: { fieldRef: { fieldPath: INDEX } } },
                { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
                { name: 'CPUS', valueFrom: { resourceFieldRef: { containerName: 'main', resource: 'requests.cpu' } } },
                { name: 'WORD', valueFrom: { secretKeyRef: { name: 'keys', key: 'word' } } },
                { name: 'BOTH', value: '$(colour)-$(WORD)-$(NONE)-$$(WORD)' },
              ],
              volumeMounts: [
                { name: 'config', mountPath: '/etc/x' },
                { name: 'scratch', mountPath: '/work' },
              ],
            },
          ],
        },
      }),
    );
    await plane.kubectl('wait', '--for=condition=Complete', 'job/indexed', '--timeout=30s');
    const found = await pods('indexed');
    assert.equal(found.length, 3);
    for (const { metadata } of found) {
      const index = metadata.annotations?.['batch.kubernetes.io/job-completion-index'];
      const expected = `${index} ${metadata.name} 2 blue hush blue-hush-$(NONE)-$(WORD)\ntwo\nx\n`;
      assert.equal(await kubelet.logs(metadata.name), expected);
    }
  });

  it('lets exit codes decide what the Job controller does', async () => {
    const rules = [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [78] } }];
    const policy = { backoffLimitPerIndex: 1, podFailurePolicy: { rules } };
    const exit = (code: string) => ({ containers: [sh(code)] });
    await plane.apply(
      job('hopeless', { completions: 1, ...policy, spec: exit('exit 78') }),
      job('again', { completions: 1, ...policy, spec: exit('exit 75') }),
    );
    const reason = '{.status.conditions[?(@.type=="Failed")].reason}';
    for (const name of ['hopeless', 'again']) {
      await plane.kubectl('wait', '--for=condition=Failed', `job/${name}`, '--timeout=60s');
    }
    assert.equal(await plane.kubectl('get', 'job/hopeless', '-o', `jsonpath=${reason}`), 'PodFailurePolicy');
    assert.equal((await pods('hopeless')).length, 1);
    assert.equal(await plane.kubectl('get', 'job/again', '-o', `jsonpath=${reason}`), 'FailedIndexes');
    assert.equal((await pods('again')).length, 2);
  });

  it('reports what a container leaves behind', async () => {
    await run('message', sh('echo why > /dev/termination-log; exit 3'));
    await run('log', { ...sh('echo from the log; exit 4'), terminationMessagePolicy: 'FallbackToLogsOnError' });
    await run('quiet', { ...sh('echo from the log'), terminationMessagePolicy: 'FallbackToLogsOnError' });
    await run('elsewhere', {
      ...sh('head -c 5000 /dev/zero | tr "\\0" x > /run/end'),
      terminationMessagePath: '/run/end',
    });
    for (const name of ['message', 'log', 'quiet', 'elsewhere']) await until(() => isOver(name));
    const terminated = async (name: string) => (await containerState(name)).terminated;
    assert.partialDeepStrictEqual(await terminated('message'), { exitCode: 3, reason: 'Error', message: 'why\n' });
    assert.partialDeepStrictEqual(await terminated('log'), { exitCode: 4, message: 'from the log\n' });
    assert.equal((await terminated('quiet'))?.message, undefined);
    assert.equal((await terminated('elsewhere'))?.message?.length, 4096);
    assert.equal((await pod('quiet')).status.phase, 'Succeeded');
    assert.equal((await pod('log')).status.phase, 'Failed');
  });

  it('waits for a Secret that is missing, and says so', async () => {
    const ref = { name: 'later', key: 'word' };
    await run('secretive', { ...sh('echo $WORD'), env: [{ name: 'WORD', valueFrom: { secretKeyRef: ref } }] });
    await until(async () => (await containerState('secretive')).waiting?.reason === 'CreateContainerConfigError');
    assert.equal((await containerState('secretive')).waiting?.message, 'secret "later" not found');
    await plane.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'later' }, stringData: { word: 'now' } });
    await until(() => isOver('secretive'));
    assert.equal(await kubelet.logs('secretive'), 'now\n');
    await run('mounting', sh('true'), { volumes: [{ name: 'v', configMap: { name: 'never' } }] });
    await until(async () => /FailedMount.*configmap "never" not found/.test(await plane.kubectl('get', 'events')));
    assert.equal((await pod('mounting')).status.phase, 'Pending');
    await plane.kubectl('delete', 'pod', 'mounting', '--timeout=20s');
  });

  it('fails to pull what it is told to', async () => {
    kubelet.failPulls('registry.test/', true);
    await run('pulling', { ...sh('true'), image: 'registry.test/a:1' });
    await until(async () => (await containerState('pulling')).waiting?.reason === 'ErrImagePull');
    await until(async () => (await containerState('pulling')).waiting?.reason === 'ImagePullBackOff');
    kubelet.failPulls('registry.test/', false);
    await until(() => isOver('pulling'));
  });

  it('runs no more pods than there are GPUs', async () => {
    const resources = { limits: { 'nvidia.com/gpu': 1 } };
    const spec = { terminationGracePeriodSeconds: 0, containers: [{ ...sh('sleep 600'), resources }] };
    await plane.apply(job('gpus', { completions: 3, spec }));
    const phases = async () => (await pods('gpus')).map(({ status }) => status?.phase).sort();
    await until(async () => (await phases()).join() === 'Pending,Running,Running');
    await sleep(500);
    assert.deepEqual(await phases(), ['Pending', 'Running', 'Running']);
    await plane.kubectl('delete', 'job', 'gpus', '--cascade=foreground', '--timeout=20s');
    assert.deepEqual(kubelet.running(), []);
  });

  it('lets a pod end in its grace period, and ends it after', async () => {
    await run('polite', sh('trap "echo bye; exit 5" TERM; echo ready; while true; do sleep 0.1; done'));
    await run('deaf', sh('echo ready; while true; do sleep 0.1; done'), { terminationGracePeriodSeconds: 1 });
    for (const name of ['polite', 'deaf']) {
      await until(async () => (await kubelet.logs(name).catch(() => '')) === 'ready\n');
      await plane.kubectl('delete', 'pod', name, '--timeout=20s');
      assert.equal(kubelet.running().includes(name), false);
    }
    assert.equal(await kubelet.logs('polite'), 'ready\nbye\n');
  });

  it('starts a container again where its pod wants that, and kills on demand', async () => {
    await run('again', sh('echo started; sleep 600'), { restartPolicy: 'Always', terminationGracePeriodSeconds: 0 });
    const log = () => kubelet.logs('again').catch(() => '');
    await until(async () => kubelet.running().includes('again') && (await log()) === 'started\n');
    kubelet.kill('again');
    assert.throws(() => kubelet.kill('no-such'), /no pod no-such/);
    await until(async () => (await log()) === 'started\nstarted\n');
    await until(async () => 'running' in (await containerState('again')));
    const status = (await pod('again')).status.containerStatuses?.[0];
    assert.partialDeepStrictEqual(status, { restartCount: 1, lastState: { terminated: { exitCode: 137, signal: 9 } } });
    await plane.kubectl('delete', 'pod', 'again', '--timeout=20s');
  });

  it('holds the repository at /app, and asks the API server as its service account', async () => {
    await plane.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'pod' } });
    const program = `
      const { readFileSync } = await import('node:fs');
      const { API_VERSION } = await import('/app/contract/names.ts');
      const folder = '/var/run/secrets/kubernetes.io/serviceaccount';
      const { request } = await import('node:https');
      const headers = { authorization: 'Bearer ' + readFileSync(folder + '/token') };
      const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
      const options = { host, port, headers, ca: readFileSync(folder + '/ca.crt') };
      request({ ...options, path: '/api/v1/namespaces/' + readFileSync(folder + '/namespace') + '/pods' }, (answer) => {
        answer.setEncoding('utf8').on('data', (text) => console.log(API_VERSION, process.getuid(), JSON.parse(text).message));
      }).end();
      (await import('node:fs')).writeFileSync('/tmp/x', 'x');
      try { writeFileSync('/x', 'x'); } catch {}`;
    const securityContext = { runAsUser: 65532, readOnlyRootFilesystem: true };
    const mounts = { volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }] };
    const command = ['node', '--input-type=module', '-e', program];
    await run(
      'ours',
      { command, securityContext, ...mounts },
      { serviceAccountName: 'pod', volumes: [{ name: 'tmp', emptyDir: {} }] },
    );
    await until(() => isOver('ours'));
    const log = await kubelet.logs('ours');
    assert.match(log, /^cohortfarm.dev\/v1alpha1 65532 pods is forbidden: User "system:serviceaccount:default:pod"/);
  });

  it('goes on with its processes when its node is lost, while the cluster replaces its pods', async () => {
    const spec = { terminationGracePeriodSeconds: 1, containers: [sh('sleep 600')] };
    await plane.apply(job('lost', { completions: 1, spec }));
    await until(async () => kubelet.running().length === 1);
    const [first] = await pods('lost');
    kubelet.loseNode(first!.spec.nodeName!);
    await until(async () => (await pods('lost')).length === 2, 60_000);
    await until(async () => kubelet.running().length === 2);
    assert.equal(kubelet.running().includes(first!.metadata.name), true);
    kubelet.restoreNode(first!.spec.nodeName!);
    await until(async () => !kubelet.running().includes(first!.metadata.name));
    await plane.kubectl('wait', '--for=delete', `pod/${first!.metadata.name}`, '--timeout=20s');
    await plane.kubectl('delete', 'job', 'lost', '--cascade=foreground', '--timeout=20s');
  });
});

const PODS = '/api/v1/namespaces/default/pods';
const INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']";

interface State {
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly running?: object;
  readonly terminated?: { readonly exitCode: number; readonly reason: string; readonly message?: string };
}

interface PodStatus {
  readonly phase: string;
  readonly containerStatuses?: readonly { readonly state: State; readonly restartCount: number }[];
}

const main = { name: 'main', image: 'local' };
const sh = (script: string) => ({ ...main, command: ['sh', '-c', script] });

function job(
  name: string,
  { completions, spec, ...rest }: { completions: number; spec: object; [key: string]: unknown },
) {
  const template = { spec: { restartPolicy: 'Never', ...spec } };
  const size = { completions, parallelism: completions, completionMode: 'Indexed' };
  return { apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec: { ...size, template, ...rest } };
}

async function until(isTrue: () => Promise<boolean>, ms = 20_000): Promise<void> {
  for (const deadline = Date.now() + ms; !(await isTrue()); await sleep(50)) {
    assert.ok(Date.now() < deadline, `not so after ${ms} ms: ${isTrue}`);
  }
}
