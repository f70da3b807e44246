import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { S3 } from '@aws-sdk/client-s3';
import { isRetryable } from '../../contract/failure.ts';
import { openStore, StoreError } from '../../platform/store/store.ts';
import { startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { describeStore } from '../support/store-behaviour.ts';

const TAR = { contentType: 'application/x-tar' };
const MIB = 1024 * 1024;
const skip = await missingForServers();

describe('a real S3 server', { skip }, async () => {
  const server = await startS3Server();
  const { options } = server;
  const s3 = new S3({ ...options, forcePathStyle: true });
  await server.createBucket('cohorts');
  after(() => server.stop());

  describeStore('S3', (place) => openStore(`s3://cohorts/${place}`, options));

  describe('bodies in parts', () => {
    const store = openStore('s3://cohorts/large', options);
    // Odd chunk sizes, so that chunks and parts do not line up.
    const chunks = Array.from({ length: 23 }, () => randomBytes(3 * MIB + 7));
    const whole = Buffer.concat(chunks);

    it('have one winner, whose bytes stay', async () => {
      const bodies = [chunks, randomBytes(65 * MIB), randomBytes(65 * MIB + 1)];
      const outcomes = await Promise.all(bodies.map((body) => store.create('race.tar', body, TAR)));
      assert.deepEqual([...outcomes].sort(), ['created', 'exists', 'exists']);
      const winner = bodies[outcomes.indexOf('created')]!;
      const expected = winner instanceof Uint8Array ? winner : whole;
      assert.ok(Buffer.from((await store.get('race.tar'))!).equals(expected));
      assert.equal(await store.create('race.tar', chunks, TAR), 'exists');
    });

    it('can be replaced and read by range', async () => {
      await store.replace('model.onnx', Buffer.from('small'), TAR);
      await store.replace('model.onnx', chunks, TAR);
      assert.deepEqual(await store.stat('model.onnx'), { size: whole.length });
      const range = { start: 16 * MIB - 5, end: 16 * MIB + 5 };
      assert.ok(Buffer.from((await store.get('model.onnx', range))!).equals(whole.subarray(range.start, range.end)));
    });

    it('leave no unfinished upload behind', async () => {
      assert.deepEqual((await s3.listMultipartUploads({ Bucket: 'cohorts' })).Uploads ?? [], []);
    });
  });

  it('keeps the content type and a SHA-256 checksum', async () => {
    await openStore('s3://cohorts/meta', options).create('a.tar', Buffer.from('x'), TAR);
    const head = await s3.headObject({ Bucket: 'cohorts', Key: 'meta/a.tar', ChecksumMode: 'ENABLED' });
    assert.equal(head.ContentType, TAR.contentType);
    assert.equal(head.ChecksumSHA256, createHash('sha256').update('x').digest('base64'));
  });

  describe('errors', () => {
    const wrongSecret = { ...options.credentials, secretAccessKey: 'wrongsecretwrongsecret' };
    const wrongKey = { ...options.credentials, accessKeyId: 'wrongkeywrongkey' };
    const cases: [string, Parameters<typeof openStore>, RegExp][] = [
      ['no bucket', ['s3://missing/a', options], /the bucket does not exist \(404 NoSuchBucket\): create it/],
      ['a wrong secret', ['s3://cohorts/a', { ...options, credentials: wrongSecret }], /the secret key is wrong/],
      ['a wrong key', ['s3://cohorts/a', { ...options, credentials: wrongKey }], /the access key is unknown/],
    ];
    for (const [name, place, message] of cases) {
      it(`${name}: terminal, with the fix, without a secret`, async () => {
        const store = openStore(...place);
        await assertFails(() => store.get('key'), { message, retryable: false });
        await assertFails(() => store.create('key', Buffer.from('x'), TAR), { message, retryable: false });
        await assertFails(() => Array.fromAsync(store.list('')), { message, retryable: false });
        await assertFails(() => store.remove(['key']), { message, retryable: false });
        await assertFails(() => store.stat('key'), { message, retryable: false });
      });
    }

    it('an object that is a prefix of others is refused here, and says so', async () => {
      const store = openStore('s3://cohorts/parents', options);
      await store.create('a/b', Buffer.from('x'), TAR);
      await assertFails(() => store.create('a', Buffer.from('x'), TAR), { message: /parents\/a/, retryable: false });
    });

    it('a stopped server: retryable', async () => {
      const stopped = await startS3Server();
      await stopped.createBucket('cohorts');
      const store = openStore('s3://cohorts/a', stopped.options);
      assert.equal(await store.create('key', Buffer.from('x'), TAR), 'created');
      await stopped.kill();
      const message = /nothing listens at the endpoint \(ECONNREFUSED\): check the endpoint/;
      await assertFails(() => store.get('key'), { message, retryable: true });
      await assertFails(() => store.create('key', Buffer.from('x'), TAR), { message, retryable: true });
      await stopped.stop();
    });
  });

  async function assertFails(call: () => Promise<unknown>, expected: { message: RegExp; retryable: boolean }) {
    await assert.rejects(call, (error: unknown) => {
      assert.ok(error instanceof StoreError, String(error));
      assert.match(error.message, expected.message);
      assert.equal(isRetryable(error), expected.retryable);
      const shown = inspect(error, { depth: Infinity, showHidden: true });
      for (const secret of [server.secretKey, server.accessKey, 'wrongsecret', 'wrongkey']) {
        assert.ok(!shown.includes(secret), shown);
      }
      return true;
    });
  }
});
