import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { wrapS3Error } from './s3-errors.ts';

describe('a wrapped S3 error', () => {
  it('never holds a secret, wherever the client put it', () => {
    const secretText = fc.stringMatching(/^[A-Za-z0-9/+]{16,40}$/);
    const places = fc.constantFrom('message', 'StringToSign', 'AWSAccessKeyId', '$response', 'cause');
    fc.assert(
      fc.property(
        secretText,
        secretText,
        places,
        fc.constantFrom('NoSuchBucket', 'Odd'),
        (key, secret, place, name) => {
          const leak = `sent ${secret} of ${key} and ${encodeURIComponent(secret)}`;
          const error = new Error(place === 'message' ? leak : 'no');
          Object.assign(error, { name, [place]: place === 'message' ? leak : { headers: { authorization: leak } } });
          const options = { credentials: { accessKeyId: key, secretAccessKey: secret } };
          const wrapped = wrapS3Error(error, { action: 'read', object: 's3://b/k', options });
          const shown = inspect(wrapped, { depth: Infinity, showHidden: true }) + JSON.stringify(wrapped);
          assert.ok(!shown.includes(secret) && !shown.includes(key), shown);
        },
      ),
    );
  });

  it('M5: is retryable where the upload was damaged or another request was in the way', () => {
    const cases = [
      ['BadDigest', 400],
      ['XAmzContentSHA256Mismatch', 400],
      ['XAmzContentChecksumMismatch', 400],
      ['IncompleteBody', 400],
      ['OperationAborted', 409],
      ['InvalidPart', 400],
      ['RequestTimeout', 400],
      ['Anything', 408],
    ] as const;
    for (const [name, status] of cases) {
      const error = Object.assign(new Error('no'), { name, $metadata: { httpStatusCode: status } });
      assert.equal(wrapS3Error(error, { action: 'write', object: 's3://b/k', options: {} }).retryable, true, name);
    }
  });

  it('is wrapped once only', () => {
    const call = { action: 'read', object: 's3://b/k', options: {} };
    const once = wrapS3Error(Object.assign(new Error('x'), { code: 'ECONNRESET' }), call);
    assert.equal(wrapS3Error(once, call), once);
  });
});
