import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, type TestContext, test } from 'node:test';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { openStore } from '../../platform/store/store.ts';
import { missingPython } from '../support/venv.ts';
import { combined, described, growDataset, readersDataset } from './fixture.ts';
import { readDataset, readersPython } from './python.ts';

/** A published dataset is read by the tools that its users have, without help from CohortFarm. */

const READERS = ['hashlib', 'webdataset', 'wids', 'pyarrow', 'mlcroissant', 'datasets', 'README.md'];

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-readers-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describe('Python reads a published dataset', { skip: await missingPython() }, () => {
  let python: string;
  before(async () => {
    python = await readersPython();
  });

  const datasets: readonly (readonly [string, SyntheticDataset, RegExp])[] = [
    ['JPEG images in three shards', readersDataset('jpeg', 90), /no errors, 3 warnings/],
    ['JPEG images of combined findings', combined(readersDataset('jpeg', 60)), /no errors, 3 warnings/],
    ['PNG images in one shard, with license and all', described(readersDataset('png', 30)), /no errors, 0 warnings/],
  ];
  for (const [what, dataset, croissant] of datasets) {
    test(what, async (t) => {
      const folder = await temporaryFolder(t);
      await growDataset(openStore(folder), dataset);
      const said = await readDataset(python, folder);
      const readers = said
        .trim()
        .split('\n')
        .map((line) => line.split(/[ :]/)[0]);
      assert.deepEqual(readers, READERS);
      assert.match(said, croissant);
    });
  }

  test('one flipped byte in a shard is noticed', async (t) => {
    const folder = await temporaryFolder(t);
    const { manifest } = await growDataset(openStore(folder), readersDataset('jpeg', 30));
    const shard = join(folder, manifest.shards[0]!.key);
    const bytes = await readFile(shard);
    bytes[1000]! ^= 1;
    await writeFile(shard, bytes);
    await assert.rejects(readDataset(python, folder), /SHA-256 of shards\/small-000000\.tar/);
  });
});
