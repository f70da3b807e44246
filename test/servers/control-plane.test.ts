import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startControlPlane } from './control-plane.ts';
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

/** Whether anything answers: a certificate that nobody vouches for is an answer, too. */
const isServed = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => true,
    (error: Error) => (error.cause as NodeJS.ErrnoException).code !== 'ECONNREFUSED',
  );
