import { ModelError } from '../errors.ts';
import { alphasCumprod, trainTimesteps } from './alphas.ts';
import { isOn, oneOf, type SchedulerConfig, spacingOf } from './config.ts';
import type { Schedule, Step, Weights } from './schedule.ts';
import { checkTimesteps, roundHalfEven, spaceTimesteps } from './timesteps.ts';

/**
 * Pseudo numerical methods for diffusion models. Source: L. Liu et al., "Pseudo Numerical Methods for Diffusion Models on
 * Manifolds" (2022), formulas 9, 12 and 13 and algorithm 2; diffusers, PNDMScheduler.
 *
 * With `skip_prk_steps` (as Stable Diffusion uses it) n steps make n + 1 calls: the second one redoes the first step with
 * the mean of both outputs, and its output is not remembered. Without it, the first three steps are Runge-Kutta steps of
 * four calls each.
 */
export function planPndm(config: SchedulerConfig, steps: number): Schedule {
  const train = trainTimesteps(config);
  const spaced = { spacing: spacingOf(config, 'leading'), steps, train, offset: config.steps_offset ?? 0 };
  const timesteps = spaceTimesteps(spaced).map(roundHalfEven);
  checkTimesteps(timesteps, train);
  const walk = walker(config);
  const stride = Math.floor(train / steps);
  const calls = isOn(config.skip_prk_steps, false)
    ? planWithoutRungeKutta(timesteps, stride, walk)
    : planWithRungeKutta(timesteps, stride, walk);
  return { steps: calls, initNoiseSigma: 1 };
}

/** Weights of the transfer from one timestep to another, for a mean model output given by weights over estimates. */
type Walk = (from: number, to: number, mean: readonly number[], base: 'sample' | 'anchor') => Weights;

/** Formula 9; with v-prediction the mean output is turned into noise first (T. Salimans, J. Ho, 2022, section 4). */
function walker(config: SchedulerConfig): Walk {
  const alphas = alphasCumprod(config, { zeroSnr: false });
  const last = isOn(config.set_alpha_to_one, false) ? 1 : alphas[0]!;
  const prediction = oneOf(config, 'prediction_type', ['epsilon', 'v_prediction'], 'epsilon');
  return (from, to, mean, base) => {
    const [now, then] = [alphas[from] ?? Number.NaN, to >= 0 ? alphas[to]! : last];
    const slope = (then - now) / (now * Math.sqrt(1 - then) + Math.sqrt(now * (1 - now) * then));
    const [ofBase, ofMean] = prediction === 'epsilon' ? [0, 1] : [Math.sqrt(1 - now), Math.sqrt(now)];
    return {
      [base]: Math.sqrt(then / now) - slope * ofBase,
      estimates: mean.map((weight) => -slope * ofMean * weight),
    };
  };
}

const raw = { sample: 0, output: 1 };

/** Adams-Bashforth weights by the number of outputs at hand, newest first (formula 12 and its lower orders). */
const MULTISTEP: readonly (readonly number[])[] = [
  [1],
  [3 / 2, -1 / 2],
  [23 / 12, -16 / 12, 5 / 12],
  [55 / 24, -59 / 24, 37 / 24, -9 / 24],
];

function planWithoutRungeKutta(timesteps: readonly number[], stride: number, walk: Walk): Step[] {
  const used = timesteps.length === 1 ? timesteps : [...timesteps.slice(0, 2), ...timesteps.slice(1)];
  return used.map((timestep, call): Step => {
    const common = { timestep, inputScale: 1, estimate: raw };
    if (call === 1) {
      return { ...common, next: walk(timestep + stride, timestep, [1 / 2, 1 / 2], 'anchor'), keep: [1] };
    }
    const mean = MULTISTEP[Math.min(call === 0 ? 0 : call - 1, 3)]!;
    const next = walk(timestep, timestep - stride, mean, 'sample');
    return { ...common, next, keep: newest(mean.length), anchors: call === 0 };
  });
}

/** At most three outputs are of use later. */
const newest = (count: number): number[] => [0, 1, 2].slice(0, count);

function planWithRungeKutta(timesteps: readonly number[], stride: number, walk: Walk): Step[] {
  if (timesteps.length < 4) {
    throw new ModelError(
      `sampling.steps: ${timesteps.length} is too few for a PNDM scheduler_config.json with skip_prk_steps false, which needs 4`,
    );
  }
  const half = Math.floor(stride / 2);
  const rungeKutta = [0, 1, 2].flatMap((block) =>
    rungeKuttaBlock({ from: timesteps[block]!, to: timesteps[block + 1]!, half, earlier: block }, walk),
  );
  const multistep = timesteps.slice(3).map((timestep): Step => {
    const next = walk(timestep, timestep - stride, MULTISTEP[3]!, 'sample');
    return { timestep, inputScale: 1, estimate: raw, next, keep: newest(3) };
  });
  return [...rungeKutta, ...multistep];
}

interface Block {
  readonly from: number;
  readonly to: number;
  /** Half a stride. */
  readonly half: number;
  /** Outputs remembered from blocks before. */
  readonly earlier: number;
}

/** Formula 13: four calls, of which the first is remembered. The midpoint lies half a stride above the end, as in diffusers. */
function rungeKuttaBlock({ from, to, half, earlier }: Block, walk: Walk): Step[] {
  const middle = to + half;
  const call = (index: number, timestep: number, next: Weights): Step => {
    const remembered = Array.from({ length: earlier + 1 }, (_, k) => k + 3);
    const keep = index === 3 ? remembered : Array.from({ length: earlier + 1 + index }, (_, k) => k);
    return { timestep, inputScale: 1, estimate: raw, next, keep, anchors: index === 0 };
  };
  return [
    call(0, from, walk(from, from - half, [1], 'sample')),
    call(1, middle, walk(from, middle, [1], 'anchor')),
    call(2, middle, walk(from, middle - half, [1], 'anchor')),
    call(3, to, walk(from, to, [1 / 6, 1 / 3, 1 / 3, 1 / 6], 'anchor')),
  ];
}
