import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { reporterSubjects } from '../../contract/cluster.ts';
import { createLogger } from '../../platform/log.ts';
import { answerCallouts, calloutConfig, makeCalloutKeys } from '../../platform/queue/callout.ts';
import { openStepReporter } from '../../platform/queue/step-reporter.ts';
import type { QueueEvent } from '../../platform/queue/types.ts';
import { type NatsServer, startNats } from '../../testbed/servers/nats.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { REPO } from '../support/cli.ts';
import { adminOf, closeAll, eventually } from './support.ts';

/** Reports of the publish pod and of training stages, as the operator gets them. */

const TRAINER = join(REPO, 'trainer/cohortfarm_trainer/reports.py');
/** Loads the module alone: it needs nothing but Python. */
const PROGRAM = `
import importlib.util, sys
spec = importlib.util.spec_from_file_location("reports", sys.argv[1])
reports = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reports)
one = reports.Reports("pretrain")
one.send(1200, 4000, 719.6)
if one.thread is not None: one.thread.join()
`;

describe('a report of progress', { skip: await missingForServers() }, () => {
  const uid = randomUUID();
  const seen: QueueEvent[] = [];
  let nats: NatsServer;
  let open: NatsServer;
  let folder: string;
  let token: string;
  let callouts: Awaited<ReturnType<typeof answerCallouts>>;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-reports-'));
    const keys = makeCalloutKeys();
    [nats, open] = await Promise.all([startNats(calloutConfig(keys)), startNats()]);
    const everything = { publish: ['>'], subscribe: ['>'] };
    callouts = await answerCallouts({
      ...{ url: nats.url, keys, log: createLogger({ name: 'test', level: 'silent' }) },
      admit: async (shown) => {
        const subjects = { [uid]: reporterSubjects(uid), operator: everything }[shown];
        return subjects ? { name: shown, subjects } : 'nobody knows it';
      },
    });
    token = join(folder, 'token');
    const own = join(folder, 'operator');
    await writeFile(token, `${uid}\n`);
    await writeFile(own, 'operator');
    const watches = [adminOf(nats.url, 3, { token: own }), adminOf(open.url)].map((admin) =>
      admin.watchProgress((event) => seen.push(event)),
    );
    await eventually('both are followed', () => watches.every((watch) => watch.current()));
  });
  after(async () => {
    await closeAll();
    await callouts?.close();
    await Promise.all([nats?.stop(), open?.stop()]);
    await rm(folder, { recursive: true, force: true });
  });

  const train = (env: Record<string, string>) =>
    promisify(execFile)('python3', ['-c', PROGRAM, TRAINER], { env: { PATH: process.env.PATH!, ...env } });
  const steps = () => seen.splice(0).filter(({ kind }) => kind === 'step');

  test('comes from the publish pod, with the time that is left', async () => {
    const reporter = openStepReporter({ url: nats.url, uid, token });
    let done = 0;
    const arrives = () => {
      reporter.report(Math.min(8, ++done), 9);
      return seen.length > 0;
    };
    await eventually('it arrives', arrives).finally(() => reporter.close());
    const [first] = steps();
    assert.ok(first?.kind === 'step' && first.uid === uid);
    const { secondsLeft, ...rest } = first.event;
    assert.ok(rest.done >= 1 && rest.done <= 8 && rest.all === 9, JSON.stringify(rest));
    assert.ok(rest.done === 1 || secondsLeft !== undefined);
  });

  test('counts the time that is left from the first report on, not from the start of the pod', async (t) => {
    const reporter = openStepReporter({ url: nats.url, uid, token });
    t.after(() => reporter.close());
    await sleep(3000);
    const begun = Date.now();
    await eventually('it arrives', () => {
      reporter.report(1, 11);
      return seen.length > 0;
    });
    await sleep(2100);
    reporter.report(6, 11);
    const elapsed = (Date.now() - begun) / 1000;
    await eventually('the second arrives', () => seen.some(({ kind, event }) => kind === 'step' && event.done === 6));
    reporter.report(11, 11);
    await eventually('the last arrives', () => seen.some(({ kind, event }) => kind === 'step' && event.done === 11));
    const [, second, last] = steps().flatMap((one) => (one.kind === 'step' ? [one.event] : []));
    assert.ok(second!.secondsLeft! <= elapsed + 1, `${second!.secondsLeft} s left after ${elapsed} s for as much`);
    assert.deepEqual(last, { done: 11, all: 11, secondsLeft: 0 });
  });

  test('comes from a trainer, with a token and without', async () => {
    const event = { stage: 'pretrain', done: 1200, all: 4000, secondsLeft: 720 };
    for (const env of [
      { COHORTFARM_NATS_URL: nats.url, COHORTFARM_NATS_TOKEN: token },
      // A server that does not answer is passed over.
      { COHORTFARM_NATS_URL: `nats://127.0.0.1:1,${open.url}` },
    ]) {
      await train({ ...env, COHORTFARM_DATASET_UID: uid });
      await eventually('it arrives', () => seen.length > 0);
      assert.deepEqual(steps(), [{ uid, kind: 'step', event }]);
    }
  });

  test('holds up no trainer, and fails none, where nobody listens or it may not report', async () => {
    await train({});
    await train({ COHORTFARM_NATS_URL: 'nats://127.0.0.1:1', COHORTFARM_DATASET_UID: uid });
    await train({ COHORTFARM_NATS_URL: nats.url, COHORTFARM_DATASET_UID: uid });
    await train({ COHORTFARM_NATS_URL: nats.url, COHORTFARM_NATS_TOKEN: token, COHORTFARM_DATASET_UID: 'another' });
    assert.deepEqual(steps(), []);
  });
});
