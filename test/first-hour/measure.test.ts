import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCli, startCli } from '../support/cli.ts';
import { writeSmallDemo } from '../support/demo.ts';

/** `cohortfarm plan --measure`: a few images grown for real, and nothing left of them. */

describe('F10: plan --measure', () => {
  let dir: string;
  let file: string;
  let env: NodeJS.ProcessEnv;
  /** Folders of the command; ONNX Runtime keeps files of its own there. */
  const left = async (): Promise<string[]> =>
    (await readdir(env.TMPDIR!)).filter((name) => name.startsWith('cohortfarm'));
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cohortfarm-measuring-'));
    file = await writeSmallDemo(dir);
    env = { TMPDIR: await mkdtemp(join(dir, 'tmp')) };
  });
  after(() => rm(dir, { recursive: true, force: true }));

  it('extrapolates what the first images took, and leaves nothing', async () => {
    const prices = ['--workers', '4', '--gpu-price', '0.5', '--storage-price', '0.02'];
    const { code, stdout, stderr } = await runCli(['plan', '-f', file, '--measure', '9', '--json', ...prices], env);
    assert.equal(code, 0, stderr);
    const { measured, estimate, samples } = JSON.parse(stdout);
    assert.ok(measured.accepted >= 9 && measured.attempts >= measured.accepted, stdout);
    const { imagesPerSecond, acceptance, imageBytes, workers } = estimate.assumed;
    assert.deepEqual([imagesPerSecond, imageBytes, workers], [measured.imagesPerSecond, measured.imageBytes, 4]);
    assert.equal(acceptance, measured.accepted / measured.attempts);
    assert.ok(imageBytes > 1000 && imageBytes < 128 * 128 * 2, `${imageBytes} bytes`);
    assert.equal(estimate.generated, Math.ceil(samples / acceptance));
    assert.ok(Math.abs(estimate.hours - estimate.generated / imagesPerSecond / 3600 / 4) < 1e-9);
    assert.ok(Math.abs(estimate.cost - estimate.deviceHours * 0.5) < 1e-9);
    assert.deepEqual(await left(), []);
  });

  it('of pairs, the measured share is that of whole pairs already', async () => {
    const pairs = await writeSmallDemo(dir, (spec) => {
      spec.quota.pairs = { axis: 'sex' };
    });
    const { code, stdout, stderr } = await runCli(['plan', '-f', pairs, '--measure', '10', '--json'], env);
    assert.equal(code, 0, stderr);
    const { measured, estimate, exhaustion, samples } = JSON.parse(stdout);
    const share = measured.accepted / measured.attempts;
    assert.ok(share < 0.9, 'some are rejected, or nothing is shown');
    assert.ok(Math.abs(estimate.generated - samples / share) <= 1, `${estimate.generated} for ${samples} at ${share}`);
    const failing = samples * (1 - share) ** 200;
    assert.ok(Math.abs(exhaustion.expected - failing) <= 1e-9 * failing, `${exhaustion.expected} for ${failing}`);
  });

  it('stopped, it leaves nothing either', async () => {
    const { process: child, outcome } = startCli(['plan', '-f', file, '--measure', '40'], env);
    while ((await left()).length === 0) await sleep(20);
    child.kill('SIGINT');
    const { code, stderr } = await outcome;
    assert.equal(code, 75, stderr);
    assert.match(stderr, /stopped; nothing was kept/);
    assert.deepEqual(await left(), []);
  });

  it('refuses what contradicts itself, and says what to write', async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['--measure', '0'], /--measure: "0" is not a number of images; write a whole number from 1 to 10000/],
      [['--measure', 'many'], /--measure: "many" is not a number of images/],
      [
        ['--measure', '1'],
        /--measure: 1 image is one batch \(spec\.workers\.batchSize: 8\), .*; measure more than that/,
      ],
      [['--measure', '8'], /--measure: 8 images are one batch/],
      [['--measure', '16', '--workers', '0'], /--workers: "0" is not a number of workers/],
      [['--measure', '16', '--gpu-price', 'x'], /--gpu-price: "x" is not a number above 0/],
      [['--measure', '16', '--storage-price', '-1'], /--storage-price: "-1" is not a number above 0/],
      [['--measure', '16', '--image-bytes', '0'], /--image-bytes: "0" is not a number above 0/],
      [['--measure', '16', '--prompts', 'x'], /--prompts: "x" is not a number of samples/],
      [['--measure', '8', '--images-per-second', '2'], /--images-per-second and --measure contradict each other/],
      [['--measure', '8', '--acceptance', '0.5'], /--acceptance and --measure contradict each other/],
      [['--estimate'], /--estimate needs --images-per-second.*--measure 16 finds out/],
      [['--estimate', '--images-per-second', '1', '--workers', 'x'], /--workers: "x" is not a number of workers/],
    ];
    for (const [args, message] of cases) {
      const { code, stderr } = await runCli(['plan', '-f', file, ...args], env);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /growing/i, 'before anything is grown');
      assert.equal(code, 2, stderr);
    }
  });
});
