import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { UsageError } from '../contract/failure.ts';
import { SpecError } from '../contract/schema/issue.ts';
import { loadDataset } from './load.ts';

async function fileWith(t: TestContext, text: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'dataset.yaml');
  await writeFile(file, text);
  return file;
}

test('a missing file is named', async () => {
  await assert.rejects(loadDataset('no/such.yaml'), (error: Error) => {
    assert.ok(error instanceof UsageError);
    assert.equal(error.message, 'no/such.yaml cannot be read (ENOENT); give the path of a dataset.yaml');
    return true;
  });
});

test('broken YAML is reported with its line, and without what only follows from that', async (t) => {
  const file = await fileWith(t, 'spec:\n  seed: 1\n  gates: [{name: a, uri: b\n  more: {c: 1, d: 2}\n  last: 3\n');
  await assert.rejects(loadDataset(file), (error: Error) => {
    assert.ok(error instanceof SpecError);
    assert.equal(error.issues.length, 1);
    assert.match(error.message, /at line \d, column \d+; correct the YAML there$/);
    return true;
  });
});

test('a key given twice is an error, not a silent choice', async (t) => {
  const file = await fileWith(t, 'spec:\n  seed: 1\n  seed: 2\n');
  await assert.rejects(loadDataset(file), /unique at line 3, column 3; remove one$/);
});

test('an empty file and one with two documents are refused', async (t) => {
  await assert.rejects(loadDataset(await fileWith(t, '')), /is empty/);
  await assert.rejects(loadDataset(await fileWith(t, 'a: 1\n---\nb: 2\n')), /holds 2 documents/);
});

test('aliases that would blow up are refused', async (t) => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 0; i < 6; i++) {
    const name = String.fromCharCode(97 + i);
    const next = String.fromCharCode(98 + i);
    bomb.push(`${next}: &${next} [${Array(10).fill(`*${name}`).join(', ')}]`);
  }
  await assert.rejects(
    loadDataset(await fileWith(t, `${bomb.join('\n')}\n`)),
    (error: Error) => error instanceof UsageError && /alias/i.test(error.message),
  );
});
