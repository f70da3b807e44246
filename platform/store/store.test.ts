import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { openStore, StoreError } from './store.ts';

describe('openStore', () => {
  it('names the place without trailing slash', () => {
    const cases: [string, string][] = [
      ['s3://bucket', 's3://bucket'],
      ['s3://bucket/', 's3://bucket'],
      ['s3://bucket/a/b/', 's3://bucket/a/b'],
      ['file:///tmp/x/', 'file:///tmp/x'],
      ['/tmp/a b/', 'file:///tmp/a%20b'],
      ['file:///tmp/a%20b', 'file:///tmp/a%20b'],
    ];
    for (const [uri, expected] of cases) assert.equal(openStore(uri).uri, expected, uri);
    assert.equal(openStore('out/demo').uri, openStore(`${process.cwd()}/out/demo`).uri);
  });

  it('refuses what it cannot open, without repeating a secret', () => {
    const secret = 'hunter2hunter2';
    const options = (endpoint: string) => ({ endpoint });
    const cases: [() => unknown, RegExp][] = [
      [() => openStore(''), /empty/],
      [() => openStore('gs://bucket/x'), /"gs:" is not supported: use s3:/],
      [() => openStore(`https://me:${secret}@host/bucket`), /"https:" is not supported/],
      [() => openStore('s3:/bucket'), /names no valid bucket/],
      [() => openStore('s3://'), /names no valid bucket/],
      [() => openStore('s3://ab'), /names no valid bucket/],
      [() => openStore(`s3://me:${secret}@bucket/x`), /must not hold credentials/],
      [() => openStore(`s3://bucket/x?secret=${secret}`), /must not hold "\?"/],
      [() => openStore(`file://me:${secret}@host/x`), /file:\/\/\/folder/],
      [() => openStore('s3://bucket', options(`https://me:${secret}@host`)), /endpoint must not hold credentials/],
      [() => openStore('s3://bucket', options(`https://host/?X-Amz-Signature=${secret}`)), /endpoint must not hold/],
      [() => openStore('s3://bucket', options('minio:9000')), /endpoint must be a URL/],
    ];
    for (const [open, message] of cases) {
      assert.throws(open, (error: unknown) => {
        assert.ok(error instanceof StoreError && !error.retryable, String(error));
        assert.match(error.message, message);
        assert.ok(!inspect(error, { showHidden: true }).includes(secret), inspect(error));
        return true;
      });
    }
  });
});
