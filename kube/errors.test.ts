import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { isTransient, KubeError, networkError, refusalError, statusError } from './errors.ts';

const status = (fields: object) => JSON.stringify({ kind: 'Status', apiVersion: 'v1', ...fields });
const refusal = (code: number, text: string, retryAfter?: string) =>
  refusalError('apply Job ns/a', { code, text, retryAfter });

describe('an answer that is a refusal', () => {
  it('is told in one line, with the words of its Status', () => {
    const error = refusal(409, status({ reason: 'Conflict', message: 'the object has been\nmodified', details: {} }));
    assert.equal(error.message, 'cannot apply Job ns/a: the object has been modified (409 Conflict)');
    assert.deepEqual([error.kind, error.reason, isTransient(error)], ['conflict', 'Conflict', true]);
  });

  it('is also understood when something in between gives it, in plain text or none', () => {
    const page = refusal(502, '<html>\n<h1>Bad gateway</h1></html>');
    assert.equal(page.message, 'cannot apply Job ns/a: <html> <h1>Bad gateway</h1></html> (502 HTTP502)');
    assert.deepEqual([page.kind, isTransient(page)], ['unavailable', true]);
    assert.equal(refusal(503, '').message, 'cannot apply Job ns/a: no reason given (503 HTTP503)');
    assert.equal(refusal(500, 'null').kind, 'unavailable');
  });

  it('means what its code and its details say', () => {
    const kinds = [
      [400, {}, 'invalid'],
      [401, {}, 'unauthorized'],
      [403, {}, 'forbidden'],
      [404, { details: { name: 'a', kind: 'jobs' } }, 'notFound'],
      [404, { details: {} }, 'noSuchKind'],
      [409, {}, 'conflict'],
      [410, {}, 'gone'],
      [422, {}, 'invalid'],
      [429, {}, 'unavailable'],
      [504, {}, 'unavailable'],
    ] as const;
    for (const [code, fields, kind] of kinds) assert.equal(refusal(code, status(fields)).kind, kind, String(code));
    assert.equal(refusal(404, '404 page not found\n').kind, 'noSuchKind');
  });

  it('says for how long to wait, by its Status or its header, and which fields are wrong', () => {
    assert.equal(refusal(429, status({ details: { retryAfterSeconds: 3 } }), '1').retryAfterSeconds, 3);
    assert.equal(refusal(429, 'too many', '7').retryAfterSeconds, 7);
    assert.equal(refusal(429, 'too many', 'tomorrow').retryAfterSeconds, undefined);
    const causes = [{ field: 'spec.a' }, { reason: 'unsaid' }, { field: 'spec.b' }];
    assert.deepEqual(refusal(422, status({ details: { causes } })).fields, ['spec.a', 'spec.b']);
  });

  it('keeps the beginning and the end of a long text, and no secret', () => {
    const { message } = refusal(422, status({ message: `begin ${'x'.repeat(5000)} end` }));
    assert.match(message, /: begin x+ … x+ end \(/);
    assert.ok(message.length < 700);
    const leaked = refusal(400, status({ message: 'bad header Authorization: Bearer abcdefghijklmnop' }));
    assert.doesNotMatch(leaked.message, /abcdefgh/);
  });
});

describe('a call without an answer', () => {
  it('is worth another try, and says why nothing came', () => {
    const reset = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
    assert.equal(networkError('get Job ns/a', reset).message, 'cannot get Job ns/a: socket hang up (ECONNRESET)');
    const late = networkError('get Job ns/a', new DOMException('The operation was aborted', 'TimeoutError'));
    assert.deepEqual([late.kind, late.reason, isTransient(late)], ['unavailable', 'Timeout', true]);
    assert.match(networkError('get Job ns/a', 'odd').message, /odd/);
  });

  it('is not wrapped twice', () => {
    const error = new KubeError('gone', { reason: 'Expired', message: 'gone' });
    assert.equal(networkError('watch Job', error), error);
  });
});

test('an error that a watch tells is read like an answer', () => {
  const error = statusError('watch Job', { code: 410, reason: 'Expired', message: 'too old resource version' });
  assert.deepEqual([error.kind, error.message], ['gone', 'cannot watch Job: too old resource version (410 Expired)']);
  assert.equal(statusError('watch Job', null).kind, 'unavailable');
});
