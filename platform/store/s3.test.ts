import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { isRetryable } from '../../contract/failure.ts';
import { type ObjectStore, openStore, StoreError } from './store.ts';

const TEXT = { contentType: 'text/plain' };
const SECRET = 'wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY';
const credentials = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: SECRET, sessionToken: `token${SECRET}` };

/** The server's answer to one request. */
interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
  /** Cuts the connection after the body, whatever Content-Length promised. */
  cut?: boolean;
}

/** A server that misbehaves on purpose, which a real one cannot be made to do. The last answer repeats. */
async function serve(answers: readonly Answer[]): Promise<{ store: ObjectStore; requests: string[] }> {
  const requests: string[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { status, headers, body, cut } = answers[Math.min(requests.length, answers.length - 1)]!;
    requests.push(`${request.method} ${request.headers['if-none-match'] ?? ''}`.trim());
    request.resume().on('end', () => {
      response.writeHead(status, headers);
      if (cut) response.write(body ?? '', () => response.destroy());
      else response.end(request.method === 'HEAD' ? undefined : body);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => server.close().closeAllConnections());
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { store: openStore('s3://cohorts/set', { endpoint, credentials, maxAttempts: 2 }), requests };
}

function s3Error(status: number, code: string, extra = ''): Answer {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>said no ${extra}</Message></Error>`;
  return { status, headers: { 'content-type': 'application/xml' }, body };
}

const OK: Answer = { status: 200, headers: { etag: '"e"' }, body: 'hello' };

describe('S3: what the client does not retry by itself', () => {
  it('is tried again: a conditional write that met another one', async () => {
    const { store, requests } = await serve([s3Error(409, 'ConditionalRequestConflict'), OK]);
    assert.equal(await store.create('key', Buffer.from('x'), TEXT), 'created');
    assert.deepEqual(requests, ['PUT *', 'PUT *']);
  });

  it('ends as "exists" when the other one won', async () => {
    const { store } = await serve([s3Error(409, 'ConditionalRequestConflict'), s3Error(412, 'PreconditionFailed')]);
    assert.equal(await store.create('key', Buffer.from('x'), TEXT), 'exists');
  });

  it('is tried again: an answer that broke off', async () => {
    const broken: Answer = { ...OK, headers: { etag: '"e"', 'content-length': '5' }, body: 'he', cut: true };
    const { store, requests } = await serve([broken, broken, OK]);
    assert.equal(Buffer.from((await store.get('key'))!).toString(), 'hello');
    assert.equal(requests.length, 3);
    const { store: hopeless } = await serve([broken]);
    await assert.rejects(
      hopeless.get('key'),
      (error) => isRetryable(error) && /cut off or damaged/.test(String(error)),
    );
  });

  it('is no condition when an object is replaced', async () => {
    const { store, requests } = await serve([OK]);
    await store.replace('key', Buffer.from('x'), TEXT);
    assert.deepEqual(requests, ['PUT']);
  });

  it('cuts the range itself when the server sends everything', async () => {
    const { store } = await serve([OK]);
    assert.equal(Buffer.from((await store.get('key', { start: 1, end: 3 }))!).toString(), 'el');
  });
});

describe('S3: errors', () => {
  const page = { status: 200, headers: { 'content-type': 'text/html' }, body: '<html><body>Log in</body></html>' };
  const terminal: [string, Answer, RegExp][] = [
    ['no bucket', s3Error(404, 'NoSuchBucket'), /the bucket does not exist \(404 NoSuchBucket\): create it/],
    ['no permission', s3Error(403, 'AccessDenied'), /access is denied \(403 AccessDenied\): grant s3:GetObject/],
    ['unknown key', s3Error(403, 'InvalidAccessKeyId'), /access key is unknown .*: check the access key/],
    ['wrong secret', s3Error(403, 'SignatureDoesNotMatch'), /secret key is wrong .*: check the access key/],
    ['clock', s3Error(403, 'RequestTimeTooSkewed'), /clock is wrong .*: set this machine's clock/],
    ['region', s3Error(301, 'PermanentRedirect'), /another region .*: set the region/],
    [
      'no conditional writes',
      s3Error(501, 'NotImplemented'),
      /does not support .*: use a server with conditional writes/,
    ],
    ['a web page', page, /not an S3 server .*: set the endpoint to the S3 API/],
    ['a missing web page', { ...page, status: 404 }, /not an S3 server/],
    ['a bad request', s3Error(400, 'InvalidRequest'), /said no/],
  ];
  for (const [name, answer, message] of terminal) {
    it(`${name}: terminal`, async () => {
      const { store } = await serve([answer]);
      for (const call of callsOf(store)) await assertFails(call, message, false);
    });
  }

  const retryable: [string, Answer, RegExp][] = [
    ['throttling', s3Error(503, 'SlowDown'), /busy or failing \(503 .*\): try again later/],
    ['a fault', s3Error(500, 'InternalError'), /busy or failing/],
    ['a proxy without its server', { ...page, status: 502 }, /busy or failing/],
    ['an expired session', s3Error(400, 'ExpiredToken'), /session token has expired .*: renew/],
  ];
  for (const [name, answer, message] of retryable) {
    it(`${name}: retryable`, async () => {
      const { store } = await serve([answer]);
      for (const call of callsOf(store)) await assertFails(call, message, true);
    });
  }

  it('of the network are retryable and name the endpoint', async () => {
    const options = { credentials, maxAttempts: 1 };
    const nobody = openStore('s3://cohorts', { ...options, endpoint: 'http://127.0.0.1:9' });
    await assertFails(
      () => nobody.get('key'),
      /http:\/\/127.0.0.1:9: nothing listens .*ECONNREFUSED\): check the end/,
      true,
    );
    const nowhere = openStore('s3://cohorts', { ...options, endpoint: 'http://no-such-host.invalid' });
    await assertFails(() => nowhere.get('key'), /host name (is not known|cannot be looked up)/, true);
  });
});

/** One call of each kind. */
function callsOf(store: ObjectStore): (() => Promise<unknown>)[] {
  return [
    () => store.get('key'),
    () => store.stat('key'),
    () => store.create('key', Buffer.from('x'), TEXT),
    () => Array.fromAsync(store.list('')),
    () => store.remove(['key']),
  ];
}

async function assertFails(call: () => Promise<unknown>, message: RegExp, retryable: boolean): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof StoreError, String(error));
    assert.match(error.message, message);
    assert.match(error.message, /s3:\/\/cohorts/);
    assert.equal(isRetryable(error), retryable);
    assert.ok(error.cause instanceof Error, 'has a cause');
    return true;
  });
}
