import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { openStore } from '../../platform/store/store.ts';
import { growDataset, readersDataset } from '../readers/fixture.ts';
import { REPO, runCli } from '../support/cli.ts';
import { folderDigests } from '../support/folder.ts';
import { missingPython } from '../support/venv.ts';
import { runPython } from './python.ts';

/** C2PA manifests of exported images, as users sign and check them, and as the C2PA project's own library reads them. */

const run = promisify(execFile);

describe('F4: content credentials', { skip: await missingPython() }, () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-credentials-'));
    const page = await readFile(join(REPO, 'docs/provenance.md'), 'utf8');
    const [certificates] = page.match(/^openssl req -x509[^`]*/m)!;
    await run('bash', ['-euc', `openssl genpkey -algorithm ed25519 -out key.pem; ${certificates}`], { cwd: folder });
    for (const format of ['png', 'jpeg'] as const) await growDataset(openStore(at(format)), readersDataset(format, 40));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('the library of the C2PA project trusts them, and reads generator, source type, plan digest and key', async () => {
    const certificate = ['--certificate', at('cert.pem')];
    const files: string[] = [];
    const expected: object[] = [];
    for (const [format, extension] of [
      ['png', 'png'],
      ['jpeg', 'jpg'],
    ] as const) {
      const to = at(`signed-${format}`);
      const key = ['--key', at('key.pem'), '--certificate', at('chain.pem')];
      const exported = await runCli(['export', at(format), '-o', to, '--format', 'imagefolder', ...key]);
      assert.equal(exported.code, 0, exported.stderr);
      const { generator, planDigest }: Manifest = JSON.parse(await readFile(at(`${format}/dataset.json`), 'utf8'));
      const [image] = (await readdir(`${to}/train/000000`)).sort();
      const [name] = image!.split('.');
      files.push(`${to}/train/000000/${image}`);
      expected.push({
        state: 'Trusted',
        failures: [],
        title: `${name}.${extension}`,
        actions: [
          {
            action: 'c2pa.created',
            digitalSourceType: 'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia',
            softwareAgent: { name: generator.name, version: generator.version },
            parameters: { 'dev.cohortfarm.planDigest': planDigest, 'dev.cohortfarm.key': name! },
          },
        ],
      });
    }
    const sound = await runCli(['verify', at('signed-jpeg'), ...certificate]);
    assert.equal(sound.code, 0, sound.stderr);
    assert.match(sound.stdout, /^Verified: each of \d\d images is signed by O=Example Lab, CN=Cohorts\.$/m);
    const bytes = await readFile(files[1]!);
    bytes[bytes.length - 20]! ^= 1;
    await writeFile(at('changed.jpg'), bytes);
    const read = await runPython('check_credentials.py', [at('ca.pem'), ...files, at('changed.jpg')]);
    const [png, jpeg, broken] = read
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual([png, jpeg], expected);
    assert.deepEqual([broken.state, broken.failures], ['Invalid', ['assertion.dataHash.mismatch']]);
    await writeFile(files[1]!, bytes);
    const faulty = await runCli(['verify', at('signed-jpeg'), ...certificate, '--json']);
    assert.equal(faulty.code, 1);
    const object = files[1]!.slice(at('signed-jpeg/').length);
    assert.deepEqual(JSON.parse(faulty.stdout).faults, [{ object, message: 'was changed after it was signed' }]);
  });

  it('wrong keys and certificates are refused with the fix, before anything is written', async () => {
    await run('bash', ['-euc', 'openssl genpkey -algorithm ed25519 -out other.pem; cat ca.pem cert.pem > upside.pem'], {
      cwd: folder,
    });
    const key = ['--key', at('key.pem')];
    const certificate = (name: string): string[] => ['--certificate', at(name)];
    const folderFormat = ['--format', 'imagefolder'];
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [[...folderFormat, ...key], /to sign images give --certificate FILE with either --key FILE/],
      [[...folderFormat, ...certificate('chain.pem')], /give --certificate FILE with either/],
      [['--format', 'dicom', ...key, ...certificate('chain.pem')], /DICOM files hold no C2PA manifest/],
      [
        ['--format', 'mds', ...key, ...certificate('chain.pem')],
        /mds holds no C2PA manifest; sign imagefolder or coco/,
      ],
      [
        [...folderFormat, '--key', at('other.pem'), ...certificate('chain.pem')],
        /--key is not the key of the first cert/,
      ],
      [[...folderFormat, ...key, ...certificate('key.pem')], /--certificate: .*key\.pem holds no certificate; it must/],
      [[...folderFormat, ...key, ...certificate('upside.pem')], /number 1\) that the next one did not issue/],
      [
        [...folderFormat, '--key', at('ca.key'), ...certificate('ca.pem')],
        /readers of C2PA refuse it \(signingCredential\.invalid\)/,
      ],
    ];
    for (const [args, message] of cases) {
      const { code, stderr } = await runCli(['export', at('png'), '-o', at('refused'), ...args]);
      assert.equal(code, 2, `${args}\n${stderr}`);
      assert.match(stderr, message);
    }
    assert.deepEqual(await folderDigests(at('refused')), {});
  });
});
