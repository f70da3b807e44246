import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { sha256 } from '../../contract/digest.ts';
import { exportDataset } from '../../dataset/export/export.ts';
import { openStore } from '../../platform/store/store.ts';
import { testSigner } from '../support/certificates.ts';
import { childrenOf, REPO, runCli, startCli } from '../support/cli.ts';
import { SMALL_DEMO_SAMPLES, shardDigests, writeSmallDemo } from '../support/demo.ts';
import { folderDigests } from '../support/folder.ts';

/** The whole path on one machine, with the embedded model: grow, verify, replay; stopped, killed, and damaged. */

let dir: string;
let file: string;
let reference: Record<string, string>;

/** The stored parts of unfinished shards. */
async function partsIn(output: string): Promise<string[]> {
  const names = await readdir(join(output, '_work'), { recursive: true }).catch(() => []);
  return names.filter((name) => name.endsWith('.tar'));
}

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cohortfarm-e2e-'));
  file = await writeSmallDemo(dir);
  const output = join(dir, 'reference');
  const { code, stderr } = await runCli(['run', '-f', file, '-o', output, '--workers', '1']);
  assert.equal(code, 0, stderr);
  reference = await shardDigests(output);
});

after(() => rm(dir, { recursive: true, force: true }));

test('a grown dataset verifies, and images were rejected on the way', async () => {
  const { code, stdout, stderr } = await runCli(['verify', join(dir, 'reference'), '--json']);
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), {
    uri: pathToFileURL(join(dir, 'reference')).href,
    ok: true,
    images: SMALL_DEMO_SAMPLES,
    shortfall: 0,
    signedBy: null,
    faults: [],
  });
  const manifest = JSON.parse(await readFile(join(dir, 'reference/dataset.json'), 'utf8'));
  assert.ok(manifest.samples.attempts > SMALL_DEMO_SAMPLES, 'gates have work');
});

test('four workers write the same shards as one, and F4: the same signed images', async () => {
  const output = join(dir, 'four');
  const { code, stderr } = await runCli(['run', '-f', file, '-o', output, '--workers', '4']);
  assert.equal(code, 0, stderr);
  assert.deepEqual(await shardDigests(output), reference);
  await assertEqualWhenSigned(output);
});

/** Images with content credentials are the same files, however many workers grew the dataset. */
async function assertEqualWhenSigned(output: string): Promise<void> {
  const signed = async (from: string, to: string): Promise<Record<string, string>> => {
    const [source, target] = [openStore(from), openStore(to)];
    const signer = await testSigner();
    await exportDataset({ source, target, format: 'imagefolder', bodyPart: '', signer, onShard: () => {} });
    return folderDigests(to);
  };
  const expected = await signed(join(dir, 'reference'), join(dir, 'reference-signed'));
  assert.equal(Object.keys(expected).length, SMALL_DEMO_SAMPLES + 2, 'a table and export.json beside the images');
  assert.deepEqual(await signed(output, `${output}-signed`), expected);
}

