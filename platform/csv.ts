import { isUtf8 } from 'node:buffer';
import { gunzipSync } from 'node:zlib';
import { CsvError, parse } from 'csv-parse/sync';
import type { Row } from '../contract/plan/columns.ts';
import { type Issue, SpecError, show } from '../contract/schema/issue.ts';

/** CSV files (RFC 4180, UTF-8, with a header), plain or in gzip. */

/** Limits of a file: it comes from outside, and a small gzip can unpack to any size. */
export interface CsvLimits {
  /** Unpacked. */
  readonly bytes: number;
  readonly rows: number;
}

const LIMITS: CsvLimits = { bytes: 512 * 2 ** 20, rows: 5_000_000 };
const MAX_ISSUES = 20;

/**
 * Reads all rows of a CSV file; blank lines are passed over.
 * @param name how errors call the file
 * @returns one map per row, without inherited members, from the header's names to texts as written
 * @throws SpecError with what is wrong with the file, the line, and the fix
 */
export function readCsv(bytes: Uint8Array, name: string, limits: CsvLimits = LIMITS): Row[] {
  const text = unpack(bytes, name, limits);
  const rows: Row[] = [];
  const ragged: Issue[] = [];
  let header: readonly string[] | null = null;
  forEachRecord(text, name, (fields, line) => {
    if (header === null) header = checkedHeader(fields, name);
    else if (fields.length === header.length) rows.push(rowOf(header, fields));
    else if (ragged.length < MAX_ISSUES) ragged.push(raggedIssue(name, line, fields, header));
    if (rows.length > limits.rows) fail(name, `has more than ${limits.rows} rows; split it or leave rows out`);
  });
  if (header === null) fail(name, 'is empty; write a header and at least one row');
  if (ragged.length > 0) throw new SpecError(ragged);
  return rows;
}

function unpack(bytes: Uint8Array, name: string, limits: CsvLimits): Uint8Array {
  const text = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzip(bytes, name, limits) : bytes;
  if (text.length > limits.bytes) tooLarge(name, limits);
  if (text[0] === 0x50 && text[1] === 0x4b && text[2] === 3) {
    fail(name, 'is a ZIP archive or a spreadsheet; save it as CSV, plain or in gzip');
  }
  if (!isUtf8(text)) fail(name, 'is not UTF-8 text; save it as "CSV UTF-8"');
  return text;
}

function gunzip(bytes: Uint8Array, name: string, limits: CsvLimits): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: limits.bytes });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') tooLarge(name, limits);
    return fail(name, `is a damaged gzip file (${message}); make or fetch it again`, cause);
  }
}

/** @param line where the record ends, from 1 */
function forEachRecord(text: Uint8Array, name: string, visit: (fields: string[], line: number) => void): void {
  try {
    parse(text, {
      bom: true,
      relax_column_count: true,
      skip_empty_lines: true,
      on_record: (fields: string[], { lines }) => {
        visit(fields, lines);
        return null;
      },
    });
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    fail(`${name} line ${(cause as { lines?: number }).lines}`, quotingFault(cause), cause);
  }
}

function quotingFault({ code }: CsvError): string {
  return code === 'CSV_QUOTE_NOT_CLOSED'
    ? 'the file ends inside quotes that were opened here or before; close them'
    : 'has a quote in the middle of a field; put the whole field in quotes and double those inside';
}

function checkedHeader(fields: readonly string[], name: string): readonly string[] {
  const names = new Set<string>();
  for (const field of fields) {
    if (names.has(field)) fail(`${name} line 1`, `names column ${show(field)} twice; rename one`);
    if (field !== '') names.add(field);
  }
  return fields;
}

/** A constructor whose objects inherit nothing: as safe as Object.create(null), and a seventh of its cost. */
const Bare = function Bare() {} as unknown as new () => Record<string, string>;
Bare.prototype = Object.create(null);

function rowOf(header: readonly string[], fields: readonly string[]): Row {
  const row = new Bare();
  for (let i = 0; i < header.length; i++) row[header[i]!] = fields[i]!;
  return row;
}

function raggedIssue(name: string, line: number, fields: readonly string[], header: readonly string[]): Issue {
  const fix =
    fields.length > header.length
      ? 'put a field that holds a comma in quotes, or name every column in the header'
      : 'add the missing commas or remove the line';
  return {
    path: `${name} line ${line}`,
    message: `has ${fields.length === 1 ? '1 field' : `${fields.length} fields`}, the header has ${header.length}; ${fix}`,
  };
}

function tooLarge(name: string, limits: CsvLimits): never {
  fail(name, `is larger than ${limits.bytes} bytes; leave out columns that the spec does not name, or rows`);
}

function fail(path: string, message: string, cause?: unknown): never {
  const error = new SpecError([{ path, message }]);
  if (cause !== undefined) error.cause = cause;
  throw error;
}

/** One line of a CSV file, with its end; fields that hold a comma, a quote or a line break are quoted. */
export const csvLine = (fields: readonly string[]): string =>
  `${fields.map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',')}\n`;
