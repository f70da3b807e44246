import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger, type LoggerOptions } from './log.ts';
import { StoreError } from './store/errors.ts';

function capture(options: LoggerOptions) {
  const lines: string[] = [];
  const log = createLogger(options, { write: (line) => lines.push(line) });
  return { log, lines };
}

describe('createLogger', () => {
  it('writes one JSON object a line, with name, level and time', () => {
    const { log, lines } = capture({ name: 'worker' });
    log.info({ shard: 3 }, 'committed');
    log.debug('not at this level');
    assert.equal(lines.length, 1);
    const { name, level, shard, msg, time } = JSON.parse(lines[0]!);
    assert.deepEqual({ name, level, shard, msg }, { name: 'worker', level: 'info', shard: 3, msg: 'committed' });
    assert.match(time, /^\d{4}-\d\d-\d\dT/);
  });

  it('keeps the message, reason and cause of an error', () => {
    const { log, lines } = capture({ name: 'worker' });
    log.error({ err: new StoreError('retryable', 'cannot read', { cause: new Error('cut') }) }, 'failed');
    const { err } = JSON.parse(lines[0]!);
    assert.deepEqual([err.reason, err.retryable], ['StoreUnavailable', true]);
    assert.match(err.message, /cannot read/);
    assert.match(err.stack, /caused by: Error: cut/);
  });

  it('removes secrets by field and by shape, and leaves the line valid JSON', () => {
    const { log, lines } = capture({ name: 'worker' });
    const secret = 'wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY';
    log.warn({ credentials: { secretAccessKey: secret }, s3: { sessionToken: secret } }, 'starting');
    log.warn(
      { url: `https://h/?X-Amz-Signature=${secret}&x=1` },
      `Authorization: AWS4-HMAC-SHA256 Signature=${secret}`,
    );
    log.warn({ headers: { 'x-amz-security-token': secret } }, `s3://user:${secret}@bucket`);
    for (const line of lines) {
      assert.ok(!line.includes(secret), line);
      assert.doesNotThrow(() => JSON.parse(line));
    }
    assert.equal(lines.length, 3);
  });
});
