import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { TRAINER } from '../../cli/train/venv.ts';
import { type Metrics, metricsSchema } from '../../contract/schema/metrics.ts';
import type { StageConfigInput } from '../../contract/schema/stage.ts';
import { publish } from '../../dataset/publish/publish.ts';
import { toEightBits } from '../../platform/image/image.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { until } from '../../testbed/replica.ts';
import { type S3Server, startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { loadGate } from '../../worker/gate/gate.ts';
import { runShard } from '../../worker/run-shard.ts';
import { childrenOf } from '../support/cli.ts';
import { drawImage, drawingContext, planOf, RUN, SIZE, smallDataset } from '../support/dataset.ts';
import { missingPython } from '../support/venv.ts';
import { trainerPython } from './python.ts';
import { runTrainer, startTrainer } from './run.ts';

/** Stages on a published dataset in S3, as containers run them: killed, stopped, in several processes, and gone wrong. */

const skip = (await missingForServers()) || (await missingPython());
const BUCKET = 's3://cohorts/small';

describe('a training stage', { skip }, () => {
  let server: S3Server;
  let store: ObjectStore;
  before(async () => {
    server = await startS3Server();
    await server.createBucket('cohorts');
    store = openStore(BUCKET, server.options);
    await grow(store);
  });
  after(() => server?.stop());

  const hyperparameters = { steps: 24, validateSteps: 6, loaderWorkers: 0, learningRate: 0.001 };
  const config = (name: string, more: object = {}): StageConfigInput => ({
    apiVersion: 'cohortfarm.dev/stage/v1',
    name,
    type: 'Pretrain',
    output: `${BUCKET}/training/${name}`,
    s3: { endpoint: server.endpoint, region: server.region, forcePathStyle: true },
    architecture: 'cnn-small',
    imageSize: 32,
    labels: ['edema'],
    ageBins: ['18-39', '40-90'],
    bootstraps: 100,
    train: { data: [BUCKET], hyperparameters: { ...hyperparameters, ...more } },
  });
  const metricsOf = async (name: string): Promise<Metrics> => {
    const bytes = await store.get(`training/${name}/metrics.json`);
    return metricsSchema.parse(JSON.parse(Buffer.from(bytes!).toString()));
  };
  /** Waits until the stage has written a checkpoint. */
  const checkpointOf = async (name: string): Promise<void> => {
    while ((await store.stat(`training/${name}/checkpoint.pt`)) === null) await sleep(50);
  };

  const kills: readonly [what: string, name: string, architecture: string, more: object][] = [
    ['a network of this package', 'cnn', 'cnn-small', { steps: 400, validateSteps: 100 }],
    [
      'a network of timm with a moving average',
      'timm',
      'timm/test_vit_relpos',
      { steps: 60, validateSteps: 15, ema: 0.9, layerDecay: 0.8, warmupSteps: 10, probeSteps: 5, clipNorm: 1 },
    ],
  ];
  for (const [what, name, architecture, more] of kills)
    it(`that is killed resumes from its checkpoint and ends as if it had not been: ${what}`, async () => {
      const [killed, whole] = [`killed-${name}`, `whole-${name}`];
      const configOf = (output: string) => ({ ...config(output, { ...more, checkpointSeconds: 1 }), architecture });
      const first = await startTrainer(configOf(killed), server.env);
      await checkpointOf(killed);
      first.process.kill('SIGKILL');
      assert.equal((await first.ended).signal, 'SIGKILL');
      assert.equal(await store.stat(`training/${killed}/metrics.json`), null, 'it was killed in the middle');
      const again = await runTrainer(configOf(killed), server.env);
      assert.equal(again.code, 0, again.stderr);
      assert.match(again.stderr, /resumes from the checkpoint of step \d+/);
      const undisturbed = await runTrainer(configOf(whole), server.env);
      assert.equal(undisturbed.code, 0, undisturbed.stderr);
      const [one, other] = [(await metricsOf(killed)).training!, (await metricsOf(whole)).training!];
      assert.deepEqual([one.steps, one.resumed, other.resumed], [other.plannedSteps, 1, 0]);
      assert.deepEqual(one.history, other.history);
      assert.equal(one.bestStep, other.bestStep);
      const graphOf = (output: string) => store.get(`training/${output}/model.onnx`);
      assert.deepEqual(await graphOf(killed), await graphOf(whole));
      const history = one.history.map(({ step, validationLoss }) => [step, Math.fround(validationLoss)]);
      assert.deepEqual(await eventsInS3(killed), { steps: one.steps, validations: history });
    });

  /** Event files, as TensorBoard itself reads them from S3: steps with a training loss, and what validations found. */
  async function eventsInS3(name: string): Promise<{ steps: number; validations: unknown }> {
    const keys: string[] = [];
    for await (const { key } of store.list(`training/${name}/events/`)) keys.push(key);
    const folder = keys[0]!.slice(0, keys[0]!.lastIndexOf('/'));
    const script = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
steps = [one.step for one in events.Scalars("train/loss")]
assert steps == sorted(set(steps))
print(json.dumps({"steps": steps[-1], "validations": [[one.step, one.value] for one in events.Scalars("validation/loss")]}))
`;
    const env = { ...process.env, ...server.env, S3_ENDPOINT: server.endpoint };
    const python = await trainerPython();
    const { stdout } = await promisify(execFile)(python, ['-c', script, `${BUCKET}/${folder}`], { env });
    return JSON.parse(stdout);
  }

  it('that is asked to stop saves, says so by its exit code, and goes on', async () => {
    const long = { steps: 2000, validateSteps: 500, checkpointSeconds: 1 };
    const stopped = await startTrainer(config('stopped', long), server.env);
    await checkpointOf('stopped');
    stopped.process.kill('SIGTERM');
    const { code, outcome, stderr } = await stopped.ended;
    assert.equal(code, 75, stderr);
    assert.equal(outcome?.reason, 'Training');
    const step = Number(/stopped at step (\d+)/.exec(outcome!.message)![1]);
    const again = await startTrainer(config('stopped', long), server.env);
    const seen = new Promise<string>((resolve) => {
      again.process.stderr!.on('data', (chunk) => {
        if (/resumes/.test(String(chunk))) resolve(String(chunk));
      });
    });
    assert.match(await seen, new RegExp(`resumes from the checkpoint of step ${step}\\b`));
    again.process.kill('SIGKILL');
    await again.ended;
  });

  it('that is asked to stop before it has begun ends at once, also as the first process of a container', async () => {
    const env = { ...server.env, PET_NPROC_PER_NODE: '2' };
    const { process: parent, ended } = await startTrainer(config('early'), env, ['unshare', '--pid', '--kill-child']);
    const status = async (pid: number) => readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    const first = await until('it listens to SIGTERM', async () => {
      const [pid] = await childrenOf(parent.pid!);
      const [, caught] = /^SigCgt:\s*(\w+)$/m.exec(pid === undefined ? '' : await status(pid)) ?? [];
      return caught !== undefined && BigInt(`0x${caught}`) & (1n << 14n) ? pid : null;
    });
    process.kill(first!, 'SIGTERM');
    const { code, stderr } = await ended;
    // Once it has begun, torchrun says that it was stopped.
    assert.deepEqual([code, stderr], [75, '']);
  });

  it('in two processes takes the same number of steps, each on a half', async () => {
    const { code, outcome, stderr } = await runTrainer(config('two', { batchSize: 8 }), {
      ...server.env,
      PET_NPROC_PER_NODE: '2',
    });
    assert.equal(code, 0, stderr);
    const { training, headline } = await metricsOf('two');
    assert.deepEqual([training!.processes, training!.steps], [2, 24]);
    assert.deepEqual(outcome?.metrics, headline);
  });

  it('leaves a classifier that serves as a gate, and says the same there', async () => {
    assert.equal((await runTrainer(config('gate'), server.env)).code, 0);
    const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-gate-'));
    try {
      for (const name of ['model.onnx', 'gate.json']) {
        await writeFile(join(dir, name), (await store.get(`training/gate/${name}`))!);
      }
      const gate = { name: 'finding', axis: 'finding', type: 'Classifier', modelUri: dir, multiLabel: true } as const;
      const values = ['no-finding', 'edema'];
      const loaded = await loadGate({ ...gate, minProbability: 0.5 }, dir, { provider: 'cpu', values });
      const sample = { axes: { finding: 'edema' }, exact: {} } as unknown as Parameters<typeof loaded.judge>[1][number];
      const image = drawImage(3);
      const [verdict] = await loaded.judge([image], [sample]);
      const expected = await scoreInPython(dir, toEightBits(image).data);
      assert.ok(Math.abs(verdict!.score - expected) < 0.02, `${verdict!.score} here, ${expected} in Python`);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  it('that has been done is not done again; another config keeps the old result', async () => {
    const before = await metricsOf('gate');
    const again = await runTrainer(config('gate'), server.env);
    assert.equal(again.code, 0);
    assert.match(again.stderr, /is done already/);
    assert.equal((await runTrainer(config('gate', { steps: 25 }), server.env)).code, 0);
    const kept = await store.get(`training/gate/kept/${before.configDigest.slice(0, 12)}/metrics.json`);
    assert.deepEqual(JSON.parse(Buffer.from(kept!).toString()), before);
    assert.equal((await metricsOf('gate')).training!.steps, 25);
  });

  describe('says what is wrong,', () => {
    const cases: readonly [
      name: string,
      change: object,
      env: NodeJS.ProcessEnv,
      code: number,
      reason: string,
      message: RegExp,
    ][] = [
      [
        'a config of other fields',
        { imageSize: '32', colour: 1 },
        {},
        2,
        'SpecInvalid',
        /'colour' was unexpected[\s\S]*imageSize: '32' is not of type 'integer'/,
      ],
      [
        'nothing at the URI',
        { train: { data: [`${BUCKET}-none`], hyperparameters } },
        {},
        2,
        'DataNotFound',
        /there is nothing at s3:\/\/cohorts\/small-none/,
      ],
      [
        'no such bucket',
        { train: { data: ['s3://no-such/x'], hyperparameters } },
        {},
        78,
        'BucketNotFound',
        /no bucket for s3:\/\/no-such\/x/,
      ],
      [
        'credentials that the store refuses',
        {},
        { AWS_SECRET_ACCESS_KEY: 'wrong' },
        78,
        'CredentialsRejected',
        /refuses access/,
      ],
      [
        'a store that is down',
        { s3: { endpoint: 'http://127.0.0.1:9' } },
        {},
        75,
        'StoreUnavailable',
        /cannot be reached now/,
      ],
      ['a label that the data does not know', { labels: ['fracture'] }, {}, 2, 'SpecInvalid', /labelled for fracture/],
    ];
    for (const [name, change, env, code, reason, message] of cases) {
      it(name, async () => {
        const ended = await runTrainer({ ...config('wrong'), ...change } as StageConfigInput, {
          ...server.env,
          ...env,
        });
        assert.equal(ended.code, code, ended.stderr);
        assert.equal(ended.outcome?.reason, reason);
        assert.match(ended.outcome!.message, message);
        assert.doesNotMatch(ended.stderr, /Traceback/);
      });
    }
  });
});

/** A published dataset of random images: what is learned from it means nothing, how it is read does. */
async function grow(store: ObjectStore): Promise<void> {
  const dataset = smallDataset((spec) => {
    spec.quota.samples = 240;
    spec.quota.axes.finding = { values: ['no-finding', 'edema'] };
    spec.output.shard = { samples: 50 };
  });
  const plan = planOf(dataset);
  for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, store), shard);
  await publish({ plan, dataset, ...RUN, store, version: '0.1.0' });
}

const SCORE = `
import io, sys
import numpy as np
import torch
from PIL import Image
from cohortfarm_trainer.data.images import decode
from cohortfarm_trainer.models import normalise
import onnxruntime
side = int(sys.argv[2])
buffer = io.BytesIO()
Image.fromarray(np.frombuffer(bytes.fromhex(sys.stdin.read()), np.uint8).reshape(side, side)).save(buffer, "PNG")
image = normalise(torch.from_numpy(decode(buffer.getvalue(), 32, "image").copy())[None, None])
logits = onnxruntime.InferenceSession(sys.argv[1]).run(None, {"image": image.numpy()})[0]
print(1 / (1 + np.exp(-logits[0, 1])))
`;

/** The probability of edema of a grey image as the trainer itself prepares and judges it. */
async function scoreInPython(dir: string, pixels: Uint8Array): Promise<number> {
  const child = spawn(await trainerPython(), ['-c', SCORE, join(dir, 'model.onnx'), String(SIZE)], {
    env: { ...process.env, PYTHONPATH: TRAINER, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(Buffer.from(pixels).toString('hex'));
  let output = '';
  for await (const chunk of child.stdout) output += chunk;
  return Number(output);
}
