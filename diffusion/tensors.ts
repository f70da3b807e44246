import { fromHalf, toHalf } from '../platform/half.ts';
import { ModelError } from './errors.ts';
import type { DataType, Port, Session, Tensor } from './onnx.ts';

/** Numbers of ours in the types that a graph wants, and back. We calculate in float32; graphs may be of float16. */

/** An input of fixed shape, refilled for each call; its memory is reused. */
export interface FloatFeed {
  readonly tensor: Tensor;
  /** Values in float32, to be written before `send`. */
  readonly values: Float32Array;
  /** Brings the values into the graph's type. */
  send(): Tensor;
}

/** @throws ModelError when the graph wants no floating-point numbers there */
export function floatFeed(session: Session, port: Port, dims: readonly number[]): FloatFeed {
  const values = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
  if (port.type === 'float32') {
    const tensor: Tensor = { type: 'float32', data: values, dims };
    return { tensor, values, send: () => tensor };
  }
  if (port.type === 'float16') {
    const data = new Uint16Array(values.length);
    const tensor: Tensor = { type: 'float16', data, dims };
    return {
      tensor,
      values,
      send() {
        toHalf(values, data);
        return tensor;
      },
    };
  }
  throw new ModelError(`${session.file}: input ${port.name} is ${port.type}; float32 and float16 are supported`);
}

/** @throws ModelError when the graph gives no floating-point numbers */
export function toFloats(session: Session, name: string, tensor: Tensor): Float32Array {
  if (tensor.data instanceof Float32Array) return tensor.data;
  if (tensor.type === 'float16' && tensor.data instanceof Uint16Array) return fromHalf(tensor.data);
  throw new ModelError(`${session.file}: output ${name} is ${tensor.type}; float32 and float16 are supported`);
}

/** Whether all values are finite numbers, in a tenth of the time of `every`: what is not one gives NaN times 0. */
export function areFinite(values: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * 0;
  return sum === 0;
}

const NUMBERS: Partial<Record<DataType, (count: number, value: number) => Tensor['data']>> = {
  int64: (count, value) => new BigInt64Array(count).fill(BigInt(Math.trunc(value))),
  int32: (count, value) => new Int32Array(count).fill(Math.trunc(value)),
  float32: (count, value) => new Float32Array(count).fill(value),
  float64: (count, value) => new Float64Array(count).fill(value),
  float16: (count, value) => {
    const bits = new Uint16Array(count);
    toHalf(new Float32Array(count).fill(value), bits);
    return bits;
  },
};

/** The rows of a call, and what the graph calls that dimension. */
export interface Rows {
  readonly count: number;
  readonly name: number | string | undefined;
}

/**
 * One number as a scalar, or as often as the graph wants it: for each row where its dimension is that of the rows, else
 * once. A whole-number input takes a fractional value truncated, as diffusers' int64 conversion does.
 * @throws ModelError when the type is not supported
 */
export function numberTensor(session: Session, port: Port, value: number, rows: Rows): Tensor {
  const make = NUMBERS[port.type];
  if (!make) throw new ModelError(`${session.file}: input ${port.name} is ${port.type}, which is not supported`);
  const dims = port.shape.map((dim) => (typeof dim === 'number' ? dim : dim === rows.name ? rows.count : 1));
  const count = dims.reduce((product, dim) => product * dim, 1);
  return { type: port.type, data: make(count, value), dims };
}

/** @throws ModelError when ids are wanted in a type that is not supported */
export function idTensor(session: Session, port: Port, rows: readonly Int32Array[]): Tensor {
  const dims = [rows.length, rows[0]!.length];
  const ids = rows.flatMap((row) => [...row]);
  if (port.type === 'int64') return { type: 'int64', data: BigInt64Array.from(ids, BigInt), dims };
  if (port.type === 'int32') return { type: 'int32', data: Int32Array.from(ids), dims };
  throw new ModelError(`${session.file}: input ${port.name} is ${port.type}; int64 and int32 are supported`);
}

/** The output of that name, else the first. */
export function outputPort(session: Session, name: string): Port {
  const port = session.outputs.find((output) => output.name === name) ?? session.outputs[0];
  return port ?? missing(session, 'output', name);
}

/** The inputs of exactly these names. @throws ModelError that names what is missing and what is not expected */
export function inputPorts<const T extends string>(session: Session, names: readonly T[]): Record<T, Port> {
  const extra = session.inputs.filter(({ name }) => !names.includes(name as T));
  if (extra.length > 0) {
    throw new ModelError(
      `${session.file}: input ${extra.map(({ name }) => name).join(', ')} is not supported; this is not the graph of a Stable Diffusion 1 or 2 text-to-image model`,
    );
  }
  const find = (name: T): Port =>
    session.inputs.find((input) => input.name === name) ?? missing(session, 'input', name);
  return Object.fromEntries(names.map((name) => [name, find(name)])) as Record<T, Port>;
}

function missing(session: Session, kind: string, name: string): never {
  throw new ModelError(
    `${session.file} has no ${kind} ${name}; this is not the graph of a Stable Diffusion 1 or 2 text-to-image model`,
  );
}

/**
 * @param wanted sizes in order; null where any will do
 * @throws ModelError when the graph was exported for others
 */
export function checkShape(session: Session, port: Port, wanted: readonly (number | null)[]): void {
  const fits = (dim: number | string, i: number): boolean =>
    typeof dim === 'string' || wanted[i] === null || dim === wanted[i];
  if (port.shape.length === wanted.length && port.shape.every(fits)) return;
  throw new ModelError(
    `${session.file}: ${port.name} has the shape [${port.shape.join(', ')}], but [${wanted.map((dim) => dim ?? 'any').join(', ')}] is needed; ` +
      'export it with dynamic axes, or choose sampling.height and sampling.width to fit',
  );
}
