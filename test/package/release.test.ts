import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { helmTool } from '../../testbed/servers/helm.ts';
import { goTool, missingForServers } from '../../testbed/servers/tools.ts';
import { REPO } from '../support/cli.ts';

const run = promisify(execFile);

/** package/release.sh in a clone, with the real git, npm, helm and openssl. */
describe('F1: the release script', { skip: await missingForServers() }, () => {
  let folder: string;
  let clone: string;
  let env: NodeJS.ProcessEnv;
  const sh = (script: string) => run('bash', ['-euo', 'pipefail', '-c', script], { cwd: clone, env });
  const release = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    run('package/release.sh', args, { cwd: clone, env }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-release-'));
    clone = join(folder, 'clone');
    const bin = join(folder, 'bin');
    await run('git', ['clone', '--quiet', '--depth', '1', `file://${REPO}`, clone]);
    await run('mkdir', [bin]);
    await symlink(await goTool(helmTool), join(bin, 'helm'));
    await symlink(join(REPO, 'node_modules'), join(clone, 'node_modules'));
    // A link in place of the folder, which .gitignore does not cover.
    await writeFile(join(clone, '.git/info/exclude'), 'node_modules\n');
    const identity = {
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a@a',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a@a',
    };
    env = {
      ...process.env,
      ...identity,
      HOME: folder,
      PATH: [bin, dirname(process.execPath), process.env.PATH].join(':'),
    };
    await sh('openssl genpkey -algorithm ed25519 -out ../key.pem');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('names everything that is missing at once, and leaves no trace', async () => {
    await writeFile(join(clone, 'left-over.txt'), 'x');
    const { code, stderr } = await release('--key', '../none.pem', '--dry-run');
    assert.equal(code, 2);
    assert.match(stderr, /--registry is missing/);
    assert.match(stderr, /--key: "\.\.\/none\.pem" cannot be read; make one with "openssl genpkey/);
    assert.match(stderr, /the working tree has changes/);
    assert.match(stderr, /CHANGELOG\.md has no section "## 0\.1\.0"/);
    assert.deepEqual(await readdir(join(clone, 'out')).catch(() => []), []);
    await rm(join(clone, 'left-over.txt'));
  });

  it('in a dry run makes and signs all files, and says what it would do elsewhere', async () => {
    await sh("sed -i 's/^## Unreleased/## 0.1.0/' CHANGELOG.md && git commit --quiet --all --message 'Release 0.1.0'");
    const { code, stdout, stderr } = await release(
      '--registry',
      'registry.example.org/x',
      '--key',
      '../key.pem',
      '--dry-run',
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      stdout.split('\n').filter((line) => line.startsWith('would run: ')),
      [
        'would run: git tag --annotate v0.1.0 --message CohortFarm 0.1.0',
        'would run: images/build.sh --push registry.example.org/x',
        'would run: helm push out/release/0.1.0/cohortfarm-chart-0.1.0.tgz oci://registry.example.org/x/charts',
      ],
    );
    const out = join(clone, 'out/release/0.1.0');
    const files = await readdir(out);
    assert.deepEqual(files.sort(), [
      'SHA256SUMS',
      'SHA256SUMS.sig',
      'cohortfarm-0.1.0.spdx.json',
      'cohortfarm-0.1.0.tgz',
      'cohortfarm-chart-0.1.0.tgz',
      'images.txt',
      'release.pub',
    ]);
    await sh('cd out/release/0.1.0 && sha256sum --check --quiet SHA256SUMS');
    await sh(
      'cd out/release/0.1.0 && openssl pkeyutl -verify -rawin -pubin -inkey release.pub -sigfile SHA256SUMS.sig -in SHA256SUMS',
    );
    const sums = await readFile(join(out, 'SHA256SUMS'), 'utf8');
    assert.equal(sums.trim().split('\n').length, 4);
    const sbom = JSON.parse(await readFile(join(out, 'cohortfarm-0.1.0.spdx.json'), 'utf8'));
    assert.ok(sbom.packages.some(({ name }: { name: string }) => name === 'onnxruntime-node'));
    assert.match(
      (await sh('helm show chart out/release/0.1.0/cohortfarm-chart-0.1.0.tgz')).stdout,
      /^version: 0\.1\.0$/m,
    );
    assert.equal((await sh('git tag --list')).stdout, '');
  });

  it('with an engine tags, builds, pushes, and resumes at the same commit only', async () => {
    // There is no engine and no registry here: these record the calls.
    const docker = `#!/bin/sh\necho "docker $*" >> ${folder}/calls\n[ "$2" = build ] || echo sha256:${'a'.repeat(64)}\n`;
    const helm = `#!/bin/sh\n[ "$1" = push ] || exec ${await goTool(helmTool)} "$@"\necho "helm $*" >> ${folder}/calls\n`;
    for (const [name, text] of [
      ['docker', docker],
      ['helm', helm],
    ] as const) {
      await rm(join(folder, 'bin', name), { force: true });
      await writeFile(join(folder, 'bin', name), text);
      await chmod(join(folder, 'bin', name), 0o755);
    }
    const args = ['--registry', 'registry.example.org/x', '--key', '../key.pem'];
    assert.match((await release(...args)).stderr, /images\/digests\.env is missing; run images\/build\.sh --pin/);
    await sh("images/build.sh --pin && git add images && git commit --quiet --message 'Pin base images'");
    for (let time = 0; time < 2; time++) {
      const { code, stderr } = await release(...args);
      assert.equal(code, 0, stderr);
    }
    assert.equal((await sh('git tag --list')).stdout, 'v0.1.0\n');
    const images = await readFile(join(clone, 'out/release/0.1.0/images.txt'), 'utf8');
    assert.match(images, /^registry\.example\.org\/x\/cohortfarm:0\.1\.0@sha256:a{64}$/m);
    const calls = await readFile(join(folder, 'calls'), 'utf8');
    assert.match(
      calls,
      /docker buildx build .*--target trainer .*--tag registry\.example\.org\/x\/cohortfarm-trainer:0\.1\.0 .*--push/,
    );
    assert.match(
      calls,
      /helm push out\/release\/0\.1\.0\/cohortfarm-chart-0\.1\.0\.tgz oci:\/\/registry\.example\.org\/x\/charts/,
    );
    await sh('git commit --quiet --allow-empty --message later');
    assert.match((await release(...args)).stderr, /the tag v0\.1\.0 is at [0-9a-f]{12}; raise the version/);
  });
});
