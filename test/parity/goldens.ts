import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

/**
 * Reference results of diffusers, kept beside the repository (../shared/parity) or where COHORTFARM_PARITY says. Without
 * them these tests report "not available"; in CI they fail.
 */
const root = resolve(process.env.COHORTFARM_PARITY ?? join(import.meta.dirname, '../../../shared/parity'));
export const available = existsSync(join(root, 'model-a/model_index.json'));
const inCi = /^(1|true)$/i.test(process.env.CI ?? '');

export const modelDir = join(root, 'model-a');

export function parityTest(name: string, run: (report: (line: string) => void) => void | Promise<void>): void {
  const skip = available || inCi ? false : `not available: the reference results are not at ${root}`;
  test(name, { skip }, async (t) => {
    assert.ok(available, `CI needs the reference results at ${root} (or at COHORTFARM_PARITY)`);
    await run((line) => t.diagnostic(line));
  });
}

// biome-ignore lint/suspicious/noExplicitAny: the files are described in their README; tests read what they need.
export type Golden = any;

/** A JSON file of the reference results, or of the folder `folder`. */
export const readGolden = (path: string): Golden => JSON.parse(readFileSync(join(root, path), 'utf8'));

export function readBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(join(root, path)));
}

/** Raw little-endian float32. */
export function readFloats(path: string): Float32Array {
  return new Float32Array(readBytes(path).buffer);
}

/** Largest absolute difference; Infinity when lengths differ or something is not a number. */
export function largestDifference(ours: ArrayLike<number>, theirs: ArrayLike<number>): number {
  if (ours.length !== theirs.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < ours.length; i++) {
    const difference = Math.abs(ours[i]! - theirs[i]!);
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
  }
  return largest;
}

export function largestMagnitude(values: Float32Array): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}

/** Keeps the largest value seen by name and complains about each that is above its limit. */
export class Worst {
  readonly #seen = new Map<string, number>();
  readonly #above: string[] = [];

  see(what: string, of: string, value: number, limit: number): void {
    this.#seen.set(what, Math.max(this.#seen.get(what) ?? 0, value));
    if (!(value <= limit)) this.#above.push(`${of}: ${what} differs by ${value}, more than ${limit}`);
  }

  finish(report: (line: string) => void): void {
    for (const [what, value] of this.#seen) report(`largest difference, ${what}: ${value.toPrecision(2)}`);
    assert.deepEqual(this.#above, []);
  }
}
