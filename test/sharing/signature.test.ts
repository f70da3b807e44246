import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { openStore } from '../../platform/store/store.ts';
import { blocksOf } from '../docs/blocks.ts';
import { REPO, runCli, startCli } from '../support/cli.ts';
import { growSmall } from '../support/grown.ts';
import { missingPython } from '../support/venv.ts';
import { runPython } from './python.ts';

/** `cohortfarm sign` and `verify --key` as users call them, and the signature before eyes that are not ours. */

const run = promisify(execFile);

describe('F4: signed provenance', { skip: await missingPython() }, () => {
  let folder: string;
  let dataset: string;
  const sh = (script: string, env: NodeJS.ProcessEnv = {}) =>
    run('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder, env: { ...process.env, ...env } });
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-sign-'));
    dataset = join(folder, 'cohort');
    await growSmall(openStore(dataset));
    // What the page calls `cohortfarm`, in a folder with a dataset called `cohort`.
    await writeFile(join(folder, 'cohortfarm'), `#!/bin/sh\nexec "${process.execPath}" "${REPO}/cli/main.ts" "$@"\n`, {
      mode: 0o755,
    });
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('the lines of docs/provenance.md make keys, sign, verify, and check the signature with openssl alone', async () => {
    const blocks = await blocksOf('docs/provenance.md', 'sh');
    assert.ok(blocks.length >= 4, `${blocks.length} blocks`);
    const said: string[] = [];
    for (const block of blocks) {
      const { stdout } = await sh(block, { PATH: `${folder}:${process.env.PATH}` });
      said.push(stdout);
    }
    assert.match(said.join(''), /^Signed: 24 images; file:\/\/.*\/signatures\/[0-9a-f]{64}\.json$/m);
    assert.match(said.join(''), /every quota met, signed by key [0-9a-f]{64}\.$/m);
    assert.match(said.join(''), /Signature Verified Successfully/);
    // Signed again by a command that holds the key: the very same bytes.
    assert.match(said.join(''), /^Signed already: 24 images/m);
  });

  it('the reference libraries of DSSE and in-toto accept it', async () => {
    const [name] = await readdir(join(dataset, 'signatures'));
    assert.equal(
      (await runPython('check_signature.py', [dataset, join(folder, 'key.pub')])).trim(),
      name!.slice(0, 64),
    );
  });

  it('a record that says the same in other bytes verifies, but not with the key', async () => {
    const record = join(dataset, 'records/000000.json');
    const bytes = await readFile(record);
    await writeFile(record, Buffer.concat([bytes, Buffer.from(' ')]));
    assert.equal((await runCli(['verify', dataset])).code, 0);
    const { code, stderr } = await runCli(['verify', dataset, '--key', join(folder, 'key.pub')]);
    assert.equal(code, 1);
    assert.match(stderr, /signatures\/[0-9a-f]{64}\.json: signs another records/);
    await writeFile(record, bytes);
    assert.equal((await runCli(['verify', dataset, '--key', join(folder, 'key.pub')])).code, 0);
  });

  it('bad keys are refused with the fix, and never printed', async () => {
    await sh(
      'openssl genpkey -algorithm x25519 -out other.pem; openssl genpkey -algorithm ed25519 -aes256 -pass pass:x -out locked.pem',
    );
    const secret = (await readFile(join(folder, 'key.pem'), 'utf8')).split('\n')[1]!;
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [
        ['--key', join(folder, 'none.pem')],
        /--key: .*none\.pem cannot be read \(ENOENT\); give a PEM file or env:NAME/,
      ],
      [['--key', 'env:NO_SUCH_KEY'], /--key: the variable NO_SUCH_KEY is not set/],
      [['--key', join(folder, 'key.pub')], /holds no private key; it must be an Ed25519 private key.*openssl genpkey/],
      [['--key', join(folder, 'other.pem')], /is a key of type x25519/],
      [['--key', join(folder, 'locked.pem')], /is encrypted/],
      [['--key-command', 'true'], /give either --key FILE, or --key-command COMMAND with --public-key FILE/],
      [[], /give either --key FILE/],
      [['--key-command', 'false', '--public-key', join(folder, 'key.pub')], /the command failed \(exit code 1\)/],
      [['--key-command', 'echo no', '--public-key', join(folder, 'key.pub')], /printed 2 characters/],
      [
        [
          '--key-command',
          'cat > /dev/null; head -c 64 /dev/zero | base64 -w0',
          '--public-key',
          join(folder, 'key.pub'),
        ],
        /the signature is not one of the public key/,
      ],
    ];
    for (const [args, message] of cases) {
      const { code, stderr } = await runCli(['sign', dataset, ...args]);
      assert.equal(code, 2, `${args}\n${stderr}`);
      assert.match(stderr, message);
      assert.ok(!stderr.includes(secret));
    }
  });

  it('a key from a variable signs as one from a file; a killed sign leaves nothing or all', async () => {
    const envelopes = join(dataset, 'signatures');
    const [name] = await readdir(envelopes);
    const bytes = await readFile(join(envelopes, name!));
    const env = { COHORTFARM_TEST_KEY: await readFile(join(folder, 'key.pem'), 'utf8') };
    const args = ['sign', dataset, '--key', 'env:COHORTFARM_TEST_KEY'];
    for (const delay of [100, 250, 400, 550]) {
      await rm(envelopes, { recursive: true, force: true });
      const { process: child, outcome } = startCli(args, env);
      await sleep(delay);
      child.kill('SIGKILL');
      await outcome;
      for (const left of await readdir(envelopes).catch(() => []))
        if (left === name) assert.deepEqual(await readFile(join(envelopes, left)), bytes);
    }
    assert.equal((await runCli(args, env)).code, 0);
    assert.deepEqual(await readFile(join(envelopes, name!)), bytes);
    assert.equal((await runCli(['verify', dataset, '--key', join(folder, 'key.pub')])).code, 0);
  });

  it('a dataset that does not verify is not signed', async () => {
    await rm(join(dataset, 'signatures'), { recursive: true, force: true });
    await writeFile(join(dataset, 'README.md'), 'x');
    const { code, stderr } = await runCli(['sign', dataset, '--key', join(folder, 'key.pem')]);
    assert.equal(code, 1);
    assert.match(stderr, /README\.md: SHA-256 is .*\nNOT signed: /s);
    assert.deepEqual(await readdir(join(dataset, 'signatures')).catch(() => []), []);
  });
});
