import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { REPO, runCli } from '../support/cli.ts';
import { missingPython } from '../support/venv.ts';

const SOURCE = 'models/phantom/diffusers';
const CARD = '---\nlicense: apache-2.0\n---\n# A model\n';

const cli = async (...args: string[]) => {
  const outcome = await runCli(['model', ...args]);
  return { ...outcome, why: `${args.join(' ')}: ${outcome.stdout}${outcome.stderr}` };
};

const check = async (model: string, ...args: string[]) => {
  const { code, stdout, why } = await cli('check', model, '--json', '--provider', 'cpu', ...args);
  assert.ok(stdout.startsWith('{'), why);
  return { code, why, report: JSON.parse(stdout) };
};

describe('a model from diffusers to the worker', { skip: await missingPython() }, () => {
  let dir: string;
  let exported: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cohortfarm-model-'));
    exported = join(dir, 'exported');
    const source = join(dir, 'source');
    await cp(SOURCE, source, { recursive: true });
    await writeFile(join(source, 'README.md'), CARD);
    const { code, stdout, why } = await cli('export', source, '--output', exported);
    assert.equal(code, 0, why);
    assert.match(stdout, /^sha256: [0-9a-f]{64}$/m);
  });
  after(() => rm(dir, { recursive: true, force: true }));

  test('B3: an exported model draws what diffusers draws of its source', async (t) => {
    const { code, report, why } = await check(exported, '--source', SOURCE, '--batch-size', '2', '--steps', '5');
    assert.equal(code, 0, why);
    assert.ok(report.diffusers.isEqual && report.diffusers.latents < 2e-3 && report.diffusers.levels <= 2, why);
    assert.equal(report.black, 0);
    assert.ok(report.secondsPerStep > 0 && report.peakMemory > 2 ** 27, why);
    t.diagnostic(`latents within ${report.diffusers.latents}, images within ${report.diffusers.levels} levels`);
  });

  test('nothing in the folder names the machine that it was exported on', async () => {
    const config = JSON.parse(await readFile(join(exported, 'unet/config.json'), 'utf8'));
    assert.equal(config._name_or_path, undefined);
  });

  test('a decoder that overflows is found by its black images', async () => {
    const black = join(dir, 'black');
    await cp(exported, black, { recursive: true });
    const file = join(black, 'vae_decoder/config.json');
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), scaling_factor: 1e-37 }));
    const { code, report, why } = await check(black, '--batch-size', '2');
    assert.equal(code, 1, why);
    assert.equal(report.black, 2);
  });

  test('optimised for the CPU it has fused attention and draws the same', async () => {
    const fused = join(dir, 'fused');
    const { code, stderr, why } = await cli('optimize', exported, '--output', fused, '--for', 'cpu');
    assert.equal(code, 0, why);
    assert.match(stderr, /^unet: 14 MultiHeadAttention, .*\b7 BiasGelu, 24 parallel GroupNorm fused$/m);
    assert.match(stderr, /^vae_decoder: 21 parallel GroupNorm fused$/m);
    assert.doesNotMatch(stderr, / Attention\b/, 'an operator that holds the whole matrix of scores');
    for (const folder of [exported, fused])
      assert.equal(await readFile(join(folder, 'README.md'), 'utf8'), CARD, 'F6: the terms of the model stay with it');
    const { report } = await check(fused, '--source', SOURCE, '--batch-size', '2', '--steps', '5');
    assert.equal(report.diffusers.isEqual, true, JSON.stringify(report));
  });

  test('a dataset whose scheduler is not that of the model draws what diffusers draws with that scheduler', async (t) => {
    const file = join(dir, 'scheduler.yaml');
    const demo = await readFile(join(REPO, 'examples/demo.yaml'), 'utf8');
    assert.match(demo, /guidanceScale: 3\b/);
    await writeFile(file, demo.replace(/guidanceScale: 3\b/, 'guidanceScale: 3, scheduler: DPMSolver++'));
    const trial = ['--batch-size', '2', '--steps', '5', '--source', SOURCE];
    const { report } = await check(exported, '--file', file, ...trial);
    assert.equal(report.diffusers.isEqual, true, JSON.stringify(report));
    t.diagnostic(`latents within ${report.diffusers.latents}, images within ${report.diffusers.levels} levels`);
  });

  test('guidance in an interval draws what diffusers draws with a callback', async (t) => {
    const file = join(dir, 'interval.yaml');
    const demo = await readFile(join(REPO, 'examples/demo.yaml'), 'utf8');
    assert.match(demo, /guidanceScale: 3\b/);
    const interval = 'guidanceScale: 3, guidanceInterval: {start: 0.25, stop: 0.7}';
    await writeFile(file, demo.replace(/guidanceScale: 3\b/, interval));
    const trial = ['--batch-size', '2', '--steps', '8', '--source', SOURCE];
    const { report } = await check(exported, '--file', file, ...trial);
    assert.equal(report.diffusers.isEqual, true, JSON.stringify(report));
    t.diagnostic(`latents within ${report.diffusers.latents}, images within ${report.diffusers.levels} levels`);
  });

  test('optimised for CUDA it is half the size, and a CPU says why it cannot run it', async () => {
    const fused = join(dir, 'cuda');
    const { code, stderr, why } = await cli('optimize', exported, '--output', fused, '--for', 'cuda');
    assert.equal(code, 0, why);
    assert.match(stderr, /^unet: .*NhwcConv/m);
    const size = async (folder: string) => (await readFile(join(folder, 'unet/model.onnx'))).length;
    assert.ok((await size(fused)) < 0.6 * (await size(exported)));
    const refused = await cli('check', fused, '--provider', 'cpu');
    assert.equal(refused.code, 78, refused.why);
    assert.match(refused.stderr, /unet\/model\.onnx is optimised for CUDA \(\w+\) and cannot run on the CPU/);
  });

  test('the gates of a dataset judge the trial batch', async () => {
    const { report } = await check(exported, '--file', 'examples/demo.yaml');
    assert.deepEqual(
      report.gates.map(({ name, scores }: { name: string; scores: number[] }) => [name, scores.length]),
      ['sex', 'age', 'race', 'finding'].map((name) => [name, report.batchSize]),
    );
  });

  test('what cannot be exported is said before it is tried, and nothing is left', async () => {
    const output = join(dir, 'none');
    const refused = async (source: string, env: NodeJS.ProcessEnv = {}) => {
      const outcome = await runCli(['model', 'export', source, '-o', output], env);
      assert.deepEqual(
        (await readdir(dir)).filter((name) => name.startsWith('none')),
        [],
      );
      return `${outcome.code} ${outcome.stderr.trim().split('\n').at(-1)}`;
    };
    assert.match(await refused(dir), /^2 .* is not a diffusers pipeline: there is no model_index\.json/);
    assert.match(await refused(exported), /^2 .* holds ONNX graphs already/);
    assert.match(
      await refused('hf:owner/name', { HF_ENDPOINT: 'http://127.0.0.1:9' }),
      /^75 hf:owner\/name cannot be downloaded: http:\/\/127\.0\.0\.1:9 cannot be reached/,
    );
    const { code, stderr } = await runCli(['model', 'export', SOURCE, '-o', exported]);
    assert.equal(code, 2);
    assert.match(stderr, /exported exists; nothing was changed: remove it, or name another folder/);
  });
});

test('a full disk is said as such, and leaves nothing behind', { skip: await missingPython() }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-full-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const command = `mount -t tmpfs -o size=6m none ${dir} && "$0" cli/main.ts model export ${SOURCE} -o ${dir}/x; code=$?; ls ${dir}; exit $code`;
  const outcome = await promisify(execFile)('unshare', ['-rm', 'sh', '-c', command, process.execPath], {
    cwd: REPO,
  }).catch((error) => error);
  assert.equal(outcome.code, 75, outcome.stderr);
  assert.match(outcome.stderr, /\/x: no space is left on the disk; free some, or choose another --output/);
  assert.equal(outcome.stdout, '');
});

test('without Python the missing package is named', async () => {
  const { code, stderr } = await runCli(['model', 'export', SOURCE, '-o', '/tmp/none'], { PATH: '/nowhere' });
  assert.equal(code, 2);
  assert.match(stderr, /this command needs python3, 3\.11 or newer, with venv \(apt-get install/);
});
