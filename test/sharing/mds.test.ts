import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { virtualPython } from '../../cli/train/venv.ts';
import { sha256 } from '../../contract/digest.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { decodeImage, toEightBits } from '../../platform/image/image.ts';
import { openStore } from '../../platform/store/store.ts';
import { DIFFUSERS_ENVIRONMENT } from '../diffusers/python.ts';
import { combined, growDataset, readersDataset } from '../readers/fixture.ts';
import { runCli } from '../support/cli.ts';
import { missingPython } from '../support/venv.ts';

/** `cohortfarm export --format mds`, read back by MosaicML Streaming itself. */

const run = promisify(execFile);
const HERE = import.meta.dirname;

interface Read {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly shards: number;
  readonly iterated: readonly string[];
  readonly error?: string;
}

async function readMds(...folders: readonly string[]): Promise<Read[]> {
  const requirements = join(HERE, 'requirements-mds.txt');
  const python = await virtualPython({
    name: 'mds',
    requirements: [requirements],
    installs: [() => ['--no-deps', '-r', requirements]],
    base: DIFFUSERS_ENVIRONMENT,
  });
  const { stdout } = await run(python, [join(HERE, 'read_mds.py'), ...folders], {
    maxBuffer: 16 * 2 ** 20,
    timeout: 120_000,
    env: { ...process.env, TMPDIR: dirname(folders[0]!) },
  });
  return JSON.parse(stdout) as Read[];
}

describe('F9: export to MDS', { skip: await missingPython() }, () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-mds-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const exported = async (from: string, format: string): Promise<string> => {
    const args = ['export', at(from), '--format', format, '-o', at(`${from}-${format}`)];
    const { code, stdout, stderr } = await runCli(args);
    assert.equal(code, 0, stderr);
    return stdout;
  };

  it('StreamingDataset reads every value and pixel, and no shard that was changed', async () => {
    const datasets = [combined(readersDataset('png', 90)), readersDataset('jpeg', 50)] as const;
    const manifests: Manifest[] = [];
    for (const [i, name] of ['png', 'jpeg'].entries()) {
      manifests.push((await growDataset(openStore(at(name)), datasets[i]!)).manifest);
      assert.match(await exported(name, 'mds'), /^Exported: \d+ images; .*\/index\.json lists them\./);
      await exported(name, 'imagefolder');
    }
    await cp(at('jpeg-mds'), at('changed'), { recursive: true });
    const shard = await readFile(at('changed/shard.00001.mds'));
    shard[shard.length - 9]! ^= 1;
    await writeFile(at('changed/shard.00001.mds'), shard);
    const [png, jpeg, changed] = await readMds(at('png-mds'), at('jpeg-mds'), at('changed'));
    assert.match(changed!.error!, /[Cc]hecksum|hash/);
    for (const [i, { rows, shards, iterated }] of [png!, jpeg!].entries()) {
      const other = at(`${['png', 'jpeg'][i]}-imagefolder/train`);
      const lines = (await readFile(join(other, 'metadata.jsonl'), 'utf8')).trim().split('\n');
      const expected = lines.map((line) => JSON.parse(line));
      assert.deepEqual([shards, rows.length], [manifests[i]!.shards.length, manifests[i]!.samples.accepted]);
      assert.equal(rows.length, expected.length);
      for (const [n, { file_name, ...labels }] of expected.entries()) {
        const { size, mode, pixels, ...read } = rows[n]!;
        // The names and values of the other exports.
        assert.deepEqual([read, size, mode], [labels, [64, 64], 'L']);
        // Two decoders of JPEG may differ.
        if (i > 0) continue;
        const image = await decodeImage(await readFile(join(other, file_name)), manifests[i]!.model);
        assert.equal(pixels, sha256(toEightBits(image).data));
      }
      assert.deepEqual(
        iterated,
        expected.map(({ key }) => key),
      );
    }
  });
});
