import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { missingForPods } from '../available.ts';
import { type Launch, launch } from './launch.ts';

const skip = await missingForPods();

describe('a launched container', { skip }, () => {
  const options = (folder: string, script: string): Launch => ({
    command: ['sh', '-c', script],
    env: { PATH: '/usr/bin:/bin' },
    workingDir: '/somewhere/new',
    root: folder,
    mounts: [],
    readOnlyRoot: false,
    user: 65532,
    group: 65532,
    log: `${folder}.log`,
  });
  const folderOf = () => mkdtemp(join(tmpdir(), 'cohortfarm-launch-'));

  it('sees its own processes, user and place, and nothing of this machine', async () => {
    const folder = await folderOf();
    const script = `id -u; id -g; pwd; echo $$; ls -d ${folder} /root/* 2>/dev/null; env`;
    const { end } = await launch(options(folder, script));
    assert.deepEqual(await end, { exitCode: 0 });
    const log = await readFile(`${folder}.log`, 'utf8');
    assert.equal(log, '65532\n65532\n/somewhere/new\n1\nPATH=/usr/bin:/bin\nPWD=/somewhere/new\n');
    await rm(folder, { recursive: true });
  });

  it('says why it does not start', async () => {
    const folder = await folderOf();
    const mounts = [{ source: '/no/such', target: '/x', readOnly: true }];
    await assert.rejects(launch({ ...options(folder, 'true'), mounts }), /\/no\/such/);
  });

  it('ends with all its processes when the test run is killed', async () => {
    const folder = await folderOf();
    const mark = `${Date.now() % 1e6}.5`;
    const program = `
      const { launch } = await import(${JSON.stringify(new URL('./launch.ts', import.meta.url).href)});
      await launch(${JSON.stringify(options(folder, `sleep 9${mark} & sleep 8${mark}`))});
      process.stdout.write('started');
      setInterval(() => undefined, 1000);`;
    const run = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(run.stdout, 'data');
    await until(async () => (await processesWith(mark)) >= 2);
    run.kill('SIGKILL');
    await until(async () => (await processesWith(mark)) === 0);
    await rm(folder, { recursive: true });
  });
});

/** The number of processes of this machine with a word in their command. */
async function processesWith(word: string): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return commands.filter((command) => command.startsWith('sleep') && command.includes(word)).length;
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 5000; !(await isTrue()); await sleep(20)) {
    assert.ok(Date.now() < deadline, `not so after 5 seconds: ${isTrue}`);
  }
}
