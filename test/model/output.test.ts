import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { REPO } from '../support/cli.ts';

/** The exporter's output folders, in the Python of this machine: they need no package. */

/** Runs Python with `output` as the folder to make. @returns its exit code and the last line of its errors */
async function python(output: string, code: string): Promise<{ code: number; error: string }> {
  const lines = ['import os, sys', 'from pathlib import Path', 'from cohortfarm_exporter.output import whole_folder'];
  const program = [...lines, 'output = Path(sys.argv[1])', code].join('\n');
  return promisify(execFile)('python3', ['-c', program, output], {
    env: { ...process.env, PYTHONPATH: join(REPO, 'exporter'), PYTHONDONTWRITEBYTECODE: '1' },
  }).then(
    () => ({ code: 0, error: '' }),
    ({ code, stderr }) => ({ code, error: stderr.trim().split('\n').at(-1) }),
  );
}

async function freshOutput(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-output-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return { dir, output: join(dir, 'model') };
}

const modelIn = (folder: string): Promise<string> => readFile(join(folder, 'model.onnx'), 'utf8');

test('a finished export whose output appeared meanwhile is kept, and named', async (t) => {
  const { dir, output } = await freshOutput(t);
  const { code, error } = await python(
    output,
    `
with whole_folder(output) as folder:
    (folder / "model.onnx").write_text("ours")
    output.mkdir()
    (output / "model.onnx").write_text("theirs")`,
  );
  assert.equal(code, 1);
  const [kept] = (await readdir(dir)).filter((name) => name !== 'model');
  assert.ok(
    error.includes(`${output} cannot take its name`) && error.includes(`is kept in ${join(dir, kept!)}`),
    error,
  );
  assert.deepEqual([await modelIn(join(dir, kept!)), await modelIn(output)], ['ours', 'theirs']);
  await rm(output, { recursive: true });
  assert.equal((await python(output, 'with whole_folder(output): pass')).code, 0);
  assert.equal(await modelIn(join(dir, kept!)), 'ours', 'another export leaves it alone');
});

test('two exports to one output at a time do not touch each other', async (t) => {
  const { dir, output } = await freshOutput(t);
  const { error } = await python(
    output,
    `
with whole_folder(output) as slow:
    (slow / "model.onnx").write_text("slow")
    with whole_folder(output) as fast:
        (fast / "model.onnx").write_text("fast")`,
  );
  assert.equal(await modelIn(output), 'fast');
  const [kept] = (await readdir(dir)).filter((name) => name !== 'model');
  assert.ok(error.includes(join(dir, kept!)), error);
  assert.equal(await modelIn(join(dir, kept!)), 'slow');
});

test('what a killed export left is removed by the next; a failed one leaves nothing', async (t) => {
  const { dir, output } = await freshOutput(t);
  const killed = await python(
    output,
    `
with whole_folder(output) as folder:
    (folder / "model.onnx").write_text("half")
    os.kill(os.getpid(), 9)`,
  );
  assert.notEqual(killed.code, 0);
  assert.equal((await readdir(dir)).length, 1);
  await writeFile(join(dir, 'model.unfinished-not-a-folder'), '');
  await mkdir(join(dir, 'models.unfinished-12345678'));
  const failed = await python(output, 'with whole_folder(output): raise ValueError("broken")');
  assert.match(failed.error, /broken/);
  assert.deepEqual((await readdir(dir)).sort(), ['model.unfinished-not-a-folder', 'models.unfinished-12345678']);
});