/** Kills a process; false for one that has ended meanwhile. */
function killed(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

test('workers and the command killed at random moments and run again write the same shards', async () => {
  const output = join(dir, 'killed');
  let kills = 0;
  for (let round = 0; ; round++) {
    assert.ok(round < 40, 'the work gets done');
    const run = startCli(['run', '-f', file, '-o', output, '--workers', '4']);
    let ended = false;
    void run.outcome.then(() => {
      ended = true;
    });
    while (!ended) {
      await new Promise((resolve) => setTimeout(resolve, 700 + Math.random() * 1300));
      const workers = ended ? [] : await childrenOf(run.process.pid!);
      const victim = round % 3 === 0 ? run.process.pid : workers[Math.floor(Math.random() * workers.length)];
      if (ended || victim === undefined || kills >= 12) continue;
      if (killed(victim)) kills++;
    }
    if ((await run.outcome).code === 0) break;
  }
  assert.ok(kills > 3, `${kills} processes were killed`);
  assert.deepEqual(await shardDigests(output), reference);
  await assertEqualWhenSigned(output);
  assert.equal((await runCli(['verify', output])).code, 0);
});

test('A6: exhausted samples cost no other image: Fail publishes nothing, and Shortfall what is there', async () => {
  const output = join(dir, 'short');
  const withPolicy = (onExhausted: 'Fail' | 'Shortfall') =>
    writeSmallDemo(dir, (spec) => {
      spec.quality.maxAttempts = 1;
      spec.quality.onExhausted = onExhausted;
    });
  const runAs = async (onExhausted: 'Fail' | 'Shortfall') =>
    runCli(['run', '-f', await withPolicy(onExhausted), '-o', output, '--workers', '2']);
  const withheld = await runAs('Fail');
  assert.equal(withheld.code, 3, withheld.stderr);
  assert.match(
    withheld.stderr,
    /\d+ of 48 samples failed all 1 attempts, .* set spec\.quality\.onExhausted: Shortfall/,
  );
  const shards = await shardDigests(output);
  assert.equal(Object.keys(shards).length, 4);
  assert.ok(!(await readdir(output)).includes('dataset.json'));
  const published = await runAs('Shortfall');
  assert.equal(published.code, 3, published.stderr);
  assert.deepEqual(await shardDigests(output), shards);
  const { code, stdout } = await runCli(['verify', output, '--json']);
  const { faults, images, shortfall } = JSON.parse(stdout);
  assert.deepEqual([code, faults, images + shortfall, shortfall > 0], [3, [], 48, true]);
});

test('Ctrl-C stores what is accepted, and the next run resumes from there', async () => {
  const output = join(dir, 'stopped');
  const run = startCli(['run', '-f', file, '-o', output, '--workers', '2']);
  while ((await partsIn(output)).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
  run.process.kill('SIGINT');
  const { code, stderr } = await run.outcome;
  assert.equal(code, 75, stderr);
  assert.match(stderr, /run the same command again to resume/);
  assert.ok((await partsIn(output)).length > 0, 'finished parts are kept');
  assert.equal((await runCli(['run', '-f', file, '-o', output, '--workers', '2'])).code, 0);
  assert.deepEqual(await shardDigests(output), reference);
});

test('a second plan at the same place is refused and nothing is overwritten', async () => {
  const other = await writeSmallDemo(dir, (spec) => {
    spec.seed = 43;
  });
  const output = join(dir, 'reference');
  const before = sha256(await readFile(join(output, 'dataset.json')));
  const { code, stderr } = await runCli(['run', '-f', other, '-o', output]);
  assert.equal(code, 78, stderr);
  assert.match(stderr, /belongs to plan \w+ of dataset "phantom-demo".* nothing was changed: choose another output/);
  assert.equal(sha256(await readFile(join(output, 'dataset.json'))), before);
  assert.deepEqual(await shardDigests(output), reference);
});

test('one flipped byte of one shard is found and the shard is named', async () => {
  const output = join(dir, 'four');
  const shard = join(output, 'shards/phantom-demo-000001.tar');
  const bytes = await readFile(shard);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  await writeFile(shard, bytes);
  const { code, stderr } = await runCli(['verify', output]);
  assert.equal(code, 1);
  assert.match(stderr, /^shards\/phantom-demo-000001\.tar: has SHA-256 /m);
  assert.match(stderr, /NOT verified: 1 fault/);
});

test('a sample is regenerated byte for byte', async () => {
  const { code, stdout, stderr } = await runCli(['replay', join(dir, 'reference'), '000000017', '--json']);
  assert.equal(code, 0, stderr);
  const { identical, maxDifference, hardware, publishedOn } = JSON.parse(stdout);
  assert.deepEqual({ identical, maxDifference }, { identical: true, maxDifference: 0 });
  assert.deepEqual({ hardware, publishedOn }, { hardware: 'cpu', publishedOn: 'cpu' });
});

test('M4: a sample is regenerated on hardware that is asked for, or not at all', async () => {
  const args = ['replay', join(dir, 'reference'), '000000017', '--provider'];
  const cpu = await runCli([...args, 'cpu']);
  assert.equal(cpu.code, 0, cpu.stderr);
  assert.match(cpu.stdout, /identical to the published image, byte for byte/);
  const unknown = await runCli([...args, 'tpu']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /--provider.*auto, cpu, cuda/);
});

test('a complete dataset that has lost a shard is a failure, and the advice fixes it', async () => {
  const output = join(dir, 'killed');
  const args = ['run', '-f', file, '-o', output, '--workers', '1'];
  await rm(join(output, 'shards/phantom-demo-000002.tar'));
  const lost = await runCli(args);
  assert.equal(lost.code, 78);
  assert.match(
    lost.stderr,
    /shards\/phantom-demo-000002\.tar is missing although the dataset was complete; restore it, or remove/,
  );
  await rm(join(output, 'records/000002.json'));
  await rm(join(output, 'dataset.json'));
  assert.equal((await runCli(args)).code, 0);
  assert.deepEqual(await shardDigests(output), reference);
});

test('a model that does not load blocks nothing: with the model mended the same place is used', async () => {
  const model = join(dir, 'model');
  await cp(join(REPO, 'models/phantom'), model, { recursive: true });
  const graph = join(model, 'vae_decoder/model.onnx');
  const bytes = await readFile(graph);
  await writeFile(graph, bytes.subarray(0, 1000));
  const broken = await writeSmallDemo(dir, (spec) => {
    spec.model.uri = model;
  });
  const output = join(dir, 'mended');
  const failed = await runCli(['run', '-f', broken, '-o', output]);
  assert.equal(failed.code, 78, failed.stderr);
  assert.match(failed.stderr, /vae_decoder\/model\.onnx is not an ONNX graph: it is cut off/);
  await writeFile(graph, bytes);
  const mended = await runCli(['run', '-f', broken, '-o', output, '--workers', '2']);
  assert.equal(mended.code, 0, mended.stderr);
  assert.deepEqual(await shardDigests(output), reference);
});
