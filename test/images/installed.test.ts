import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { REPO, runCli } from '../support/cli.ts';
import { installApp } from './context.ts';

const run = promisify(execFile);

/** The user of the images, where the tests may become another one. */
const AS_NOBODY =
  process.getuid?.() === 0 ? ['setpriv', '--reuid=65532', '--regid=65532', '--clear-groups', '--no-new-privs'] : [];

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('what the image holds, in a folder of its own with production dependencies alone', () => {
  let app: string;
  let home: string;
  /** Runs `node FILE ARGS` there, as the image's user, who can write to its home only. */
  const start = async (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> => {
    const [command, ...rest] = [...AS_NOBODY, process.execPath, ...args] as [string, ...string[]];
    const child = spawn(command, rest, { cwd: home, env: { PATH: process.env.PATH, HOME: home, ...env } });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) child[stream].on('data', (text) => (said[stream] += text));
    const [code] = await once(child, 'close');
    return { code, ...said };
  };
  const cli = (...args: string[]) => start([join(app, 'cli/main.ts'), ...args]);

  before(async () => {
    app = await mkdtemp(join(tmpdir(), 'cohortfarm-image-'));
    home = await mkdtemp(join(tmpdir(), 'cohortfarm-home-'));
    await chmod(app, 0o755);
    await chmod(home, 0o777);
    await installApp(app);
  });
  after(async () => {
    for (const folder of [app, home]) await rm(folder, { recursive: true, force: true });
  });

  it('has no development packages, no tests, and a list of what it has', async () => {
    const { stdout } = await run('find', ['.', '-name', '*.test.ts', '-not', '-path', './node_modules/*'], {
      cwd: app,
    });
    assert.equal(stdout, '');
    await assert.rejects(readFile(join(app, 'node_modules/typescript/package.json')), /ENOENT/);
    const { packages } = JSON.parse(await readFile(join(app, 'sbom.spdx.json'), 'utf8'));
    const names = packages.map(({ name }: { name: string }) => name);
    assert.ok(names.includes('onnxruntime-node') && names.includes('@kubernetes/client-node'));
    assert.equal(names.includes('typescript'), false);
  });

  it('starts the operator, which says what it is not configured with', async () => {
    const { code, stderr } = await start([join(app, 'operator/main.ts')]);
    assert.equal(code, 2);
    assert.match(stderr, /^COHORTFARM_NATS_URL: is required$/m);
    assert.match(stderr, /^COHORTFARM_WORKER_IMAGE: is required$/m);
  });

  it('starts the pod program, which says the same in its outcome', async () => {
    const outcome = join(home, 'outcome.json');
    const { code } = await start([join(app, 'worker/pod/main.ts'), 'work'], { COHORTFARM_OUTCOME_FILE: outcome });
    assert.notEqual(code, 0);
    assert.equal(JSON.parse(await readFile(outcome, 'utf8')).reason, 'ConfigMissing');
  });

  it('grows and verifies a dataset with the embedded model, of the same plan as here', async () => {
    const example = (await readFile(join(REPO, 'examples/first.yaml'), 'utf8')).replace('samples: 24', 'samples: 8');
    const file = join(home, 'first.yaml');
    await writeFile(file, example);
    const planned = JSON.parse((await cli('plan', '-f', file, '--json')).stdout);
    const here = JSON.parse((await runCli(['plan', '-f', file, '--json'])).stdout);
    assert.equal(planned.planDigest, here.planDigest);
    const grown = await cli('run', '-f', file, '--output', join(home, 'out'), '--workers', '1', '--verify');
    assert.equal(grown.code, 0, grown.stderr);
    assert.match(grown.stdout, /8 of 8 images/);
  });

  it('answers --help for every command', async () => {
    const { stdout } = await cli('--help');
    const commands = [...stdout.matchAll(/^ {2}([a-z]+)[ [<]/gm)].map((match) => match[1]!);
    for (const command of ['plan', 'run', 'verify', 'replay', 'report', 'browse'])
      assert.ok(commands.includes(command));
    for (const command of commands) assert.equal((await cli(command, '--help')).code, 0, command);
  });
});
