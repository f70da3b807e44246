import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { redact } from './redact.ts';

const SECRET = 'wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY';

describe('redact', () => {
  const shapes: [string, string][] = [
    ['an access key', 'the key AKIAIOSFODNN7EXAMPLE is unknown'],
    ['a presigned URL', `https://h/b/k?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F2026&X-Amz-Signature=${SECRET}&x=1`],
    ['a security token in a URL', `https://h/?x-amz-security-token=${SECRET}`],
    ['a header', `Authorization: AWS4-HMAC-SHA256 Credential=${SECRET}/s3, SignedHeaders=host, Signature=${SECRET}`],
    ['a header in JSON', JSON.stringify({ headers: { authorization: `Bearer ${SECRET}` } })],
    ['a bearer token', `sent Bearer ${SECRET}/+x=`],
    ['a user in a URL', `http://minio:${SECRET}@host:9000/`],
    ['an environment dump', `AWS_SECRET_ACCESS_KEY=${SECRET} AWS_SESSION_TOKEN=${SECRET}`],
    ['a configuration', JSON.stringify({ secretAccessKey: SECRET, sessionToken: SECRET, accessKeyId: SECRET })],
  ];
  for (const [name, text] of shapes) {
    it(`hides ${name} without being told the secret`, () => {
      const clean = redact(text, [], {});
      for (const part of [SECRET, 'AKIAIOSFODNN7EXAMPLE']) {
        assert.ok(!clean.includes(part), clean);
      }
      assert.match(clean, /\[redacted\]/);
    });
  }

  it('hides given values and those of the environment anywhere', () => {
    assert.equal(redact(`x${SECRET}y`, [SECRET], {}), 'x[redacted]y');
    assert.equal(redact(`x${SECRET}y`, [], { AWS_SECRET_ACCESS_KEY: SECRET }), 'x[redacted]y');
  });

  it('leaves ordinary messages as they are', () => {
    const text =
      'cannot create s3://cohorts/a/shards/cxr-000001.tar at http://minio:9000: access is denied (403 AccessDenied)';
    assert.equal(redact(text, [], {}), text);
  });

  it('keeps JSON valid, whatever the fields are', () => {
    const names = ['authorization', 'password', 'sessionToken', 'cookie', 'x-amz-security-token', 'url', 'msg'];
    const leaf = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(
        'Bearer abcdefghijkl',
        'Authorization: AWS4-HMAC-SHA256 "x"',
        'http://a:b@c/',
        "password='x'",
        'a\\',
      ),
    );
    const object = fc.dictionary(
      fc.constantFrom(...names),
      fc.oneof(leaf, fc.dictionary(fc.constantFrom(...names), leaf)),
    );
    fc.assert(
      fc.property(object, (value) => {
        JSON.parse(redact(JSON.stringify(value), [], {}));
      }),
    );
  });
});
