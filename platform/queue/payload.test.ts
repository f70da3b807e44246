import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { headers } from '@nats-io/transport-node';
import fc from 'fast-check';
import { z } from 'zod';
import { decodePayload, encodePayload } from './payload.ts';

const schema = z.strictObject({ text: z.string() });

test('what is encoded is decoded, small or large, and large ones are packed', () => {
  const text = fc.oneof(
    fc.string(),
    fc.nat({ max: 200_000 }).map((n) => 'ab'.repeat(n)),
  );
  fc.assert(
    fc.property(text, (text) => {
      const payload = encodePayload({ text });
      assert.deepEqual(decodePayload(payload, schema), { value: { text } });
      if (text.length > 70_000) assert.ok(payload.data.length < text.length / 10);
    }),
    { numRuns: 50 },
  );
});

test('what is no event is told apart, and named', () => {
  const packed = headers();
  packed.set('content-encoding', 'gzip');
  const fault = (data: Uint8Array, marks = headers()): string => {
    const decoded = decodePayload({ data, headers: marks }, schema);
    return 'fault' in decoded ? decoded.fault : 'none';
  };
  assert.match(fault(Buffer.from('{')), /JSON/);
  assert.match(fault(Buffer.from('{"text":1}')), /^text: /);
  assert.match(fault(Buffer.from('{"text":"a","more":1}')), /^the whole: /);
  assert.match(fault(Buffer.from('no gzip'), packed), /header/);
  assert.match(fault(gzipSync(Buffer.alloc(65 * 2 ** 20)), packed), /larger/);
});
