import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { hasContent, openHub } from './hub.ts';

test('F6: a URI, a revision and a token are read; what is none is refused without repeating it', () => {
  const { uri, name, page, revision, mayWrite } = openHub('hf://datasets/my-lab/chest.v1@refs/pr/3', {});
  assert.deepEqual(
    [uri, name, page, revision, mayWrite],
    [
      'hf://datasets/my-lab/chest.v1',
      'my-lab/chest.v1',
      'https://huggingface.co/datasets/my-lab/chest.v1',
      'refs/pr/3',
      false,
    ],
  );
  for (const wrong of [
    'hf://my-lab/chest',
    'hf://models/a/b',
    'hf://datasets/a',
    'hf://datasets/../b',
    's3://a/b',
    'hf://datasets/a/b/c',
  ])
    assert.throws(() => openHub(wrong, {}), /is not a dataset of the Hub; write hf:\/\/datasets\/ORG\/NAME/);
  assert.throws(
    () => openHub('hf://user:pass@datasets/a/b', {}),
    (error: Error) => !error.message.includes('pass'),
  );
  assert.throws(
    () => openHub('hf://datasets/a/b', { token: 'secret-token' }),
    (error: Error) => /does not begin with hf_/.test(error.message) && !error.message.includes('secret'),
  );
});

test('F6: content is known by the SHA-256 of LFS, or by its id in git', () => {
  const content = Buffer.from('some bytes\n');
  const gitId = execFileSync('git', ['hash-object', '--stdin'], { input: content }).toString().trim();
  const sha256 = createHash('sha256').update(content).digest('hex');
  const file = { path: 'x', bytes: content.length };
  assert.ok(hasContent({ ...file, sha256, gitId: '' }, content));
  assert.ok(hasContent({ ...file, sha256: null, gitId }, content));
  const other = Buffer.from('same bytes\n');
  assert.ok(!hasContent({ ...file, sha256, gitId }, other) && !hasContent({ ...file, sha256: null, gitId }, other));
});

test('a fault of the Hub is reported without what its address may hold', async () => {
  const hub = openHub('hf://datasets/a/b', { endpoint: 'http://user:password@127.0.0.1:1' });
  await assert.rejects(hub.state(), (error: Error) => {
    assert.match(
      error.message,
      /^hf:\/\/datasets\/a\/b .*, from http:\/\/\[redacted\]@127\.0\.0\.1:1; run the command again/,
    );
    return !error.message.includes('password');
  });
});
