import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '../../platform/store/store.ts';
import { startS3Server } from './s3.ts';
import { goTool, missingForServers } from './tools.ts';

const skip = await missingForServers();

describe('a server started for tests', { skip }, () => {
  it('does not outlive a test run that was killed, nor does its folder outlive the next start', async () => {
    const program = `
      const { startS3Server } = await import(${JSON.stringify(new URL('./s3.ts', import.meta.url).href)});
      const server = await startS3Server();
      process.stdout.write(server.endpoint);
      setInterval(() => undefined, 1000);`;
    const run = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [endpoint] = await once(run.stdout, 'data');
    assert.equal((await fetch(String(endpoint))).status, 403);
    run.kill('SIGKILL');
    await once(run, 'exit');
    await eventually(() =>
      fetch(String(endpoint)).then(
        () => false,
        () => true,
      ),
    );
    assert.equal((await foldersOf(run.pid!)).length, 1);
    const next = await startS3Server();
    assert.deepEqual(await foldersOf(run.pid!), []);
    assert.equal((await foldersOf(process.pid)).length, 1);
    await next.stop();
    await next.stop();
    assert.deepEqual(await foldersOf(process.pid), []);
  });

  it('is reachable by its environment variables alone', async () => {
    const server = await startS3Server();
    await server.createBucket('cohorts');
    const program = `
      const { openStore } = await import(${JSON.stringify(new URL('../../platform/store/store.ts', import.meta.url).href)});
      const outcome = await openStore('s3://cohorts/a').create('key', Buffer.from('x'), { contentType: 'text/plain' });
      process.stdout.write(outcome);`;
    const env = { PATH: process.env.PATH, ...server.env };
    const run = spawn(process.execPath, ['--input-type=module', '-e', program], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    assert.equal(String((await once(run.stdout, 'data'))[0]), 'created');
    await server.stop();
  });

  it('comes back after a kill with its address and its data', async () => {
    const server = await startS3Server();
    await server.createBucket('cohorts');
    const store = openStore('s3://cohorts/a', server.options);
    await store.create('key', Buffer.from('x'), { contentType: 'text/plain' });
    await server.kill();
    await server.restart();
    assert.deepEqual(await store.get('key'), new Uint8Array(Buffer.from('x')));
    await server.stop();
  });
});

describe('a tool that tests build', { skip }, () => {
  const tool = { module: 's3', versionOf: 'github.com/versity/versitygw', package: 'unicode/utf8', name: 'sample' };

  it('is built once and whole when several ask at the same time', async () => {
    const cache = await mkdtemp(join(tmpdir(), 'cohortfarm-tools-'));
    const env = { ...process.env, COHORTFARM_CACHE: cache };
    // Any small package shows it: what is built is an archive, not a program.
    const paths = await Promise.all([1, 2, 3].map(() => goTool(tool, env)));
    assert.equal(new Set(paths).size, 1);
    assert.match(paths[0]!, /bin\/sample-v\d+\.\d+\.\d+$/);
    const { mtimeMs } = await stat(paths[0]!);
    await goTool(tool, env);
    assert.equal((await stat(paths[0]!)).mtimeMs, mtimeMs);
    assert.deepEqual(
      (await readdir(join(cache, 'bin'))).filter((name) => name.endsWith('.unfinished')),
      [],
    );
    await rm(cache, { recursive: true });
  });

  it('that does not build says why and leaves nothing in its place', async () => {
    const cache = await mkdtemp(join(tmpdir(), 'cohortfarm-tools-'));
    const broken = goTool({ ...tool, package: 'no/such/package' }, { ...process.env, COHORTFARM_CACHE: cache });
    await assert.rejects(broken, /cannot build sample .*no\/such\/package/s);
    const built = await readdir(join(cache, 'bin'));
    assert.deepEqual(
      built.filter((name) => !name.endsWith('.lock')),
      [],
    );
    await rm(cache, { recursive: true });
  });

  it('is taken from the environment where that names one', async () => {
    const named = { ...process.env, COHORTFARM_TEST_SAMPLE: process.execPath };
    assert.equal(await goTool(tool, named), process.execPath);
    await assert.rejects(
      goTool(tool, { ...named, COHORTFARM_TEST_SAMPLE: '/no/such' }),
      /COHORTFARM_TEST_SAMPLE is "\/no/,
    );
    const folder = { ...process.env, KUBEBUILDER_ASSETS: dirname(process.execPath) };
    assert.equal(await goTool({ ...tool, name: basename(process.execPath) }, folder), process.execPath);
  });

  it('names what is missing: a reason to skip, and a failure in CI', async () => {
    const line = await missingForServers({ PATH: '/nowhere' });
    assert.match(String(line), /^these tests start real servers and need "go" on the PATH: install Go/);
    await assert.rejects(missingForServers({ PATH: '/nowhere', CI: 'true' }), /need "go"/);
  });
});

async function foldersOf(pid: number): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith('cohortfarm-server-') && name.includes(`-${pid}-`));
}

async function eventually(isTrue: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 5000; Date.now() < deadline; await sleep(20)) if (await isTrue()) return;
  assert.fail('did not happen within 5 seconds');
}
