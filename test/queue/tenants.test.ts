import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { inboxPrefix, live, progress, queue, reporterSubjects, workerSubjects } from '../../contract/cluster.ts';
import { createLogger } from '../../platform/log.ts';
import { answerCallouts, calloutConfig, makeCalloutKeys } from '../../platform/queue/callout.ts';
import { encodePayload } from '../../platform/queue/payload.ts';
import type { QueueAdmin, QueueEvent } from '../../platform/queue/types.ts';
import { type NatsServer, startNats } from '../../testbed/servers/nats.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { adminOf, closeAll, DIGEST, eventually, planEvent, shardEvent, workerOf } from './support.ts';

/** Two tenants at one server that asks who its clients are. */

const OPERATOR = 'the operator';
/** A publish pod or a training stage of dataset A. */
const REPORTER = 'a reporter';
/** A user that may publish nothing. */
const LISTENER = 'a listener';
const EVERYTHING = { publish: ['>'], subscribe: ['>'] };

describe('H4: a worker with the credentials of dataset A', { skip: await missingForServers() }, () => {
  const [a, b] = [randomUUID(), randomUUID()];
  let nats: NatsServer;
  let folder: string;
  let callouts: Awaited<ReturnType<typeof answerCallouts>>;
  let admin: QueueAdmin;
  let intruder: NatsConnection;
  const seen: QueueEvent[] = [];
  const violations: string[] = [];

  const tokenFile = async (token: string): Promise<string> => {
    const path = join(folder, randomUUID());
    await writeFile(path, `${token}\n`);
    return path;
  };
  const workerOptions = async (uid: string) => ({ token: await tokenFile(uid), inboxPrefix: inboxPrefix(uid) });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-tenants-'));
    const keys = makeCalloutKeys();
    nats = await startNats(calloutConfig(keys));
    const log = createLogger({ name: 'test', level: 'silent' });
    callouts = await answerCallouts({
      ...{ url: nats.url, keys, log },
      admit: async (token) => {
        if (token === OPERATOR) return { name: token, subjects: EVERYTHING };
        if (token === REPORTER) return { name: token, subjects: reporterSubjects(a) };
        if (token === LISTENER) return { name: token, subjects: { publish: [], subscribe: [live.step(a)] } };
        return token === a || token === b ? { name: token, subjects: workerSubjects(token) } : 'nobody knows it';
      },
    });
    admin = adminOf(nats.url, 3, { token: await tokenFile(OPERATOR) });
    for (const uid of [a, b]) {
      await admin.ensureStreams(uid);
      await admin.fill(uid, DIGEST, [0, 1]);
    }
    admin.watchProgress((event) => seen.push(event));
    intruder = await connect({ servers: nats.url, token: a, inboxPrefix: inboxPrefix(a) });
    void (async () => {
      for await (const status of intruder.status()) if (status.type === 'error') violations.push(String(status.error));
    })();
  });
  after(async () => {
    await intruder?.close();
    await closeAll();
    await callouts?.close();
    await nats?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('works through its own shards', async () => {
    const worker = await workerOf(nats.url, a, await workerOptions(a));
    const delivery = (await worker.next())!;
    worker.report({ worker: 'a-0', shard: 0, cells: [], since: { seconds: 2, accepted: 0, attempts: 4 } });
    await delivery.complete(shardEvent(delivery.shard));
    await eventually('the operator learns of it', () =>
      seen.some(({ uid, kind, event }) => uid === a && kind === 'shard' && event.shard === delivery.shard),
    );
    assert.equal((await admin.state(a))!.messages, 1);
    await (await worker.next())!.release();
    assert.equal((await admin.state(a))!.messages, 1, 'what it gives back is not lost');
  });

  const stream = queue.stream(b);
  const consumer = `${stream}.${queue.consumer}`;
  /** Each of them works for the operator, so that what refuses it is the permission; see the last test. */
  const REQUESTS: readonly (readonly [what: string, subject: string, payload: string])[] = [
    ['read the state of its stream', `$JS.API.STREAM.INFO.${stream}`, ''],
    ['read a message of it', `$JS.API.STREAM.MSG.GET.${stream}`, JSON.stringify({ last_by_subj: queue.subject(b) })],
    [
      'read its progress',
      `$JS.API.STREAM.MSG.GET.${progress.stream}`,
      JSON.stringify({ last_by_subj: progress.plan(b) }),
    ],
    ['read the state of its consumer', `$JS.API.CONSUMER.INFO.${consumer}`, ''],
    ['take a shard', `$JS.API.CONSUMER.MSG.NEXT.${consumer}`, '{"batch":1,"expires":500000000}'],
    ['list all streams', '$JS.API.STREAM.NAMES', '{}'],
    ['purge its stream', `$JS.API.STREAM.PURGE.${stream}`, '{}'],
    ['delete its consumer', `$JS.API.CONSUMER.DELETE.${consumer}`, ''],
    ['make a consumer of the progress', `$JS.API.CONSUMER.CREATE.${progress.stream}.spy`, '{}'],
  ];
  for (const [what, subject, payload] of REQUESTS) {
    test(`cannot ${what} of dataset B`, async () => {
      await assert.rejects(ask(intruder, inboxPrefix(a), [subject, payload], 700), /timeout/i);
      assert.ok(
        violations.some((text) => text.includes(subject)),
        `${subject}: ${violations.at(-1)}`,
      );
    });
  }

  test('cannot publish anything of dataset B: no plan, no shard, no live event, no task', async () => {
    const { data, headers } = encodePayload(planEvent(9));
    const subjects = [progress.plan(b), progress.shard(b, 0), live.subject(b), queue.subject(b)];
    for (const subject of subjects) intruder.publish(subject, data, { headers });
    await intruder.flush();
    await eventually('all are refused', () => subjects.every((one) => violations.some((text) => text.includes(one))));
    assert.deepEqual(
      seen.filter(({ uid }) => uid === b),
      [],
    );
    assert.equal((await admin.state(b))!.messages, 2);
  });

  test('cannot acknowledge what a worker of B holds, nor listen to what it is answered', async () => {
    const overheard: string[] = [];
    for (const subject of [`${inboxPrefix(b)}.>`, '_INBOX.>', 'cohortfarm.>', '>']) {
      intruder.subscribe(subject, { callback: (error, message) => void (error ?? overheard.push(message.subject)) });
    }
    const operator = await connect({ servers: nats.url, token: OPERATOR });
    const reply = (await ask(operator, '_INBOX', [`$JS.API.CONSUMER.MSG.NEXT.${consumer}`, '{"batch":1}'])).reply!;
    assert.match(reply, /^\$JS\.ACK\./);
    intruder.publish(reply, '+ACK');
    await intruder.flush();
    await sleep(300);
    assert.equal((await admin.state(b))!.inFlight, 1);
    assert.equal((await admin.state(b))!.messages, 2, 'not acknowledged');
    operator.publish(reply, '-NAK');
    await operator.flush();
    const worker = await workerOf(nats.url, b, await workerOptions(b));
    const delivery = (await worker.next())!;
    await delivery.complete(shardEvent(delivery.shard));
    assert.equal((await admin.state(b))!.messages, 1, 'by its own worker, it is');
    assert.deepEqual(overheard, []);
    await operator.close();
  });

  test('gets answers to the same requests as the operator', async () => {
    const operator = await connect({ servers: nats.url, token: OPERATOR });
    for (const [what, subject, payload] of REQUESTS.slice(0, 6)) {
      const answer = await ask(operator, '_INBOX', [subject, payload]);
      assert.doesNotMatch(answer.string(), /"error"/, what);
    }
    await operator.close();
  });

  test('cannot end the work of B by answers that it has sent into its stream', async () => {
    const digest = 'b'.repeat(64);
    await admin.remake(a);
    await admin.remake(b);
    await admin.fill(a, digest, [0]);
    await admin.fill(b, DIGEST, [0]);
    const own = `${queue.stream(a)}.${queue.consumer}`;
    intruder.publish(`$JS.API.CONSUMER.MSG.NEXT.${own}`, '{"batch":1}', { reply: queue.subject(b) });
    intruder.publish(`$JS.API.STREAM.INFO.${queue.stream(a)}`, '', { reply: queue.subject(b) });
    await eventually('they are there', async () => (await admin.state(b))!.messages > 1);
    const worker = await workerOf(nats.url, b, await workerOptions(b));
    const delivery = (await worker.next())!;
    assert.deepEqual([delivery.shard, delivery.deliveryCount], [0, 1]);
    await delivery.complete(shardEvent(0));
    assert.equal(await worker.next(), null);
    assert.equal((await admin.state(b))!.messages, 0, 'what is not of the plan is removed');
  });

  test('cannot, as a publish pod or training stage, subscribe to anything: only report', async () => {
    const reporter = await connect({ servers: nats.url, token: REPORTER });
    const operator = await connect({ servers: nats.url, token: OPERATOR });
    const [overheard, refused, received]: [string[], string[], string[]] = [[], [], []];
    const subjects = ['>', '_INBOX.>', `${inboxPrefix(b)}.>`, 'cohortfarm.>', live.subject(b), progress.ofDataset(b)];
    for (const subject of subjects)
      reporter.subscribe(subject, {
        callback: (error, message) => void (error ? refused.push(error.message) : overheard.push(message.subject)),
      });
    operator.subscribe(live.step(a), { callback: (_, message) => void received.push(message.string()) });
    await Promise.all([reporter.flush(), operator.flush()]);
    for (const subject of [`${inboxPrefix(b)}.1`, live.subject(b), progress.plan(b)])
      operator.publish(subject, 'secret');
    await operator.flush();
    reporter.publish(live.step(a), 'a report');
    await reporter.flush();
    await eventually('the report arrives', () => received.length > 0);
    await eventually('each is refused', () => refused.length === subjects.length);
    for (const [i, text] of refused.entries()) assert.match(text, /permissions violation/i, `${subjects[i]}: ${text}`);
    assert.deepEqual(overheard, []);
    assert.deepEqual(received, ['a report']);
    await Promise.all([reporter.close(), operator.close()]);
  });

  test('an empty list of subjects to publish to allows none', async () => {
    const listener = await connect({ servers: nats.url, token: LISTENER });
    const operator = await connect({ servers: nats.url, token: OPERATOR });
    const [received, refused]: [string[], string[]] = [[], []];
    void (async () => {
      for await (const status of listener.status()) if (status.type === 'error') refused.push(String(status.error));
    })();
    operator.subscribe(live.step(b), { callback: (_, message) => void received.push(message.string()) });
    await operator.flush();
    listener.publish(live.step(b), 'false');
    await listener.flush();
    await eventually('it is refused', () => refused.some((text) => /permissions violation/i.test(text)));
    assert.deepEqual(received, []);
    await Promise.all([listener.close(), operator.close()]);
  });

  test('is refused without a token, and with one that is not known, but not for good', async () => {
    await assert.rejects(connect({ servers: nats.url, reconnect: false }), /authorization/i);
    const stranger = workerOf(nats.url, b, { ...(await workerOptions('unknown')), timeoutMs: 3000 });
    await assert.rejects(stranger, (error: Error & { retryable: boolean }) => {
      assert.match(error.message, /refuses the token .*authenticator/);
      assert.doesNotMatch(error.message, /unknown/);
      return error.retryable;
    });
  });
});

/** One request; the answer to a pull keeps its own subject, which the client's own requests do not expect. */
async function ask(
  connection: NatsConnection,
  prefix: string,
  [subject, payload]: readonly [subject: string, payload: string],
  timeout = 3000,
): Promise<Msg> {
  const inbox = createInbox(prefix);
  const answers = connection.subscribe(inbox, { max: 1, timeout });
  connection.publish(subject, payload, { reply: inbox });
  for await (const answer of answers) return answer;
  throw new Error(`no answer to ${subject}`);
}
