import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isModelFile } from '../contract/folder.ts';
import { fetchFolder } from './resource.ts';

const root = mkdtempSync(join(tmpdir(), 'cohortfarm-resource-'));
after(() => rmSync(root, { recursive: true, force: true }));

const digestOf = async (uri: string): Promise<string> => {
  const context = { baseDir: root, cacheDir: join(root, 'cache') };
  return (await fetchFolder({ uri, includes: isModelFile, field: 'spec.model.uri' }, context)).digest;
};

test('H1: a folder that is a symbolic link is digested as what it leads to', async () => {
  const [plain, linked, shared] = ['plain', 'linked', 'shared'].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [plain, linked]) {
    await mkdir(folder);
    await writeFile(join(folder, 'model_index.json'), '{}');
  }
  await mkdir(join(plain, 'unet'));
  await mkdir(shared);
  for (const folder of [join(plain, 'unet'), shared]) await writeFile(join(folder, 'model.onnx'), 'version 1');
  await symlink(shared, join(linked, 'unet'));
  assert.equal(await digestOf(linked), await digestOf(plain));
  await writeFile(join(shared, 'model.onnx'), 'version 2');
  assert.notEqual(await digestOf(linked), await digestOf(plain));
});

test('a link that leads back up ends the search there', async () => {
  const folder = join(root, 'loop');
  await mkdir(join(folder, 'unet'), { recursive: true });
  await writeFile(join(folder, 'unet', 'model.onnx'), 'x');
  await symlink(folder, join(folder, 'unet', 'again'));
  assert.match(await digestOf(folder), /^[0-9a-f]{64}$/);
});
