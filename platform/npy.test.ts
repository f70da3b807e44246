import assert from 'node:assert/strict';
import { test } from 'node:test';
import { npyHeader, readNpy } from './npy.ts';
import { uint16Bytes } from './uint16.ts';

const file = (rows: number, columns: number, bits: Uint16Array): Buffer =>
  Buffer.concat([npyHeader(rows, columns), uint16Bytes(bits)]);

test('a matrix survives the way there and back, also at an odd address', () => {
  const bits = Uint16Array.of(0x3c00, 0xbc00, 0, 1, 0x7bff, 0x8000);
  const bytes = file(3, 2, bits);
  assert.deepEqual(readNpy(bytes), { rows: 3, columns: 2, bits });
  assert.deepEqual(readNpy(Buffer.concat([Buffer.of(0), bytes]).subarray(1)), { rows: 3, columns: 2, bits });
  assert.deepEqual(readNpy(file(0, 2, new Uint16Array(0))).rows, 0);
});

test("the header is NumPy's own", () => {
  // numpy.save of numpy.zeros((3, 2), numpy.float16), numpy 2.3
  const header = "\x93NUMPY\x01\x00v\x00{'descr': '<f2', 'fortran_order': False, 'shape': (3, 2), }";
  assert.equal(Buffer.from(npyHeader(3, 2)).toString('latin1'), `${header.padEnd(127)}\n`);
});

test('what is no such file is refused in words', () => {
  const sound = file(1, 2, Uint16Array.of(1, 2));
  for (const [bytes, message] of [
    [Buffer.from('PK'), /not a NumPy file of format 1.0/],
    [sound.subarray(0, 9), /does not hold a float16 matrix/],
    [sound.subarray(0, sound.length - 1), /3 bytes of numbers, not those of 1 x 2/],
    [Buffer.concat([sound, Buffer.of(0)]), /5 bytes of numbers/],
    [Buffer.from(sound.toString('latin1').replace('<f2', '<f4'), 'latin1'), /does not hold a float16 matrix/],
  ] as const)
    assert.throws(() => readNpy(bytes), message);
});
