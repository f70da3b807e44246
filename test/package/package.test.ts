import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { REPO, runCli } from '../support/cli.ts';

/** The npm package, installed away from the repository and run by the Nodes that it is for. */

const run = promisify(execFile);

/** The oldest line of Node that `engines` admits, and one that it does not, as npm packages of the binary. */
const OLDER = `node-${process.platform}-${process.arch}`;

async function npm(cwd: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('npm', [...args, '--no-audit', '--no-fund', '--prefer-offline'], {
    cwd,
    maxBuffer: 2 ** 26,
  });
  return stdout;
}

async function nodeOfLine(folder: string, line: number): Promise<string> {
  const prefix = join(folder, `node-${line}`);
  await npm(folder, 'install', '--prefix', prefix, `${OLDER}@${line}`);
  return join(prefix, 'node_modules', OLDER, 'bin/node');
}

async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map((file) => stat(join(file.parentPath, file.name))));
  return sizes.reduce((sum, { size }) => sum + size, 0);
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

it('package.json names each packed file once', () => {
  const { files } = JSON.parse(readFileSync(join(REPO, 'package.json'), 'utf8'));
  assert.deepEqual(files, [...new Set(files)]);
});

describe('B7: the npm package', () => {
  let folder: string;
  let prefix: string;
  let home: string;
  let packed: { filename: string; size: number; unpackedSize: number; files: { path: string }[] };
  const nodes = new Map<string, string>();

  /** Runs a command of the installation with a Node and without the repository. */
  const installed = async (node: string, command: string, ...args: string[]) => {
    const env = { PATH: [dirname(node), join(prefix, 'bin'), '/usr/bin', '/bin'].join(delimiter), HOME: home };
    return run(command, args, { cwd: home, env, maxBuffer: 2 ** 26 }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );
  };

  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'cohortfarm-package-')));
    [prefix, home] = [join(folder, 'prefix'), join(folder, 'home')];
    await Promise.all([prefix, home].map((path) => run('mkdir', ['-p', path])));
    // npm itself may run with an older Node; what bundles must not.
    const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], {
      cwd: REPO,
      env: { ...process.env, PATH: path },
      maxBuffer: 2 ** 26,
    });
    [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [typeof packed];
    await npm(folder, 'install', '--global', '--ignore-scripts', '--prefix', prefix, join(folder, packed.filename));
    nodes.set('22', await nodeOfLine(folder, 22));
    nodes.set('24', process.execPath);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('holds programs, model, page and trainer, and neither sources nor tests', (t) => {
    const paths = packed.files.map(({ path }) => path);
    for (const path of [
      'dist/cli/main.js',
      'browse/dist/page.js',
      'trainer/cohortfarm_trainer/__main__.py',
      'exporter/cohortfarm_exporter/__main__.py',
      'LICENSE',
    ])
      assert.ok(paths.includes(path), path);
    const sources = globSync('{platform,diffusion,dataset,worker,cli}/**/*.ts', { cwd: REPO });
    const asked = sources.flatMap((file) => [
      ...readFileSync(join(REPO, file), 'utf8').matchAll(/\binstalledFile\('([^']+)'\)/g),
    ]);
    assert.ok(asked.length > 3);
    for (const [, place] of asked)
      assert.ok(
        paths.some((path) => path === place || path.startsWith(`${place}/`)),
        `package.json: files lacks ${place}`,
      );
    assert.deepEqual(
      paths.filter((path) => /\.ts$|test|\/training\/(phantom|tests)\//.test(path)),
      [],
    );
    t.diagnostic(`${paths.length} files, ${megabytes(packed.size)} packed, ${megabytes(packed.unpackedSize)} unpacked`);
  });

  for (const line of ['22', '24']) {
    it(`starts, plans, grows and verifies with Node ${line}, the same plan as here`, async (t) => {
      const node = nodes.get(line)!;
      const begun = performance.now();
      const help = await installed(node, 'cohortfarm', '--help');
      const seconds = (performance.now() - begun) / 1000;
      assert.equal(help.code, 0, help.stderr);
      assert.match(help.stdout, /^Usage: cohortfarm/);
      const file = join(home, `first-${line}.yaml`);
      const init = await installed(node, 'cohortfarm', 'init', '-f', file, '--from', 'phantom', '--samples', '32');
      assert.equal(init.code, 0, init.stderr);
      const plan = await installed(node, 'cohortfarm', 'plan', '-f', file, '--json');
      assert.equal(plan.code, 0, plan.stderr);
      const here = await runCli(['plan', '-f', file, '--json']);
      assert.equal(JSON.parse(plan.stdout).planDigest, JSON.parse(here.stdout).planDigest);
      const small = join(home, `small-${line}.yaml`);
      await writeFile(
        small,
        (await readFile(join(REPO, 'examples/first.yaml'), 'utf8')).replace('samples: 24', 'samples: 8'),
      );
      const output = join(home, `out-${line}`);
      const grown = await installed(node, 'cohortfarm', 'run', '-f', small, '-o', output, '--workers', '1');
      assert.equal(grown.code, 0, grown.stderr);
      const verified = await installed(node, 'cohortfarm', 'verify', output);
      assert.match(verified.stdout, /^Verified: 8 images/, verified.stderr);
      t.diagnostic(`--help took ${seconds.toFixed(2)} s with Node ${line}`);
    });
  }

  it('is a plugin of kubectl, too, and can be run by npx from where it is installed', async () => {
    const plugin = await installed(nodes.get('24')!, 'kubectl-cohortfarm', '--version');
    const { version } = JSON.parse(await readFile(join(REPO, 'package.json'), 'utf8'));
    assert.equal(plugin.stdout.trim(), version);
    const npx = await npm(
      join(prefix, 'lib/node_modules/cohortfarm'),
      'exec',
      '--offline',
      'cohortfarm',
      '--',
      '--version',
    );
    assert.equal(npx.trim(), version);
  });

  it('carries the trainer where the command looks for it', async () => {
    const root = join(prefix, 'lib/node_modules/cohortfarm');
    const { stdout } = await run('python3', ['-c', 'import cohortfarm_trainer; print(cohortfarm_trainer.__file__)'], {
      env: { ...process.env, PYTHONPATH: join(root, 'trainer'), PYTHONDONTWRITEBYTECODE: '1' },
    });
    assert.ok(stdout.startsWith(root), stdout);
  });

  it('says which Node it needs before anything else, on an older one', async (t) => {
    const { code, stdout, stderr } = await installed(await nodeOfLine(folder, 18), 'cohortfarm', '--help');
    assert.deepEqual([code, stdout], [78, '']);
    assert.match(stderr, /^cohortfarm needs Node >=22\.19; this is 18\.\S+ \(\S+\)\. .+\n$/);
    t.diagnostic(`installed with its dependencies: ${megabytes(await sizeOf(prefix))}`);
  });
});
