import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A gate whose graph is valid and never ends: a Loop whose condition stays true. Written byte by byte, as a stranger may. */

/** Writes a Regressor's model.onnx and gate.json for grey images of one size. */
export async function writeEndlessGate(dir: string, side: number): Promise<void> {
  const description = {
    apiVersion: 'cohortfarm.dev/gate/v1',
    type: 'Regressor',
    input: { height: side, width: side, channels: 1, mean: [0], std: [1] },
    output: { activation: 'identity' },
  };
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'gate.json'), JSON.stringify(description));
  await writeFile(join(dir, 'model.onnx'), endlessGraph(side));
}

/** Numbers of onnx.proto. */
const [FLOAT, INT64, BOOL, GRAPH, INTS] = [1, 7, 9, 5, 7];

function endlessGraph(side: number): Uint8Array {
  const body = message(
    node('Identity', ['condition'], ['again']),
    node('Sin', ['value'], ['next']),
    text(2, 'body'),
    ...[tensorInfo(11, 'iteration', INT64, []), tensorInfo(11, 'condition', BOOL, [])],
    tensorInfo(11, 'value', FLOAT, ['batch', 1]),
    ...[tensorInfo(12, 'again', BOOL, []), tensorInfo(12, 'next', FLOAT, ['batch', 1])],
  );
  const axes = message(text(1, 'axes'), number(8, 2), number(8, 3), number(20, INTS));
  const flat = message(text(1, 'keepdims'), number(3, 0), number(20, 2));
  const loop = message(text(1, 'body'), bytes(6, body), number(20, GRAPH));
  const yes = message(number(2, BOOL), text(8, 'yes'), bytes(9, Uint8Array.of(1)));
  const graph = message(
    node('ReduceMean', ['image'], ['mean'], [axes, flat]),
    // Without a bound on its iterations.
    node('Loop', ['', 'yes', 'mean'], ['score'], [loop]),
    text(2, 'endless'),
    bytes(5, yes),
    tensorInfo(11, 'image', FLOAT, ['batch', 1, side, side]),
    tensorInfo(12, 'score', FLOAT, ['batch', 1]),
  );
  return message(number(1, 8), bytes(7, graph), bytes(8, message(number(2, 17))));
}

function node(
  type: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: readonly Uint8Array[] = [],
): Uint8Array {
  const names = [...inputs.map((name) => text(1, name)), ...outputs.map((name) => text(2, name))];
  return bytes(1, message(...names, text(4, type), ...attributes.map((attribute) => bytes(5, attribute))));
}

function tensorInfo(field: number, name: string, type: number, shape: readonly (number | string)[]): Uint8Array {
  const dims = shape.map((dim) => bytes(1, typeof dim === 'number' ? number(1, dim) : text(2, dim)));
  const tensor = message(number(1, type), bytes(2, message(...dims)));
  return bytes(field, message(text(1, name), bytes(2, message(bytes(1, tensor)))));
}

const message = (...fields: readonly Uint8Array[]): Uint8Array => Buffer.concat(fields);
const number = (field: number, value: number): Uint8Array => Uint8Array.from([...varint(field << 3), ...varint(value)]);
const bytes = (field: number, body: Uint8Array): Uint8Array =>
  Buffer.concat([Uint8Array.from([...varint((field << 3) | 2), ...varint(body.length)]), body]);
const text = (field: number, value: string): Uint8Array => bytes(field, Buffer.from(value));

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}
