import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Failure } from '../../contract/failure.ts';
import { REPO } from '../../test/support/cli.ts';
import { smallDataset } from '../../test/support/dataset.ts';
import { writeEndlessGate } from '../../test/support/endless-gate.ts';
import { type Engine, startEngine } from './engine.ts';
import type { StartMessage } from './messages.ts';
import type { EngineCommand } from './process.ts';

const phantom: Omit<StartMessage, 'type' | 'protocol'> = {
  model: join(REPO, 'models/phantom'),
  sampling: { steps: 2, guidanceScale: 3, negativePrompt: '', height: 128, width: 128 },
  batchSize: 2,
  provider: 'cpu',
  threads: 1,
  gates: [],
  encoder: null,
};

const requests = [1, 2].map((seed) => ({ prompt: '63 year old female', seed, axes: {}, exact: {} }));

const isAlive = (pid: number): Promise<boolean> =>
  readFile(`/proc/${pid}/stat`, 'utf8').then(
    (stat) => !/\) Z /.test(stat),
    () => false,
  );

async function waiting(t: TestContext, seconds: number, crashSeed?: number): Promise<EngineCommand> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-engine-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const program = join(REPO, 'test/support/waiting-engine.py');
  const crash = crashSeed === undefined ? [] : [String(crashSeed)];
  return { argv: ['python3', program, String(seconds), join(dir, 'log'), ...crash], env: {} };
}

async function started(t: TestContext, engine: Engine): Promise<Engine> {
  t.after(() => engine.close());
  await engine.ready;
  return engine;
}

test('a crash inside the engine costs one batch: it is made again, with the same pixels', async (t) => {
  const crashes: string[] = [];
  const engine = await started(t, startEngine({ start: phantom, onCrash: (what) => crashes.push(what) }));
  assert.equal(engine.provider, 'cpu');
  const before = await engine.sample(requests);
  const open = [engine.sample(requests), engine.sample(requests)];
  process.kill(engine.pid!, 'SIGSEGV');
  assert.deepEqual(await Promise.all(open), [before, before]);
  assert.equal(crashes.length, 1);
  assert.match(crashes[0]!, /^engine \d+ was ended by SIGSEGV; 2 images are made again$/);
});

test('a batch at which the engine crashes again and again fails, with the signal and the fix', async (t) => {
  const engine = await started(t, startEngine({ start: phantom, command: await waiting(t, 0.01, 2) }));
  await assert.rejects(engine.sample(requests), (error: Failure) => {
    assert.deepEqual([error.reason, error.retryable], ['EngineCrashed', true]);
    assert.match(
      error.message,
      /was ended by SIGABRT, as 3 times at the same batch of 2 images \(seeds 1, 2\); .*lower/,
    );
    return true;
  });
  assert.equal((await engine.sample(requests.slice(0, 1))).length, 1, 'other batches are made');
});

test('an engine that says nothing while it has work is ended', async (t) => {
  const command = await waiting(t, 60);
  const crashes: string[] = [];
  const engine = startEngine({ start: phantom, command, stallMs: 1500, onCrash: (what) => crashes.push(what) });
  await started(t, engine);
  engine.sample(requests).catch(() => {});
  while (crashes.length === 0) await sleep(50);
  assert.match(crashes[0]!, /gave no sign of life for 2 s/);
});

test('a graph that never ends is ended like a crash', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-engine-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await writeEndlessGate(dir, 128);
  const gate = { ...smallDataset().spec.quality.gates[1]!, axis: 'sex', modelUri: dir };
  const crashes: string[] = [];
  const start = { ...phantom, gates: [{ gate, dir, values: [] }] };
  process.env.COHORTFARM_ENGINE_STALL_SECONDS = '6';
  t.after(() => void delete process.env.COHORTFARM_ENGINE_STALL_SECONDS);
  const engine = startEngine({ start, onCrash: (what) => crashes.push(what) });
  engine.ready.catch(() => {});
  while (crashes.length === 0) await sleep(50);
  engine.close();
  assert.match(crashes[0]!, /^engine \d+ gave no sign of life for 6 s while it started; it starts again$/);
});

test('a bound on silence that is not a number of seconds is refused', (t) => {
  process.env.COHORTFARM_ENGINE_STALL_SECONDS = 'soon';
  t.after(() => void delete process.env.COHORTFARM_ENGINE_STALL_SECONDS);
  assert.throws(
    () => startEngine({ start: phantom }),
    /COHORTFARM_ENGINE_STALL_SECONDS is "soon", not a number of seconds above 0/,
  );
});

test('a closed engine ends in the middle of its work, and what was open fails as stopped', async (t) => {
  const engine = await started(t, startEngine({ start: phantom, command: await waiting(t, 60) }));
  const { pid } = engine;
  const open = engine.sample(requests);
  engine.close();
  await assert.rejects(open, (error: Failure) => error.reason === 'Retrying');
  while (await isAlive(pid!)) await sleep(20);
});

test('a model that cannot be loaded fails with its own reason, at once', async () => {
  const engine = startEngine({ start: { ...phantom, model: '/nowhere' } });
  await assert.rejects(engine.ready, (error: Failure) => error.reason === 'ModelInvalid' && !error.retryable);
});

test('an engine that is closed in the pause before its third start does not start again', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-engine-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const log = join(dir, 'starts');
  const command = { argv: ['sh', '-c', 'echo started >> "$0"; exit 1', log], env: {} };
  const twice = Promise.withResolvers<void>();
  let crashes = 0;
  const onCrash = (): void => {
    if (++crashes === 2) twice.resolve();
  };
  const engine = startEngine({ start: phantom, command, onCrash });
  await twice.promise;
  engine.close();
  await assert.rejects(engine.ready, (error: Failure) => error.reason === 'Retrying');
  assert.equal(await readFile(log, 'utf8'), 'started\nstarted\n');
});

test('an engine of another protocol version fails for good, at its first start', async (t) => {
  const { argv, env } = await waiting(t, 0);
  const command = { argv, env: { ...env, ENGINE_PROTOCOL: '1' } };
  const crashes: string[] = [];
  const engine = startEngine({ start: phantom, command, onCrash: (what) => crashes.push(what) });
  await assert.rejects(engine.ready, (error: Failure) => {
    assert.deepEqual([error.reason, error.retryable], ['ProviderUnavailable', false]);
    assert.match(error.message, /speaks version 1 of the engine protocol, and this worker version 3; install/);
    return true;
  });
  assert.deepEqual(crashes, []);
});
