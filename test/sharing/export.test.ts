import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { sha256 } from '../../contract/digest.ts';
import { openStore } from '../../platform/store/store.ts';
import { unpackedPackages } from '../../testbed/real/packages.ts';
import { startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { growDataset, readersDataset } from '../readers/fixture.ts';
import { readersPython } from '../readers/python.ts';
import { runCli, startCli } from '../support/cli.ts';
import { folderDigests } from '../support/folder.ts';
import { missingPython } from '../support/venv.ts';
import { runPython } from './python.ts';

/** `cohortfarm export`, read back by the programs that such files are for. */

const run = promisify(execFile);

const skip = (await missingPython()) || (await missingForServers());

describe('F9: export', { skip }, () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-export-'));
    await growDataset(openStore(at('png')), readersDataset('png', 90));
    await growDataset(openStore(at('jpeg')), readersDataset('jpeg', 50));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const exported = async (from: string, to: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCli(['export', at(from), '-o', at(to), ...args]);
    assert.equal(code, 0, stderr);
    return stdout;
  };

  for (const format of ['png', 'jpeg'] as const) {
    it(`DICOM from ${format}: pydicom reads every value and pixel back, dciodvfy finds no fault`, async () => {
      const to = `dicom-${format}`;
      assert.match(await exported(format, to, '--format', 'dicom', '--body-part', 'CHEST'), /^Exported: \d+ images; /);
      const summary = JSON.parse(await runPython('check_dicom.py', [at(format), at(to)]));
      assert.ok(summary.files >= 25, `${summary.files}`);
      assert.equal(summary['body part'], 'CHEST');
      assert.equal(summary.lossy, format === 'jpeg' ? '01' : '00');
      // Nothing else of a person, a place or a time than what is empty, made up as "SYNTHETIC", or a wanted label.
      const about = /Patient|Physician|Operator|Institution|Station|Address|Date|Time|Birth|Ethnic|Telephone/;
      assert.deepEqual(
        summary.keywords.filter((keyword: string) => about.test(keyword)),
        [
          'EthnicGroup',
          'PatientAge',
          'PatientBirthDate',
          'PatientComments',
          'PatientID',
          'PatientName',
          'PatientOrientation',
          'PatientSex',
          'ReferringPhysicianName',
          'StudyDate',
          'StudyTime',
        ],
      );
      const [first] = Object.keys(await folderDigests(at(`${to}/dicom`)));
      const program = join(await unpackedPackages('dicom3tools', ['dicom3tools']), 'usr/bin/dciodvfy');
      const { stderr } = await run(program, [at(`${to}/dicom/${first}`)]).catch((error: { stderr: string }) => error);
      assert.match(stderr, /^CRImage$/m);
      // The only attribute that is younger than the program.
      assert.deepEqual(
        stderr.split('\n').filter((line) => line.startsWith('Error')),
        ['Error - Attribute with an even group number is not a recognized standard attribute - (0x0008,0x001c)  ? '],
      );
    });
  }

  it('an ImageFolder that datasets loads, and COCO that names every label', async () => {
    await exported('png', 'folder', '--format', 'imagefolder');
    await exported('png', 'coco', '--format', 'coco');
    const lines = (await readFile(at('folder/train/metadata.jsonl'), 'utf8')).trim().split('\n');
    const rows = lines.map((line) => JSON.parse(line));
    const coco = JSON.parse(await readFile(at('coco/annotations.json'), 'utf8'));
    assert.equal(coco.images.length, rows.length);
    assert.equal(coco.annotations.length, 4 * rows.length);
    for (const [i, row] of rows.entries()) {
      const image = coco.images[i];
      assert.equal(image.key, row.key);
      const bytes = await readFile(at(`coco/images/${image.file_name}`));
      assert.deepEqual(await readFile(at(`folder/train/${row.file_name}`)), bytes);
      const labels = coco.annotations.filter((label: { image_id: number }) => label.image_id === image.id);
      const named = labels.map(({ category_id }: { category_id: number }) => {
        const { supercategory, name } = coco.categories.find(({ id }: { id: number }) => id === category_id);
        return [supercategory, name];
      });
      const { age, finding, race, sex } = row;
      assert.deepEqual(Object.fromEntries(named), { age, finding, race, sex });
    }
    const script = join(import.meta.dirname, 'read_imagefolder.py');
    const { stdout } = await run(await readersPython(), [script, at('folder')]);
    assert.deepEqual(JSON.parse(stdout), {
      rows: rows.length,
      key: rows[3].key,
      prompt: rows[3].prompt,
      size: [64, 64],
    });
  });

  it('killed anywhere and run again it leaves the very bytes of one run; once more it writes nothing', async () => {
    const args = ['export', at('png'), '--format', 'dicom', '--body-part', 'CHEST', '-o', at('killed')];
    for (const delay of [300, 400, 450, 500, 550, 600]) {
      const { process: child, outcome } = startCli(args);
      await sleep(delay);
      child.kill('SIGKILL');
      await outcome;
    }
    assert.equal((await runCli(args)).code, 0);
    const found = await folderDigests(at('killed'));
    assert.deepEqual(found, await folderDigests(at('dicom-png')));
    const { stdout } = await runCli(args);
    assert.match(stdout, /^Exported: (\d+) images \(\1 of them before\)/);
    assert.deepEqual(await folderDigests(at('killed')), found);
  });

  it('to S3, the same bytes', async (t) => {
    const s3 = await startS3Server();
    t.after(() => s3.stop());
    await s3.createBucket('out');
    const flags = ['--endpoint', s3.options.endpoint!, '--region', 'us-east-1', '--path-style'];
    const args = ['export', at('png'), '--format', 'dicom', '--body-part', 'CHEST', '-o', 's3://out/x', ...flags];
    const { code, stderr } = await runCli(args, s3.env);
    assert.equal(code, 0, stderr);
    const store = openStore('s3://out/x', s3.options);
    const local = await folderDigests(at('dicom-png'));
    const keys = (await Array.fromAsync(store.list(''))).map(({ key }) => key);
    assert.deepEqual(keys, Object.keys(local));
    for (const key of keys) assert.equal(sha256((await store.get(key))!), local[key]);
  });

  it('refuses what it must, and says why', async () => {
    await writeFile(at('note.txt'), 'x');
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [[at('png'), '--format', 'dicom', '-o', folder], 78, /is not empty \(.*\); export to an empty place/],
      [[at('png'), '--format', 'coco', '-o', at('dicom-png')], 78, /holds another export/],
      [[at('jpeg'), '--format', 'dicom', '-o', at('dicom-png')], 78, /holds another export/],
      [[at('nothing'), '--format', 'dicom', '-o', at('new')], 78, /holds no complete dataset/],
      [[at('png'), '--format', 'nifti', '-o', at('new')], 2, /Allowed choices are dicom, imagefolder, coco/],
      [[at('png'), '--format', 'dicom', '-o', at('new'), '--body-part', 'lung'], 2, /is not a DICOM code string/],
      [[at('png'), '--format', 'dicom'], 2, /required option '-o, --output <uri>' not specified/],
    ];
    for (const [args, wanted, message] of cases) {
      const { code, stderr } = await runCli(['export', ...args]);
      assert.match(stderr, message);
      assert.equal(code, wanted, stderr);
    }
  });

  it('a damaged shard is not handed on', async () => {
    const shard = at('jpeg/shards/small-000001.tar');
    const bytes = await readFile(shard);
    bytes[2000]! ^= 1;
    await writeFile(shard, bytes);
    const { code, stderr } = await runCli(['export', at('jpeg'), '--format', 'coco', '-o', at('damaged')]);
    assert.equal(code, 78);
    assert.match(stderr, /shards\/small-000001\.tar has SHA-256/);
    assert.ok(!(await readdir(at('damaged'))).includes('annotations.json'));
  });
});
