import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { blocksOf } from '../docs/blocks.ts';
import { REPO } from '../support/cli.ts';
import { missingPython } from '../support/venv.ts';
import { diffusersPython } from './python.ts';

const run = promisify(execFile);

/** Grey levels of 255 by which two implementations may differ. */
const TOLERANCE = 2;
const KEYS = ['000000000', '000000017', '000000063', '000000064', '000000100', '000000191'];

test('images of the demo regenerate in diffusers from prompt and seed', { skip: await missingPython() }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-diffusers-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const demo = await run('npm', ['run', 'demo', '--', '--output', dir], { cwd: REPO });
  assert.match(demo.stdout, /Report: .*report\.html\nVerified: 192 images in 3 shards and 32 cells, every quota met\./);
  assert.match(demo.stdout, /^compare: realOnlyAuroc .*, pretrainFinetuneAuroc 0\.\d+/m);
  const python = await diffusersPython();
  const script = join(import.meta.dirname, 'regenerate.py');
  const [snippet] = await blocksOf('models/phantom/README.md', 'python', 1);
  const args = [script, dir, join(REPO, 'models/phantom/diffusers'), snippet!, ...KEYS];
  const { stdout } = await run(python, args, { cwd: REPO });
  const results = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { key: string; max_difference: number });
  assert.deepEqual(
    results.map(({ key }) => key),
    [KEYS[0], 'snippet', ...KEYS.slice(1)],
  );
  for (const { key, max_difference } of results) {
    t.diagnostic(`${key}: at most ${max_difference} grey levels apart`);
    assert.ok(max_difference <= TOLERANCE, `${key} differs by ${max_difference}`);
  }
});
