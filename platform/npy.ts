import { uint16Of } from './uint16.ts';

/** NumPy's array files (format 1.0), for float16 matrices in C order: the one kind that features are kept in. */

export interface HalfMatrix {
  readonly rows: number;
  readonly columns: number;
  /** Row by row, as bit patterns. */
  readonly bits: Uint16Array;
}

/** One row; a view. */
export const rowOf = ({ bits, columns }: HalfMatrix, row: number): Uint16Array =>
  bits.subarray(row * columns, (row + 1) * columns);

const MAGIC = Buffer.from('\x93NUMPY\x01\x00', 'latin1');
/** NumPy aligns the data to this many bytes. */
const ALIGNMENT = 64;
const HEADER = /^\{'descr': '<f2', 'fortran_order': False, 'shape': \((\d{1,10}), (\d{1,10})\), \} *\n$/;

/** The bytes of a file before its rows. */
export function npyHeader(rows: number, columns: number): Uint8Array {
  const text = `{'descr': '<f2', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`;
  const length = Math.ceil((MAGIC.length + 2 + text.length + 1) / ALIGNMENT) * ALIGNMENT - MAGIC.length - 2;
  const size = Buffer.alloc(2);
  size.writeUInt16LE(length);
  return Buffer.concat([MAGIC, size, Buffer.from(`${text.padEnd(length - 1)}\n`)]);
}

/** Bytes that hold any header of such a file. */
export const MAX_NPY_HEADER = 4 * ALIGNMENT;

/** The shape that the beginning of a file states, and where its rows begin. @throws Error when it is not one of a float16 matrix in C order */
export function readNpyHeader(file: Uint8Array): Pick<HalfMatrix, 'rows' | 'columns'> & { readonly begin: number } {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error('it is not a NumPy file of format 1.0');
  const begin = MAGIC.length + 2 + (bytes.length < MAGIC.length + 2 ? 0 : bytes.readUInt16LE(MAGIC.length));
  const header = HEADER.exec(bytes.subarray(MAGIC.length + 2, begin).toString('latin1'));
  if (!header) throw new Error('it does not hold a float16 matrix in C order');
  return { rows: Number(header[1]), columns: Number(header[2]), begin };
}

/** Reads a file. @throws Error when it is not one of a float16 matrix in C order, or too short or too long */
export function readNpy(file: Uint8Array): HalfMatrix {
  const { rows, columns, begin } = readNpyHeader(file);
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (bytes.length - begin !== rows * columns * 2)
    throw new Error(`it has ${bytes.length - begin} bytes of numbers, not those of ${rows} x ${columns}`);
  return { rows, columns, bits: uint16Of(bytes.subarray(begin)) };
}
