/**
 * `torch.randn` on the CPU, for `torch.Generator('cpu').manual_seed(seed)`, so that the noise of a seed is the same here and
 * in diffusers. Agrees to 2e-6: torch takes logarithm and sine from vectorised float32 approximations.
 *
 * Source: ATen/native/cpu/DistributionTemplates.h (normal_fill), ATen/core/MT19937RNGEngine.h and
 * ATen/core/DistributionsHelper.h; M. Matsumoto, T. Nishimura, "Mersenne Twister" (1998); G. Box, M. Muller (1958).
 */

const N = 624;
const M = 397;
const BLOCK = 16;
const TWO_PI = 2 * Math.PI;

/** MT19937 with 32 bits of seed: a function that returns the next 32-bit output. */
function mersenneTwister(seed: number): () => number {
  const state = new Uint32Array(N);
  state[0] = seed;
  for (let i = 1; i < N; i++) {
    const before = state[i - 1]!;
    state[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i;
  }
  let next = N;
  return () => {
    if (next === N) {
      twist(state);
      next = 0;
    }
    let y = state[next++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

function twist(state: Uint32Array): void {
  for (let i = 0; i < N; i++) {
    const y = (state[i]! & 0x80000000) | (state[(i + 1) % N]! & 0x7fffffff);
    state[i] = state[(i + M) % N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
  }
}

/**
 * Standard normal values in float32.
 * @param seed an integer in 0..2^32-1
 * @param out filled in C order; returned
 */
export function randn(seed: number, out: Float32Array): Float32Array {
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new RangeError(`a seed is an integer in 0..4294967295, not ${seed}`);
  }
  const random = mersenneTwister(seed);
  if (out.length < BLOCK) return fillOneByOne(random, out);
  for (let i = 0; i < out.length; i++) out[i] = uniform24(random);
  for (let at = 0; at + BLOCK <= out.length; at += BLOCK) boxMuller(out, at);
  if (out.length % BLOCK !== 0) {
    const at = out.length - BLOCK;
    for (let i = at; i < out.length; i++) out[i] = uniform24(random);
    boxMuller(out, at);
  }
  return out;
}

const uniform24 = (random: () => number): number => (random() & 0xffffff) / 0x1000000;

/** Turns 16 uniforms into 16 normals in place, pairing j with j + 8. */
function boxMuller(values: Float32Array, at: number): void {
  for (let j = at; j < at + BLOCK / 2; j++) {
    const radius = Math.sqrt(-2 * Math.log(1 - values[j]!));
    const angle = TWO_PI * values[j + BLOCK / 2]!;
    values[j] = radius * Math.cos(angle);
    values[j + BLOCK / 2] = radius * Math.sin(angle);
  }
}

/** Torch below 16 values: 53-bit uniforms, two normals from each pair. */
function fillOneByOne(random: () => number, out: Float32Array): Float32Array {
  for (let i = 0; i < out.length; i += 2) {
    const angle = TWO_PI * uniform53(random);
    const radius = Math.sqrt(-2 * Math.log1p(-uniform53(random)));
    out[i] = radius * Math.cos(angle);
    if (i + 1 < out.length) out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}

function uniform53(random: () => number): number {
  const high = random();
  return ((high & 0x1fffff) * 2 ** 32 + random()) / 2 ** 53;
}
