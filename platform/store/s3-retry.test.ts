import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryBriefly } from './s3-retry.ts';

const refusal = (name: string, status: number): Error =>
  Object.assign(new Error('no'), { name, $metadata: { httpStatusCode: status } });

const PASSING = [
  ['BadDigest', 400],
  ['IncompleteBody', 400],
  ['XAmzContentSHA256Mismatch', 400],
  ['XAmzContentChecksumMismatch', 400],
  ['InvalidPart', 400],
  ['OperationAborted', 409],
  ['ConditionalRequestConflict', 409],
  ['NoSuchUpload', 404],
  ['Anything', 408],
] as const;

for (const [name, status] of PASSING) {
  test(`M5: ${name} (${status}) is tried again in place`, async () => {
    let tries = 0;
    const result = await retryBriefly(async () => {
      if (++tries < 3) throw refusal(name, status);
      return 'done';
    });
    assert.deepEqual([result, tries], ['done', 3]);
  });
}

test('M5: what does not pass by itself is not tried again', async () => {
  for (const [name, status] of [
    ['AccessDenied', 403],
    ['PreconditionFailed', 412],
    ['NoSuchKey', 404],
  ] as const) {
    let tries = 0;
    const run = () => {
      tries++;
      return Promise.reject(refusal(name, status));
    };
    await assert.rejects(retryBriefly(run), { name });
    assert.equal(tries, 1);
  }
});
