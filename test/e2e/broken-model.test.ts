import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPO, runCli } from '../support/cli.ts';

test('a model whose decoder gives NaN ends the run before anything is claimed', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-broken-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const model = join(dir, 'model');
  await cp(join(REPO, 'models/phantom'), model, { recursive: true });
  const file = join(model, 'vae_decoder/config.json');
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), scaling_factor: 1e-37 }));
  const demo = await readFile(join(REPO, 'examples/first.yaml'), 'utf8');
  assert.match(demo, /embedded:phantom\b/);
  await writeFile(join(dir, 'broken.yaml'), demo.replace(/embedded:phantom(?=\s|$)/m, model));
  const output = join(dir, 'out');
  const { code, stderr } = await runCli(['run', '-f', join(dir, 'broken.yaml'), '-o', output]);
  assert.equal(code, 78, stderr);
  assert.match(
    stderr,
    /vae_decoder\/model\.onnx gives values that are not numbers \(NaN or infinite\), which become black images/,
  );
  assert.ok(!existsSync(output), 'nothing was written');
});
