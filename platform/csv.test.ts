import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { linesOf } from '../test/support/spec.ts';
import { type CsvLimits, readCsv } from './csv.ts';

const read = (text: string | Uint8Array, limits?: CsvLimits): Record<string, string>[] =>
  readCsv(Buffer.from(text), 'f.csv', limits).map((row) => ({ ...row }));
const errors = (text: string | Uint8Array, limits?: CsvLimits): string[] => linesOf(() => read(text, limits));

test('by hand: quotes, commas, line breaks, blanks and blank lines', () => {
  assert.deepEqual(read('a,b\n1,"x, ""y"""\n\n 2 ,"two\nlines"\n'), [
    { a: '1', b: 'x, "y"' },
    { a: ' 2 ', b: 'two\nlines' },
  ]);
});

test('a byte order mark, CRLF, CR, and a missing last line break change nothing', () => {
  const expected = read('a,b\n1,2\n3,4\n');
  for (const text of ['\ufeffa,b\n1,2\n3,4\n', 'a,b\r\n1,2\r\n3,4\r\n', 'a,b\r1,2\r3,4', 'a,b\n1,2\n3,4']) {
    assert.deepEqual(read(text), expected);
    assert.deepEqual(read(gzipSync(text)), expected);
  }
});

test('whatever is written in quotes is read back', () => {
  const cell = fc.string({ unit: 'grapheme' }).filter((text) => text.isWellFormed());
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 10 }), (rows) => {
      const text = ['a,b', ...rows.map((row) => row.map(quoted).join(','))].join('\n');
      assert.deepEqual(
        read(text),
        rows.map(([a, b]) => ({ a, b })),
      );
      assert.deepEqual(read(gzipSync(text)), read(text));
    }),
  );
});

test('columns may have any name, and rows inherit nothing', () => {
  const [row] = readCsv(Buffer.from('__proto__,constructor\n1,2\n'), 'f.csv');
  assert.deepEqual(Object.entries(row!), [
    ['__proto__', '1'],
    ['constructor', '2'],
  ]);
  assert.ok(!('toString' in row!));
  assert.equal(({} as { polluted?: string }).polluted, undefined);
});

test('rows of another length are named by line', () => {
  assert.deepEqual(errors('a,b\n1,2\n3\n4,5,6\n\n"x\ny",z,w\n'), [
    'f.csv line 3: has 1 field, the header has 2; add the missing commas or remove the line',
    'f.csv line 4: has 3 fields, the header has 2; put a field that holds a comma in quotes, or name every column in the header',
    'f.csv line 7: has 3 fields, the header has 2; put a field that holds a comma in quotes, or name every column in the header',
  ]);
  assert.equal(errors(`a,b\n${'1\n'.repeat(1000)}`).length, 20);
});

/** Files that are none, and what is said. */
const FAULTS: readonly [name: string, file: string | Uint8Array, line: string][] = [
  ['an empty file', '', 'f.csv: is empty; write a header and at least one row'],
  [
    'an open quote',
    'a,b\n1,"2\n3,4',
    'f.csv line 3: the file ends inside quotes that were opened here or before; close them',
  ],
  [
    'a quote inside a field',
    'a,b\n1,x"y\n',
    'f.csv line 2: has a quote in the middle of a field; put the whole field in quotes and double those inside',
  ],
  ['a column named twice', 'a,b,a\n1,2,3\n', 'f.csv line 1: names column "a" twice; rename one'],
  ['Latin-1', Buffer.from('a\nCafé\n', 'latin1'), 'f.csv: is not UTF-8 text; save it as "CSV UTF-8"'],
  ['UTF-16', Buffer.from('\ufeffa\n1\n', 'utf16le'), 'f.csv: is not UTF-8 text; save it as "CSV UTF-8"'],
  [
    'a spreadsheet',
    Buffer.from('PK\x03\x04rest'),
    'f.csv: is a ZIP archive or a spreadsheet; save it as CSV, plain or in gzip',
  ],
];
for (const [name, file, line] of FAULTS) test(`refuses ${name}`, () => assert.deepEqual(errors(file), [line]));

test('a gzip file that is cut short or damaged is refused', () => {
  const whole = gzipSync('a,b\n1,2\n'.repeat(1000));
  assert.match(errors(whole.subarray(0, -9))[0]!, /^f\.csv: is a damaged gzip file \(.+\); make or fetch it again$/);
  const damaged = Buffer.from(whole);
  damaged[damaged.length - 5]! ^= 1;
  assert.match(errors(damaged)[0]!, /^f\.csv: is a damaged gzip file/);
});

test('a file that unpacks to more than the limit is refused, without unpacking it', () => {
  const limits = { bytes: 1_000_000, rows: 10 };
  const line = 'f.csv: is larger than 1000000 bytes; leave out columns that the spec does not name, or rows';
  assert.deepEqual(errors(gzipSync(Buffer.alloc(200_000_000, 'a,')), limits), [line]);
  assert.deepEqual(errors(Buffer.alloc(1_000_001, 'a'), limits), [line]);
  assert.deepEqual(errors(`a\n${'1\n'.repeat(11)}`, limits), [
    'f.csv: has more than 10 rows; split it or leave rows out',
  ]);
  assert.equal(read(`a\n${'1\n'.repeat(10)}`, limits).length, 10);
});
