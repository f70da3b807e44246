import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { ModelError } from './errors.ts';
import { parsePythonJson, readJson, requireFiles } from './files.ts';

async function folder(t: TestContext, files: Record<string, string>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-files-'));
  t.after(() => rm(dir, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  return dir;
}

test('all missing files are named at once', async (t) => {
  const dir = await folder(t, { 'a.json': '{}' });
  await requireFiles(dir, ['a.json']);
  await assert.rejects(requireFiles(dir, ['a.json', 'b.json', 'c/d.onnx']), (error: Error) => {
    assert.ok(error instanceof ModelError);
    assert.match(error.message, /lacks b\.json, c\/d\.onnx;/);
    return true;
  });
});

test('JSON as Python writes it is understood', () => {
  const text = '{"a": -Infinity, "b": Infinity, "c": NaN, "d": "NaN \\" -Infinity", "e": [1, NaN]}';
  assert.deepEqual(parsePythonJson(text), { a: -Infinity, b: Infinity, c: null, d: 'NaN " -Infinity', e: [1, null] });
  assert.throws(() => parsePythonJson('{"a": }'), SyntaxError);
});

test('a wrong file is named with the field at fault', async (t) => {
  const dir = await folder(t, { 'bad.json': '{"n": "x"}', 'no.json': '{', 'big.json': `"${'x'.repeat(2000)}"` });
  const schema = z.object({ n: z.number() });
  for (const { path, expected } of [
    { path: 'bad.json', expected: /bad\.json is not valid: n: / },
    { path: 'no.json', expected: /no\.json is not valid JSON/ },
    { path: 'big.json', expected: /big\.json has 2002 bytes, more than the 1000/ },
    { path: 'absent.json', expected: /absent\.json cannot be read/ },
  ]) {
    await assert.rejects(readJson(dir, path, schema, 1000), (error: Error) => {
      assert.ok(error instanceof ModelError);
      assert.match(error.message, expected);
      return true;
    });
  }
});

test('text that ends within a string is refused at once, however long it is', () => {
  const begin = performance.now();
  for (const text of ['["NaN', `["${'\\"'.repeat(500_000)}`, `["${'a'.repeat(500_000)}\\`])
    assert.throws(() => parsePythonJson(text), SyntaxError);
  assert.ok(performance.now() - begin < 2000);
});
