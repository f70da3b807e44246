import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { QueueError } from '../../platform/queue/errors.ts';
import { startNats } from '../../testbed/servers/nats.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { makeUsers } from './nats-users.ts';
import { adminOf, closeAll, DIGEST, eventually, workerOf } from './support.ts';

/** A server that wants credentials. */

describe('a server that wants credentials', { skip: await missingForServers() }, () => {
  after(closeAll);

  test('refuses strangers with a reason, and lets in whoever renews the file', async () => {
    const users = makeUsers();
    const nats = await startNats(users.config);
    const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-nats-'));
    const credentials = join(dir, 'nats.creds');
    await writeFile(credentials, users.unknown);
    const admin = adminOf(nats.url, 3, { credentials });
    const uid = randomUUID();
    await eventually('refused', () => /the credentials are refused/.test(admin.problem ?? ''));
    await assert.rejects(admin.state(uid), (error: QueueError) => !error.retryable);
    await assert.rejects(workerOf(nats.url, uid, { credentials }), /the credentials are refused/);
    await assert.rejects(workerOf(nats.url, uid), /the credentials are refused/);
    await writeFile(credentials, users.known);
    await eventually('connected', () => admin.connected);
    await admin.ensureStreams(uid);
    await admin.fill(uid, DIGEST, [0]);
    const worker = await workerOf(nats.url, uid, { credentials });
    assert.equal((await worker.next())!.shard, 0);
    await closeAll();
    await nats.stop();
    await rm(dir, { recursive: true });
  });
});
