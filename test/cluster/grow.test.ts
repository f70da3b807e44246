import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openStore } from '../../platform/store/store.ts';
import { missingForPods } from '../../testbed/available.ts';
import { until } from '../../testbed/replica.ts';
import {
  isReady,
  isReason,
  NAMESPACE,
  type Rig,
  rigDataset,
  startRig,
  statusOf,
  waitForReady,
} from '../../testbed/rig.ts';
import { runCli } from '../support/cli.ts';

/** A user grows a dataset on a cluster, and sees what is wrong when something is. */

describe('a dataset on a cluster', { skip: await missingForPods() }, () => {
  let rig: Rig;
  before(async () => {
    rig = await startRig();
  });
  after(() => rig?.stop());

  const patch = (name: string, spec: object) =>
    rig.plane.kubectl('patch', 'sds', name, '--type=merge', '-p', JSON.stringify({ spec }));
  const messageOf = async (name: string) =>
    (await statusOf(rig, name)).conditions?.find(({ type }) => type === 'Ready')?.message ?? '';
  const committedOnce = (name: string) =>
    until(
      `a shard of ${name} is committed`,
      async () => ((await statusOf(rig, name)).shards?.committed ?? 0) > 0,
      60_000,
    );

  test('is applied, waited for, and verifies', async () => {
    await rig.plane.apply(await rigDataset(rig, 'first'));
    await rig.plane.kubectl('wait', '--for=condition=Ready', 'sds/first', '--timeout=90s');
    const { code, stdout, stderr } = await runCli(['verify', 's3://cohorts/first'], rig.s3.env);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Verified: 48 images in 8 shards/);
    const status = await statusOf(rig, 'first');
    assert.deepEqual([status.samples?.accepted, status.percent, status.shards], [48, 100, { committed: 8, total: 8 }]);
    assert.equal(status.manifest?.uri, 's3://cohorts/first/dataset.json');
    assert.deepEqual(
      status.conditions?.map(({ type, status }) => `${type} ${status}`),
      [
        'Ready True',
        'Reconciling False',
        'Stalled False',
        'Accepted True',
        'Generated True',
        'Published True',
        'Trained True',
      ],
    );
    const events = await rig.plane.kubectl('get', 'events', '--field-selector=involvedObject.kind=SyntheticDataset');
    for (const reason of ['JobApplied', 'Planned', 'QueueFilled', 'Generated', 'Complete'])
      assert.match(events, new RegExp(reason));
  });

  test('cannot change what decides its images', async () => {
    await assert.rejects(patch('first', { seed: 43 }), /decides the images and cannot change; create another dataset/);
  });

  test('is suspended and resumed, and scaled while it runs', async () => {
    await rig.plane.apply(
      await rigDataset(rig, 'paused', ({ spec }) => {
        spec.workers.replicas = 1;
      }),
    );
    await committedOnce('paused');
    await patch('paused', { suspend: true });
    await waitForReady(rig, 'paused', isReason('Suspended'));
    await until(
      'its pods are gone',
      async () => !rig.kubelet.running().some((pod) => pod.startsWith('paused-')),
      60_000,
    );
    const { committed } = (await statusOf(rig, 'paused')).shards!;
    assert.ok(committed < 8, 'it was suspended before its end');
    await patch('paused', { suspend: false });
    await rig.plane.kubectl('scale', 'sds/paused', '--replicas=2');
    const path = `/apis/cohortfarm.dev/v1alpha1/namespaces/${NAMESPACE}/syntheticdatasets/paused/scale`;
    const wanted = await until('its pods are counted and can be selected', async () => {
      const { spec, status } = JSON.parse(await rig.plane.kubectl('get', '--raw', path));
      const pods = await rig.plane.kubectl('get', 'pods', '-l', status.selector, '-o', 'name');
      return status.replicas > 0 && pods.includes('pod/paused-workers-') && spec.replicas;
    });
    assert.equal(wanted, 2);
    const { samples } = await waitForReady(rig, 'paused', isReady);
    assert.equal(samples?.accepted, 48);
    assert.equal((await runCli(['verify', 's3://cohorts/paused'], rig.s3.env)).code, 0);
  });

  test('stops at its deadline and loses nothing, and resumes when that is raised', async () => {
    await rig.plane.apply(
      await rigDataset(rig, 'limited', ({ spec }) => {
        spec.workers.replicas = 1;
      }),
    );
    await committedOnce('limited');
    await patch('limited', { workers: { limits: { activeDeadlineSeconds: 1 } } });
    const { usage } = await waitForReady(rig, 'limited', isReason('DeadlineExceeded'), 60_000);
    assert.ok(usage!.activeSeconds >= 1, `${usage!.activeSeconds} seconds`);
    await until('no pod runs', async () => !rig.kubelet.running().some((pod) => pod.startsWith('limited-')), 60_000);
    await patch('limited', { workers: { limits: null } });
    assert.equal((await waitForReady(rig, 'limited', isReady)).usage?.rounds, 2);
    assert.equal((await runCli(['verify', 's3://cohorts/limited'], rig.s3.env)).code, 0);
  });

  test('whose bucket is missing says so, and goes on once it is there', async () => {
    await rig.plane.apply(
      await rigDataset(rig, 'no-bucket', ({ spec }) => {
        spec.output.uri = 's3://not-there/x';
        spec.quota.samples = 32;
      }),
    );
    await waitForReady(rig, 'no-bucket', isReason('BucketNotFound'), 60_000);
    assert.match(await messageOf('no-bucket'), /not-there.*create it/);
    await rig.s3.createBucket('not-there');
    await waitForReady(rig, 'no-bucket', isReady);
  });

  test('whose credentials are missing or wrong says so, and goes on once they are right', async () => {
    const secret = (value: string) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'late', namespace: NAMESPACE },
      stringData: { AWS_ACCESS_KEY_ID: rig.s3.accessKey, AWS_SECRET_ACCESS_KEY: value },
    });
    await rig.plane.apply(
      await rigDataset(rig, 'keys', ({ spec }) => {
        spec.output.s3 = { ...spec.output.s3, credentialsSecretRef: { name: 'late' } };
        spec.quota.samples = 32;
      }),
    );
    await waitForReady(rig, 'keys', isReason('CredentialsMissing'), 60_000);
    await rig.plane.apply(secret('wrong-secret-key'));
    await waitForReady(rig, 'keys', isReason('CredentialsRejected'), 60_000);
    assert.ok(!(await messageOf('keys')).includes('wrong-secret-key'));
    await rig.plane.apply(secret(rig.s3.secretKey));
    await waitForReady(rig, 'keys', isReady);
  });

  test('whose image cannot be pulled, or that no node can take, says so and heals', async () => {
    rig.kubelet.failPulls('broken/', true);
    await rig.plane.apply(
      await rigDataset(rig, 'pull', ({ spec }) => {
        spec.workers = { ...spec.workers, image: 'broken/worker:1' };
        spec.quota.samples = 32;
      }),
    );
    await rig.plane.apply(
      await rigDataset(rig, 'greedy', ({ spec }) => {
        spec.workers = { ...spec.workers, gpus: 64 };
        // No GPU is behind those of the node.
        spec.model.executionProvider = 'cpu';
        spec.quota.samples = 32;
      }),
    );
    await waitForReady(rig, 'pull', isReason('ImagePullFailed'), 60_000);
    await waitForReady(rig, 'greedy', isReason('Unschedulable'), 60_000);
    assert.match(await messageOf('greedy'), /Insufficient nvidia\.com\/gpu/);
    rig.kubelet.failPulls('broken/', false);
    await patch('greedy', { workers: { gpus: 1 } });
    await waitForReady(rig, 'pull', isReady);
    await waitForReady(rig, 'greedy', isReady);
  });

  test('whose model is missing or whose quota cannot be met is not accepted', async () => {
    await rig.plane.apply(
      await rigDataset(rig, 'no-model', ({ spec }) => {
        spec.model.uri = `s3://cohorts/no-such-model`;
      }),
    );
    await rig.plane.apply(
      await rigDataset(rig, 'too-few', ({ spec }) => {
        spec.quota.minPerCell = 1000;
      }),
    );
    await waitForReady(rig, 'no-model', isReason('ModelNotFound'), 60_000);
    const status = await waitForReady(rig, 'too-few', isReason('SpecInvalid'), 60_000);
    assert.equal(status.conditions?.find(({ type }) => type === 'Accepted')?.status, 'False');
    assert.match(
      await messageOf('too-few'),
      /spec\.quota\.minPerCell: 1000 for each of 32 cells is 32000, more than samples \(48\)/,
    );
    await rig.plane.kubectl('delete', 'sds', 'no-model', 'too-few', '--timeout=60s');
  });

  test('says that NATS is away, and goes on when it is back', async () => {
    await rig.nats.kill();
    await rig.plane.apply(
      await rigDataset(rig, 'no-queue', ({ spec }) => {
        spec.quota.samples = 32;
      }),
    );
    await waitForReady(rig, 'no-queue', isReason('QueueUnavailable'), 60_000);
    await rig.nats.restart();
    await waitForReady(rig, 'no-queue', isReady);
  });

  test('is deleted with its objects where the policy says so, and without them where it does not', async () => {
    await patch('no-queue', { deletionPolicy: 'Delete' });
    await rig.plane.kubectl('delete', 'sds', 'no-queue', 'first', '--timeout=90s');
    const keys = async (name: string) => Array.fromAsync(openStore(`s3://cohorts/${name}`, rig.s3.options).list(''));
    assert.equal((await keys('no-queue')).length, 0);
    assert.ok((await keys('first')).length > 10);
    assert.equal(await rig.plane.kubectl('get', 'jobs', '-l', 'cohortfarm.dev/dataset=first', '-o', 'name'), '');
  });

  test('A1: is not emptied by the deletion of its twin in another namespace', async () => {
    await rig.plane.kubectl('create', 'namespace', 'staging');
    const secret = JSON.parse(await rig.plane.kubectl('get', 'secret', 'bucket', '-o', 'json'));
    await rig.plane.apply({ ...secret, metadata: { name: 'bucket', namespace: 'staging' } });
    const twin = await rigDataset(rig, 'twin', ({ spec }) => {
      spec.deletionPolicy = 'Delete';
    });
    await rig.plane.apply(twin);
    await waitForReady(rig, 'twin', isReady);
    await rig.plane.apply({ ...twin, metadata: { ...twin.metadata, namespace: 'staging' } });
    const ofTwin = ['--namespace', 'staging', 'sds', 'twin'] as const;
    const message = await until(
      'the twin is refused',
      async () => {
        const { status } = JSON.parse(await rig.plane.kubectl('get', ...ofTwin, '-o', 'json'));
        const ready = status?.conditions?.find(({ type }: { type: string }) => type === 'Ready');
        return ready?.reason === 'OutputTaken' && ready.message;
      },
      90_000,
    );
    assert.match(message, /belongs to SyntheticDataset default\/twin \([0-9a-f-]{36}\), which makes the same plan/);
    await rig.plane.kubectl('delete', ...ofTwin, '--timeout=90s');
    const { code, stdout, stderr } = await runCli(['verify', 's3://cohorts/twin'], rig.s3.env);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Verified: 48 images/);
  });

  test('A27: is deleted with its objects in the foreground, too, where the cluster deletes the Jobs of a dataset first', async () => {
    await rig.plane.kubectl('delete', 'sds', 'twin', '--cascade=foreground', '--timeout=90s');
    const left = await Array.fromAsync(openStore('s3://cohorts/twin', rig.s3.options).list(''));
    assert.deepEqual(left, []);
  });

  test('leaves no secret in logs, events or status', async () => {
    const texts = [
      await rig.plane.kubectl('get', 'sds,events,jobs,pods,configmaps', '-A', '-o', 'yaml'),
      ...rig.operators.map((operator) => JSON.stringify(operator.log())),
    ];
    for (const text of texts) assert.ok(!text.includes(rig.s3.secretKey));
  });
});
