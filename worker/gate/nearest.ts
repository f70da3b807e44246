import { type Features, featuresOfHalves, scaleToUnit, unitRows } from '../../dataset/evidence/features.ts';
import { openGraph, type Session } from '../../diffusion/onnx.ts';
import { cosineDistance } from '../../platform/cosine.ts';
import { fromHalf } from '../../platform/half.ts';
import { type HalfMatrix, rowOf } from '../../platform/npy.ts';

/** Exact search for the nearest of many feature vectors, by matrix products. */

export interface Neighbour {
  readonly row: number;
  /** Cosine distance, 0 to 2: 1 - cos of the angle between the two vectors. */
  readonly distance: number;
}

/** Finds the nearest row of a matrix for each of some vectors (float16 bit patterns). */
export type NearestSearch = (vectors: readonly Uint16Array[]) => Promise<Neighbour[]>;

/**
 * An ONNX model, opset 13, IR version 8: q [b, d] and r [n, d] to s = q r' (Gemm), of each row of s the position i of the
 * largest number (ArgMax) and that number v (ReduceMax).
 */
const GRAPH = Buffer.from(
  '08083ad4010a1e0a01710a0172120173220447656d6d2a0d0a067472616e73421801a001020a2c0a017312016922064172674d61782a0b0a04617869731801' +
    'a001022a0f0a086b65657064696d731800a001020a2f0a017312017622095265647563654d61782a0b0a04617865734001a001072a0f0a086b65657064696d' +
    '731800a001021201675a150a017112100a0e0801120a0a031201620a031201645a150a017212100a0e0801120a0a0312016e0a0312016462100a0169120b0a' +
    '09080712050a0312016262100a0176120b0a09080112050a0312016242040a00100d',
  'hex',
);

/** Rows that one product takes: the sums of a batch with them stay small. */
const CHUNK = 65_536;

/** Prepares a search; the rows are held as float32, on the CPU whatever samples. @param rows at least one */
export async function openNearest(rows: HalfMatrix, options: { threads?: number }): Promise<NearestSearch> {
  const session = await openGraph(GRAPH, 'the search for neighbours', { provider: 'cpu', ...options });
  const { columns } = rows;
  const units = { rows: rows.rows, dimensions: columns, values: fromHalf(rows.bits) };
  scaleToUnit(units);
  return async (vectors) => {
    if (vectors.length === 0) return [];
    const wrong = vectors.find(({ length }) => length !== columns);
    if (wrong) throw new TypeError(`a vector of ${wrong.length} numbers among vectors of ${columns}`);
    const best = await bestRows(session, unitRows(featuresOfHalves(vectors)), units);
    return best.map((row, i) => ({ row, distance: cosineDistance(vectors[i]!, rowOf(rows, row)) }));
  };
}

/** The row with the largest product for each query; of equal ones the first. */
async function bestRows(session: Session, queries: Features, units: Features): Promise<number[]> {
  const { dimensions } = units;
  const best = Array.from({ length: queries.rows }, () => ({ row: 0, value: Number.NEGATIVE_INFINITY }));
  for (let begin = 0; begin < units.rows; begin += CHUNK) {
    const chunk = units.values.subarray(begin * dimensions, (begin + CHUNK) * dimensions);
    const found = await session.run({
      q: { type: 'float32', data: queries.values, dims: [queries.rows, dimensions] },
      r: { type: 'float32', data: chunk, dims: [chunk.length / dimensions, dimensions] },
    });
    for (const [i, one] of best.entries()) {
      const value = (found.v!.data as Float32Array)[i]!;
      if (value > one.value) best[i] = { row: begin + Number((found.i!.data as BigInt64Array)[i]), value };
    }
  }
  return best.map(({ row }) => row);
}
