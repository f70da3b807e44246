import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { openStore } from '../../platform/store/store.ts';
import { type ControlPlane, startControlPlane } from '../../testbed/servers/control-plane.ts';
import { callApi, MERGE } from '../../testbed/servers/control-plane-client.ts';
import { startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { applyDataset, pathOf, startWithDefinition } from '../crd/definition-server.ts';
import { REPO, runCli, startCli } from '../support/cli.ts';
import { growSmall } from '../support/grown.ts';
import { documentWith } from '../support/spec.ts';
import { sampleStatus } from '../support/status.ts';

/** `cohortfarm status` and `top` against a real API server; the status is written by hand, as the operator would. */

const run = promisify(execFile);

describe('status and top', { skip: await missingForServers() }, () => {
  let plane: ControlPlane;
  let env: NodeJS.ProcessEnv;

  before(async () => {
    plane = await startWithDefinition();
    env = { KUBECONFIG: plane.kubeconfig };
    for (const name of ['small', 'fresh']) {
      const { code, body } = await applyDataset(plane, documentWith({ 'metadata.name': name }));
      assert.ok(code < 300, body.message);
    }
    const body = { status: sampleStatus() };
    const written = await callApi(plane, pathOf('small', '/status'), { method: 'PATCH', contentType: MERGE, body });
    assert.equal(written.code, 200, written.body.message);
    const labels = { 'cohortfarm.dev/dataset': 'small', 'cohortfarm.dev/role': 'workers' };
    const container = { name: 'worker', image: 'registry.example/worker' };
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'small-workers-1-0', labels },
      spec: { containers: [container], automountServiceAccountToken: false },
    };
    await plane.kubectl('create', 'serviceaccount', 'default').catch(() => {});
    const made = await callApi(plane, '/api/v1/namespaces/default/pods', { method: 'POST', body: pod });
    assert.equal(made.code, 201, made.body.message);
    const containerStatuses = [
      {
        name: 'worker',
        image: '',
        imageID: '',
        ready: false,
        restartCount: 3,
        state: { waiting: { reason: 'ImagePullBackOff' } },
      },
    ];
    await callApi(plane, '/api/v1/namespaces/default/pods/small-workers-1-0/status', {
      method: 'PATCH',
      contentType: MERGE,
      body: { status: { phase: 'Pending', containerStatuses } },
    });
  });
  after(() => plane?.stop());

  test('status shows progress, conditions, worst cells, stages and pods', async () => {
    const { code, stdout, stderr } = await runCli(['status', 'small'], env);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^small in default: Generating\n\[##########\.{18}\] 6\/16 images, 66 % accepted/);
    assert.match(stdout, /age=18-39,finding=edema,sex=male/);
    assert.match(stdout, /pretrain {2}Running/);
    assert.match(stdout, /small-workers-1-0 {2}workers {2}ImagePullBackOff {2}3 /);
    const json = JSON.parse((await runCli(['status', 'small', '--json'], env)).stdout);
    assert.deepEqual(json.dataset.status, sampleStatus());
    assert.equal(json.pods[0].state, 'ImagePullBackOff');
  });

  test('top lists all, those that nobody has looked at yet, too', async () => {
    for (const args of [['top'], ['top', '-A'], ['top', '-n', 'default']]) {
      const { code, stdout, stderr } = await runCli(args, env);
      assert.equal(code, 0, stderr);
      assert.match(
        stdout,
        /default {4}fresh {2}- .*not seen by the operator yet\ndefault {4}small {2}\[#{6}\.{10}\] {2}6\/16/,
      );
    }
    assert.match((await runCli(['top', '-n', 'kube-system'], env)).stdout, /no SyntheticDataset here/);
  });

  test('on a terminal top draws over itself until Ctrl-C', async () => {
    const command = `stty cols 120 rows 30; timeout --foreground --signal=INT 6 ${process.execPath} cli/main.ts top`;
    const { stdout } = await run('script', ['--quiet', '--command', command, '/dev/null'], {
      cwd: REPO,
      env: { ...process.env, ...env },
    }).catch((error: { stdout: string }) => error);
    const frames = stdout.split('\u001b[H').slice(1);
    assert.ok(frames.length >= 2, `${frames.length} frames`);
    for (const frame of frames) assert.match(frame, /small {2}\[######/);
  });

  test('F10: verify, browse and replay find a dataset by its resource', async (t) => {
    const s3 = await startS3Server();
    t.after(() => s3.stop());
    await s3.createBucket('cohorts');
    await growSmall(openStore('s3://cohorts/grown', s3.options));
    const { endpoint, region } = s3.options;
    const output = { uri: 's3://cohorts/grown', s3: { endpoint, region, forcePathStyle: true } };
    const changes = { 'metadata.name': 'grown', 'spec.output': output };
    assert.ok((await applyDataset(plane, documentWith(changes))).code < 300);
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = s3.env;
    const keys = { ...env, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY };
    const unnamed = await runCli(['verify', '--dataset', 'grown'], keys);
    assert.equal(unnamed.code, 2, unnamed.stderr);
    assert.match(
      unnamed.stderr,
      /default\/grown names the S3 endpoint http:\S+, which is not AWS.* add --endpoint http:/,
    );
    const named = ['--endpoint', endpoint!];
    for (const name of ['default/grown', 'grown']) {
      const { code, stdout, stderr } = await runCli(['verify', '--dataset', name, ...named], keys);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^Verified: 24 images in 3 shards/);
    }
    const replayed = await runCli(['replay', '000000003', '--dataset', 'grown', ...named, '--model', '/nowhere'], keys);
    assert.match(replayed.stderr, /\/nowhere cannot be read/, 'the sample was found, its model was not');
    const browse = startCli(['browse', '--dataset', 'default/grown', ...named], keys);
    const [url] = await once(browse.process.stdout!, 'data');
    assert.equal((await fetch(String(url).trim())).status, 200);
    browse.process.kill('SIGINT');
    assert.equal((await browse.outcome).code, 0);
    const dead = ['--endpoint', 'http://127.0.0.1:9'];
    const other = await runCli(['verify', '--dataset', 'grown', ...dead], keys);
    assert.match(other.stderr, /127\.0\.0\.1:9/, 'a flag beats the resource');
    const file = { 'metadata.name': 'local', 'spec.output': { uri: 'file:///data/local' } };
    assert.ok((await applyDataset(plane, documentWith(file))).code < 300);
  });

  test('what is wrong is said with the fix', async () => {
    const cases: [string[], NodeJS.ProcessEnv, number, RegExp][] = [
      [
        ['status', 'other'],
        env,
        2,
        /there is no SyntheticDataset "other" in namespace default; cohortfarm top -A lists all/,
      ],
      [['status', '../secrets'], env, 2, /there is no SyntheticDataset "\.\.\/secrets"/],
      [['status', '..'], env, 2, /there is no SyntheticDataset "\.\."/],
      [['top', '-n', '..'], env, 2, /--namespace: "\.\." is not a valid name/],
      [['top', '--context', 'nowhere'], env, 2, /--context: the kubeconfig has no "nowhere"; it has /],
      [['verify'], env, 2, /no dataset is named; give its URI, or --dataset NAMESPACE\/NAME/],
      [
        ['verify', 'out', '--dataset', 'grown'],
        env,
        2,
        /"out" and --dataset contradict each other; give either a URI or --dataset/,
      ],
      [['verify', 'out', '--context', 'x'], env, 2, /--context needs --dataset/],
      [['verify', '--dataset', 'a/b/c'], env, 2, /--dataset: "a\/b\/c" is not a name; write NAME or NAMESPACE\/NAME/],
      [['verify', '--dataset', 'A B/c'], env, 2, /--dataset: "A B" is not a valid name/],
      [['verify', '--dataset', 'nowhere/grown'], env, 2, /there is no SyntheticDataset "grown" in namespace nowhere/],
      [
        ['verify', '--dataset', 'local'],
        env,
        2,
        /default\/local has the output file:\/\/\/data\/local, a folder in its pods/,
      ],
      [['replay', '--dataset', 'grown'], env, 2, /no sample is named/],
      [['replay', 'out'], env, 2, /no sample is named/],
      [['top'], { KUBECONFIG: '/nonexistent/kubeconfig' }, 2, /KUBECONFIG/],
    ];
    for (const [args, withEnv, code, message] of cases) {
      const outcome = await runCli(args, withEnv);
      assert.equal(outcome.code, code, outcome.stderr);
      assert.match(outcome.stderr, message);
    }
  });

  test('who may not read is told which right is missing', async () => {
    const nobody = await plane.serviceAccount('default', 'default');
    const { code, stderr } = await runCli(['top'], { KUBECONFIG: await plane.writeKubeconfig('nobody', nobody) });
    assert.equal(code, 78, stderr);
    assert.match(
      stderr,
      /cannot list resource "syntheticdatasets".*\(403 Forbidden\), from the cluster at 127\.0\.0\.1:\d+; ask for the right to get and list/,
    );
  });

  test('a cluster that does not know the kind, or is gone, says so', async (t) => {
    const bare = await startControlPlane();
    t.after(() => bare.stop());
    const unknown = await runCli(['top'], { KUBECONFIG: bare.kubeconfig });
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /does not know SyntheticDataset: install CohortFarm there/);
    const refused = await runCli(['status', 'small'], { KUBECONFIG: bare.kubeconfig });
    assert.match(refused.stderr, /does not know SyntheticDataset/);
    await bare.apiServer.kill();
    const gone = await runCli(['top'], { KUBECONFIG: bare.kubeconfig });
    assert.equal(gone.code, 75);
    assert.match(
      gone.stderr,
      /cannot list SyntheticDataset default: connect ECONNREFUSED .*from the cluster at 127\.0\.0\.1:\d+/,
    );
    assert.doesNotMatch(gone.stderr + gone.stdout, new RegExp(bare.token));
  });
});
