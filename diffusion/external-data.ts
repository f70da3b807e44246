import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { ModelError } from './errors.ts';

/**
 * The files beyond a graph's own that ONNX Runtime opens with it: external data, whose locations the graph holds. They
 * decide what the graph computes as much as the graph does, so each must be part of the folder's digest.
 */

/** The messages of onnx.proto that lead to a tensor, and in each the fields that do. */
const MESSAGES = {
  Model: { 7: 'Graph', 20: 'Training', 25: 'Function' },
  Training: { 1: 'Graph', 2: 'Graph' },
  Function: { 7: 'Node', 11: 'Attribute' },
  Graph: { 1: 'Node', 5: 'Tensor', 15: 'Sparse' },
  Node: { 5: 'Attribute' },
  Attribute: { 5: 'Tensor', 6: 'Graph', 10: 'Tensor', 11: 'Graph', 22: 'Sparse', 23: 'Sparse' },
  Sparse: { 1: 'Tensor', 2: 'Tensor' },
  Tensor: { 13: 'Entry' },
  Entry: {},
} as const satisfies Record<string, Readonly<Record<number, string>>>;
type MessageName = keyof typeof MESSAGES;

/** Graphs within graphs: far more than any exporter nests. */
const MAX_DEPTH = 100;
const MAX_LOCATION = 4096;

/** The distinct locations of a graph's external data, as the file names them. @throws ModelError when it is not ONNX */
export function externalLocations(file: string): string[] {
  const reader = new Reader(file);
  try {
    const locations = new Set<string>();
    readMessage(reader, 'Model', { end: reader.size, depth: 0, locations });
    return [...locations];
  } finally {
    reader.close();
  }
}

interface Span {
  readonly end: number;
  readonly depth: number;
  readonly locations: Set<string>;
}

function readMessage(reader: Reader, name: MessageName, { end, depth, locations }: Span): void {
  if (depth > MAX_DEPTH) throw reader.fault(`its graphs are nested more than ${MAX_DEPTH} deep`);
  const children: Readonly<Record<number, MessageName>> = MESSAGES[name];
  const entry = { key: '', value: '' };
  while (reader.at < end) {
    const tag = reader.varint(end);
    const [field, wire] = [Math.floor(tag / 8), tag % 8];
    if (wire === 0) reader.varint(end);
    else if (wire === 1) reader.skip(8, end);
    else if (wire === 5) reader.skip(4, end);
    else if (wire === 2) {
      const length = reader.varint(end);
      const child = children[field];
      if (child) readMessage(reader, child, { end: reader.span(length, end), depth: depth + 1, locations });
      else if (name === 'Entry' && field === 1) entry.key = reader.text(length, end);
      else if (name === 'Entry' && field === 2) entry.value = reader.text(length, end);
      else reader.skip(length, end);
    } else throw reader.fault(`it has a field of the unknown wire type ${wire}`);
  }
  if (name === 'Entry' && entry.key === 'location') locations.add(entry.value);
}

/** Reads a file forwards through a small window: a graph may be as long as 2 GiB, and most of it is skipped. */
class Reader {
  readonly size: number;
  at = 0;
  readonly #file: string;
  readonly #handle: number;
  readonly #window = Buffer.alloc(64 * 1024);
  #start = 0;
  #length = 0;

  constructor(file: string) {
    this.#file = file;
    this.#handle = openSync(file, 'r');
    this.size = fstatSync(this.#handle).size;
  }

  close(): void {
    closeSync(this.#handle);
  }

  fault(what: string): ModelError {
    return new ModelError(`${this.#file} is not an ONNX graph: ${what}; check that it was copied whole`);
  }

  /** Numbers beyond 2^53 lose digits, which matters for none that is used. */
  varint(end: number): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte(end);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw this.fault('it has a number of more than ten bytes');
  }

  span(length: number, end: number): number {
    if (this.at + length > end) throw this.fault('it is cut off');
    return this.at + length;
  }

  skip(length: number, end: number): void {
    this.at = this.span(length, end);
  }

  text(length: number, end: number): string {
    if (length > MAX_LOCATION) throw this.fault(`it names a file with more than ${MAX_LOCATION} bytes`);
    const stop = this.span(length, end);
    const bytes = Buffer.alloc(length);
    for (let i = 0; this.at < stop; i++) bytes[i] = this.#byte(stop);
    return bytes.toString();
  }

  #byte(end: number): number {
    if (this.at >= end) throw this.fault('it is cut off');
    if (this.at < this.#start || this.at >= this.#start + this.#length) {
      this.#start = this.at;
      this.#length = readSync(this.#handle, this.#window, 0, this.#window.length, this.at);
      if (this.#length === 0) throw this.fault('it is cut off');
    }
    return this.#window[this.at++ - this.#start]!;
  }
}

/**
 * Checks that the graphs of a folder open no file that its digest leaves out.
 * @param includes whether the digest covers a path below the folder
 * @throws ModelError that names graph, location and fix
 */
export async function assertSelfContained(dir: string, includes: (path: string) => boolean): Promise<void> {
  const paths = (await readdir(dir, { recursive: true })).map((path) => path.split('\\').join('/'));
  for (const graph of paths.filter((path) => path.endsWith('.onnx') && includes(path))) {
    for (const location of externalLocations(join(dir, graph))) {
      const path = posix.normalize(posix.join(posix.dirname(graph), location));
      if (!posix.isAbsolute(location) && !path.startsWith('../') && includes(path)) continue;
      throw new ModelError(
        `${join(dir, graph)} keeps weights in ${JSON.stringify(location)}, which the digest of the folder does not cover; ` +
          "save them in the graph's own folder, in a file with the ending .data or .onnx_data",
      );
    }
  }
}
