import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertOwnChoice } from './open.ts';

test('--dataset signs requests to AWS by itself, to another endpoint only where --endpoint repeats it', () => {
  const own = [
    undefined,
    'https://s3.amazonaws.com',
    'https://s3.eu-west-1.amazonaws.com/',
    'https://s3-fips.us-gov-west-1.amazonaws.com',
    'https://s3.dualstack.eu-central-1.amazonaws.com',
    'https://s3.cn-north-1.amazonaws.com.cn',
  ];
  for (const endpoint of own) assertOwnChoice('lab/small', endpoint, undefined);
  const others = [
    'https://s3.example.org',
    'http://minio:9000',
    'http://s3.eu-west-1.amazonaws.com',
    'https://s3.eu-west-1.amazonaws.com:8443',
    'https://s3.amazonaws.com.example.org',
    'https://xs3.amazonaws.com',
    // Anyone can rent these names.
    'https://ec2-192-0-2-1.compute.amazonaws.com',
    'https://s3.us-east-1.elb.amazonaws.com',
  ];
  for (const endpoint of others) {
    const { origin } = new URL(endpoint);
    assert.throws(
      () => assertOwnChoice('lab/small', endpoint, undefined),
      new RegExp(`^UsageError: --dataset: lab/small names the S3 endpoint ${origin}, .* --endpoint ${origin} if`),
    );
    assertOwnChoice('lab/small', endpoint, endpoint);
    assertOwnChoice('lab/small', endpoint, 'https://s3.example.com');
  }
  assert.throws(
    () => assertOwnChoice('lab/small', 'https://user:secret@s3.example.org', undefined),
    (error: Error) => !error.message.includes('secret'),
  );
});
