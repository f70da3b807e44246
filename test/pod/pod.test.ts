import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ENV } from '../../contract/cluster.ts';
import { sha256 } from '../../contract/digest.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { type NatsServer, startNats } from '../../testbed/servers/nats.ts';
import { type S3Server, startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { eventually, shardsIn } from '../queue/support.ts';
import { runCli } from '../support/cli.ts';
import { shardDigests } from '../support/demo.ts';
import { runPod, type SmallOperator, startOperator, startPod, writeResource } from './support.ts';

/** The pods of a dataset as processes, with a real queue and a real store. */

type Spec = SyntheticDataset['spec'];

const ACK_WAIT_MS = 3000;

describe('the pods of a dataset', { skip: await missingForServers() }, () => {
  let dir: string;
  let nats: NatsServer;
  let s3: S3Server;
  let operator: SmallOperator;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cohortfarm-pod-'));
    [nats, s3] = await Promise.all([startNats(), startS3Server()]);
    await s3.createBucket('cohorts');
    operator = startOperator(nats.url, ACK_WAIT_MS);
    await eventually('connected', () => operator.admin.connected);
  });

  after(async () => {
    await operator.stop();
    await Promise.all([nats.stop(), s3.stop()]);
    await rm(dir, { recursive: true, force: true });
  });

  const envOf = (file: string, uid: string): NodeJS.ProcessEnv => ({
    ...s3.env,
    [ENV.natsUrl]: nats.url,
    [ENV.datasetFile]: file,
    [ENV.datasetUid]: uid,
    [ENV.cache]: join(dir, 'cache'),
  });

  const keysOf = async (store: ObjectStore): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of store.list('')) keys.push(key);
    return keys;
  };

  test('grow it with one of them killed, publish it, and remove it again', async () => {
    const uid = randomUUID();
    const file = await writeResource(dir, 'grown', (spec) => {
      spec.output.uri = 's3://cohorts/grown';
    });
    const env = envOf(file, uid);
    const store = openStore('s3://cohorts/grown', s3.options);
    await operator.admin.ensureStreams(uid);

    const workers = [startPod('work', dir, env), startPod('work', dir, env)];
    const begun = () => workers.find((worker) => worker.lines().some(({ msg }) => msg === 'shard begun'));
    await eventually('a shard begun', () => begun() !== undefined);
    // On a busy machine either of them may be the first, and take all shards.
    const victim = begun()!;
    const other = workers.find((worker) => worker !== victim)!;
    const early = await runPod('publish', dir, env);
    assert.deepEqual([early.code, early.outcome?.reason], [75, 'ShardsMissing'], early.log);
    assert.match(early.outcome!.message, /of 4 shards of s3:\/\/cohorts\/grown are not committed yet/);
    victim.process.kill('SIGKILL');
    assert.equal((await other.end).code, 0, (await other.end).log);
    const next = await runPod('work', dir, env);
    assert.deepEqual([next.code, next.outcome?.reason], [0, 'Generating'], next.log);
    assert.equal((await operator.admin.state(uid))!.messages, 0);
    await eventually('all told', () => shardsIn(operator.events, uid).length === 4);
    const live = operator.events.filter((event) => event.uid === uid && event.kind === 'live');
    assert.ok(live.length > 0, 'running work is reported');

    const published = await runPod('publish', dir, env);
    assert.deepEqual([published.code, published.outcome?.reason], [0, 'Published'], published.log);
    const { manifest, samples } = published.outcome!.published!;
    assert.equal(manifest.uri, 's3://cohorts/grown/dataset.json');
    assert.equal(manifest.sha256, sha256((await store.get('dataset.json'))!));
    assert.deepEqual([samples.wanted, samples.accepted], [48, 48]);
    const verified = await runCli(['verify', 's3://cohorts/grown'], s3.env);
    assert.equal(verified.code, 0, verified.stderr);

    const quiet = join(dir, 'quiet');
    assert.equal((await runCli(['run', '-f', file, '-o', quiet, '--workers', '1'])).code, 0);
    for (const [name, digest] of Object.entries(await shardDigests(quiet))) {
      assert.equal(sha256((await store.get(`shards/${name}`))!), digest, `${name} is as in a quiet run`);
    }

    await store.create('mine.txt', Buffer.from('x'), { contentType: 'text/plain' });
    const elses = await runPod('cleanup', dir, { ...env, [ENV.planDigest]: 'b'.repeat(64) });
    assert.match(elses.outcome!.message, /belongs to dataset "grown" of plan [0-9a-f]{12}; nothing was removed/);
    const { planDigest } = JSON.parse(Buffer.from((await store.get('dataset.json'))!).toString());
    const deleted = { ...env, [ENV.planDigest]: planDigest };
    const removed = await runPod('cleanup', dir, deleted);
    assert.deepEqual([removed.code, removed.outcome?.reason], [0, 'Deleting'], removed.log);
    assert.deepEqual(await keysOf(store), ['mine.txt'], 'what others put there stays');
    const again = await runPod('cleanup', dir, deleted);
    assert.match(again.outcome!.message, /nothing of CohortFarm is in s3:\/\/cohorts\/grown/);
    for (const { log } of [await other.end, published, removed]) {
      assert.ok(!log.includes(s3.secretKey));
      assert.match(log, new RegExp(`"uid":"${uid}"`));
    }
  });

  test('stop after the current part when asked to, and the next resumes from there', async () => {
    const uid = randomUUID();
    const file = await writeResource(dir, 'stopped', (spec) => {
      spec.output.uri = 's3://cohorts/stopped';
      spec.output.shard.samples = 48;
    });
    const env = envOf(file, uid);
    const store = openStore('s3://cohorts/stopped', s3.options);
    await operator.admin.ensureStreams(uid);
    const pod = startPod('work', dir, env);
    await eventually('a part', async () => (await keysOf(store)).some((key) => key.endsWith('.tar')));
    pod.process.kill('SIGTERM');
    const { code, outcome, log } = await pod.end;
    assert.deepEqual([code, outcome?.reason], [75, 'Retrying'], log);
    const state = (await operator.admin.state(uid))!;
    assert.deepEqual([state.messages, state.parked], [1, 0]);
    const next = startPod('work', dir, env);
    assert.equal((await next.end).code, 0, (await next.end).log);
    assert.ok(next.lines().some(({ msg }) => msg === 'stored parts are used'));
    assert.equal((await operator.admin.state(uid))!.messages, 0);
  });

  test('never touch an output that belongs to another dataset, and tell nothing of their plan', async () => {
    const [one, two] = [randomUUID(), randomUUID()];
    const output = (spec: Spec, seed: number): void => {
      spec.output.uri = 's3://cohorts/shared';
      spec.seed = seed;
      spec.quality.gates = [];
      spec.model.sampling.steps = 2;
    };
    const first = envOf(await writeResource(dir, 'first', (spec) => output(spec, 1)), one);
    const second = envOf(await writeResource(dir, 'second', (spec) => output(spec, 2)), two);
    await Promise.all([operator.admin.ensureStreams(one), operator.admin.ensureStreams(two)]);
    assert.equal((await runPod('work', dir, first)).code, 0);
    const keys = await keysOf(openStore('s3://cohorts/shared', s3.options));
    const refused = await runPod('work', dir, second);
    assert.deepEqual([refused.code, refused.outcome?.reason], [78, 'OutputTaken'], refused.log);
    assert.ok(!operator.events.some((event) => event.uid === two));
    const left = await runPod('cleanup', dir, { ...second, [ENV.planDigest]: 'b'.repeat(64) });
    assert.equal(left.code, 0);
    assert.match(left.outcome!.message, /belongs to dataset "first" of plan [0-9a-f]{12}; nothing was removed/);
    assert.deepEqual(await keysOf(openStore('s3://cohorts/shared', s3.options)), keys);
  });

  const outputAt = (uri: string) => (spec: Spec) => {
    spec.output.uri = uri;
  };
  const modelAt = (uri: string) => (spec: Spec) => {
    spec.model.uri = uri;
  };
  const serverAt = (endpoint: string) => (spec: Spec) => {
    spec.output.s3 = { endpoint };
  };

  const FAULTS: readonly [
    name: string,
    change: { spec?: (spec: Spec) => void; env?: NodeJS.ProcessEnv },
    code: number,
    reason: string,
    says: RegExp,
  ][] = [
    [
      'a bucket that is not there',
      { spec: outputAt('s3://no-such-bucket/a') },
      78,
      'BucketNotFound',
      /no-such-bucket.*create it/,
    ],
    ['a wrong key', { env: { AWS_SECRET_ACCESS_KEY: 'wrongwrongwrong' } }, 78, 'CredentialsRejected', /secret key/],
    [
      'a model that is not there',
      { spec: modelAt('s3://cohorts/no-model') },
      2,
      'ModelNotFound',
      /^spec\.model\.uri: s3:\/\/cohorts\/no-model holds no model files/,
    ],
    [
      'a resource that is not mounted',
      { env: { [ENV.datasetFile]: '/nowhere/a.json' } },
      2,
      'ConfigMissing',
      /nowhere/,
    ],
    [
      'a store that is away',
      { spec: serverAt('http://127.0.0.1:1') },
      75,
      'StoreUnavailable',
      /at http:\/\/127\.0\.0\.1:1: nothing listens/,
    ],
    [
      'a queue that refuses the URL',
      { env: { [ENV.natsUrl]: 'http://nats' } },
      78,
      'QueueUnavailable',
      /nats:\/\/host:4222/,
    ],
  ];
  for (const [name, change, code, reason, says] of FAULTS) {
    test(`say what is wrong: ${name}`, async () => {
      const file = await writeResource(dir, 'faulty', (spec) => {
        spec.output.uri = 's3://cohorts/faulty';
        change.spec?.(spec);
      });
      const end = await runPod('work', dir, { ...envOf(file, randomUUID()), ...change.env });
      assert.deepEqual([end.code, end.outcome?.reason], [code, reason], end.log);
      assert.match(end.outcome!.message, says);
    });
  }

  test('clean up nothing where there is no bucket', async () => {
    const file = await writeResource(dir, 'nowhere', (spec) => {
      spec.output.uri = 's3://no-such-bucket/a';
    });
    const end = await runPod('cleanup', dir, { ...envOf(file, randomUUID()), [ENV.planDigest]: 'b'.repeat(64) });
    assert.deepEqual([end.code, end.outcome?.reason], [0, 'Deleting'], end.log);
  });
});
