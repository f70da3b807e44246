import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sha256 } from '../../contract/digest.ts';
import { isModelFile } from '../../contract/folder.ts';
import { openStore } from '../../platform/store/store.ts';
import { type S3Server, startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { type Outcome, REPO, runCli } from '../support/cli.ts';
import { shardDigests, writeSmallDemo } from '../support/demo.ts';

/** The whole path with the model and the dataset in a real S3. */

describe('a cohort grown into S3', { skip: await missingForServers() }, () => {
  let server: S3Server;
  let dir: string;
  let file: string;
  let env: NodeJS.ProcessEnv;
  let grown: Outcome;

  const run = (args: readonly string[]) => runCli(args, env);

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cohortfarm-s3-'));
    server = await startS3Server();
    env = { ...server.env, COHORTFARM_CACHE: join(dir, 'cache') };
    await server.createBucket('models');
    await server.createBucket('cohorts');
    const models = openStore('s3://models/phantom', server.options);
    const source = join(REPO, 'models/phantom');
    for (const path of (await readdir(source, { recursive: true })).filter(isModelFile)) {
      await models.create(path, await readFile(join(source, path)), { contentType: 'application/octet-stream' });
    }
    file = await writeSmallDemo(dir, (spec) => {
      spec.model.uri = 's3://models/phantom';
    });
    grown = await run(['run', '-f', file, '-o', 's3://cohorts/demo', '--workers', '2', '--verify']);
  });

  after(async () => {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  });

  test('it is published and verifies', () => {
    assert.equal(grown.code, 0, grown.stderr);
    assert.match(grown.stdout, /Verified: 48 images in 4 shards/);
  });

  test('its shards are those of a local run', async () => {
    const output = join(dir, 'local');
    assert.equal((await run(['run', '-f', file, '-o', output, '--workers', '2'])).code, 0);
    const store = openStore('s3://cohorts/demo', server.options);
    const remote: Record<string, string> = {};
    for await (const { key } of store.list('shards/'))
      remote[key.slice('shards/'.length)] = sha256((await store.get(key))!);
    assert.deepEqual(remote, await shardDigests(output));
  });

  test('a run into a complete dataset does nothing and says what is there', async () => {
    const again = await run(['run', '-f', file, '-o', 's3://cohorts/demo', '--json']);
    assert.equal(again.code, 0, again.stderr);
    assert.equal(JSON.parse(again.stdout).accepted, 48);
  });

  test('nothing printed or published holds the secret key', async () => {
    const store = openStore('s3://cohorts/demo', server.options);
    const texts = [grown.stdout, grown.stderr];
    for await (const { key } of store.list('')) texts.push(Buffer.from((await store.get(key))!).toString('latin1'));
    for (const text of texts) assert.ok(!text.includes(server.secretKey));
  });

  test('a missing bucket and a wrong key are told apart, with exit code 78', async () => {
    const missing = await run(['run', '-f', file, '-o', 's3://no-such-bucket/demo']);
    assert.equal(missing.code, 78, missing.stderr);
    assert.match(missing.stderr, /no-such-bucket/);
    const wrong = await runCli(['run', '-f', file, '-o', 's3://cohorts/other'], {
      ...env,
      AWS_SECRET_ACCESS_KEY: 'wrong',
    });
    assert.equal(wrong.code, 78, wrong.stderr);
    assert.notEqual(wrong.stderr, missing.stderr);
    assert.ok(!wrong.stderr.includes(server.secretKey));
  });

  test('a model that is not the pinned one is refused', async () => {
    const pinned = await writeSmallDemo(dir, (spec) => {
      spec.model.uri = 's3://models/phantom';
      spec.model.sha256 = '0'.repeat(64);
    });
    const { code, stderr } = await run(['run', '-f', pinned, '-o', 's3://cohorts/pinned']);
    assert.equal(code, 2, stderr);
    assert.match(
      stderr,
      /spec\.model\.uri: the digest of s3:\/\/models\/phantom is [0-9a-f]{64}, not 0{64} as sha256 demands/,
    );
  });
});
