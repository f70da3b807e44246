import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { openStore, StoreError } from './store.ts';

/** A server that keeps names only, ignores If-None-Match in some requests, and may refuse to remove anything. */
async function serve(ignores: readonly string[], { removes = true } = {}) {
  const names = new Set<string>();
  const kindOf = ({ method, url = '' }: IncomingMessage): string => {
    if (method === 'PUT') return url.includes('partNumber') ? 'UploadPart' : 'PutObject';
    if (method === 'POST') return url.includes('uploadId') ? 'CompleteMultipartUpload' : 'CreateMultipartUpload';
    return method ?? '';
  };
  const server = createServer((request, response) => {
    const kind = kindOf(request);
    const name = new URL(request.url!, 'http://s3').pathname;
    request.resume().on('end', () => {
      const conditional = request.headers['if-none-match'] === '*' && !ignores.includes(kind);
      response.setHeader('etag', '"e"');
      response.setHeader('content-type', 'application/xml');
      if (kind === 'DELETE' && !removes) {
        response.writeHead(403).end('<Error><Code>AccessDenied</Code><Message>no</Message></Error>');
        return;
      }
      if (conditional && names.has(name)) {
        response.writeHead(412).end('<Error><Code>PreconditionFailed</Code><Message>there is one</Message></Error>');
        return;
      }
      if (kind === 'PutObject' || kind === 'CompleteMultipartUpload') names.add(name);
      if (kind === 'DELETE') names.delete(name);
      const body = {
        CreateMultipartUpload: '<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>',
        CompleteMultipartUpload: '<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>',
      }[kind];
      response.writeHead(kind === 'DELETE' ? 204 : 200).end(body);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => server.close().closeAllConnections());
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  return { names, store: openStore('s3://cohorts/set', { endpoint, credentials, maxAttempts: 1 }) };
}

describe('H5: whether a server really refuses a second conditional write', () => {
  test('one that does is accepted, and nothing is left there', async () => {
    const { store, names } = await serve([]);
    await store.assertConditional('_work/probe');
    assert.deepEqual([...names], []);
  });

  for (const ignored of ['PutObject', 'CompleteMultipartUpload']) {
    test(`one that ignores the condition of ${ignored} is refused with the reason`, async () => {
      const { store, names } = await serve([ignored]);
      await assert.rejects(store.assertConditional('_work/probe'), (error: StoreError) => {
        assert.ok(error instanceof StoreError);
        assert.deepEqual([error.retryable, error.reason], [false, 'StoreRefused'], error.message);
        assert.match(error.message, /ignores conditional writes .*: use a server with conditional writes/);
        return true;
      });
      assert.deepEqual([...names], []);
    });

    test(`H5: one that ignores ${ignored} and removes nothing is refused for the first, not for the second`, async () => {
      const { store } = await serve([ignored], { removes: false });
      await assert.rejects(store.assertConditional('_work/probe'), /ignores conditional writes/);
    });
  }

  test('H5: credentials that may not remove are refused while nothing is lost', async () => {
    const { store } = await serve([], { removes: false });
    await assert.rejects(store.assertConditional('_work/probe'), /access is denied .*s3:DeleteObject/);
  });
});
