import { alphasForSigmas, sigmasOf, trainTimesteps } from './alphas.ts';
import { isOn, oneOf, predictionOf, refuse, refuseSwitches, type SchedulerConfig, spacingOf } from './config.ts';
import type { Schedule, Step, Weights } from './schedule.ts';
import { finalSigma, interpolate, type Level, levelOf, rampOf, rampSigmas, timestepOfSigma } from './sigmas.ts';
import { checkTimesteps, roundHalfEven, spaceTimestepsAboveLowest } from './timesteps.ts';

const f32 = Math.fround;

/**
 * DPM-Solver++ multistep of order 1 to 3. Source: C. Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion
 * Probabilistic Models" (2022), algorithm 2 (2M) and appendix; diffusers, DPMSolverMultistepScheduler. What is kept is the
 * predicted clean sample.
 */
export function planDpmSolver(config: SchedulerConfig, steps: number): Schedule {
  refuseSwitches(config, ['thresholding', 'use_flow_sigmas', 'variance_type']);
  oneOf(config, 'algorithm_type', ['dpmsolver++', 'deis'], 'dpmsolver++');
  const { timesteps, sigmas } = noiseLevels(config, steps);
  const levels = sigmas.map(levelOf);
  const orders = ordersOf(config, timesteps.length);
  const solver = solverOf(config);
  const calls = timesteps.map((timestep, i): Step => {
    const order = orders[i]!;
    const from = levels.slice(Math.max(0, i + 1 - order), i + 1).reverse();
    return {
      timestep,
      inputScale: 1,
      estimate: cleanSample(config, levels[i]!),
      next: nextSample(levels[i + 1]!, from, solver),
      keep: Array.from({ length: Math.min(i + 1, (config.solver_order ?? 2) - 1) }, (_, k) => k),
    };
  });
  return { steps: calls, initNoiseSigma: 1, sigmas };
}

/** The clean sample as weights of sample and model output. Source: formula 4; T. Salimans, J. Ho (2022) for v. */
export function cleanSample(config: SchedulerConfig, { alpha, sigma }: Level): Step['estimate'] {
  switch (predictionOf(config)) {
    case 'epsilon':
      return { sample: 1 / alpha, output: -sigma / alpha };
    case 'sample':
      return { sample: 0, output: 1 };
    case 'v_prediction':
      return { sample: alpha, output: -sigma };
  }
}

function noiseLevels(config: SchedulerConfig, steps: number): { timesteps: number[]; sigmas: number[] } {
  const train = trainTimesteps(config);
  const spaced = { spacing: spacingOf(config, 'linspace'), steps, train, offset: config.steps_offset ?? 0 };
  const table = sigmasOf(alphasForSigmas(config));
  const clip = config.lambda_min_clipped ?? -Infinity;
  // Timesteps whose log signal-to-noise ratio lies below the clipping value are left out.
  const last = table.findLastIndex((sigma) => -Math.log(sigma) >= clip) + 1;
  let timesteps = spaceTimestepsAboveLowest(spaced, last);
  let sigmas = timesteps.map((timestep) => interpolate(table, timestep));
  const ramp = rampOf(config, ['karras', 'exponential', 'lu']);
  if (ramp) {
    sigmas = rampSigmas(ramp, config, { high: table.at(-1)!, low: table[0]! }, steps);
    const rounded = ramp !== 'exponential' && config.beta_schedule !== 'squaredcos_cap_v2';
    timesteps = sigmas.map((sigma) => timestepOfSigma(sigma, table)).map(rounded ? roundHalfEven : Math.trunc);
  }
  checkTimesteps(timesteps, train);
  return { timesteps, sigmas: [...sigmas, finalSigma(config, table[0]!)].map(f32) };
}

/** The order of each step: it grows from 1, and falls at the end for few steps or where no noise is left. */
function ordersOf(config: SchedulerConfig, steps: number): number[] {
  const { solver_order: highest = 2 } = config;
  if (highest > 3) refuse('solver_order', highest, '1, 2, 3');
  const few = isOn(config.lower_order_final, true) && steps < 15;
  const lastIsFirstOrder = few || isOn(config.euler_at_final, false) || (config.final_sigmas_type ?? 'zero') === 'zero';
  return Array.from({ length: steps }, (_, i) => {
    if (i === steps - 1 && lastIsFirstOrder) return 1;
    const order = Math.min(highest, i + 1);
    return i === steps - 2 && few ? Math.min(order, 2) : order;
  });
}

type Solver = 'midpoint' | 'heun';

/** Solver types of other classes mean midpoint, as in diffusers. */
function solverOf(config: SchedulerConfig): Solver {
  const type = oneOf(config, 'solver_type', ['midpoint', 'heun', 'logrho', 'bh1', 'bh2'], 'midpoint');
  return type === 'heun' ? 'heun' : 'midpoint';
}

/** @param from the levels of the outputs at hand, newest first: one for each order */
function nextSample(to: Level, from: readonly [Level, ...Level[]] | Level[], solver: Solver): Weights {
  const [now, before, earlier] = from as [Level, Level?, Level?];
  const h = to.lambda - now.lambda;
  const decay = Math.expm1(-h);
  const sample = to.sigma / now.sigma;
  if (!before) return { sample, estimates: [-to.alpha * decay] };
  // First derivative of the clean sample in lambda, times h: D1 = (m0 - m1) / r0.
  const r0 = (now.lambda - before.lambda) / h;
  if (!earlier) {
    const ofD1 = solver === 'midpoint' ? -0.5 * to.alpha * decay : to.alpha * (decay / h + 1);
    return { sample, estimates: [-to.alpha * decay + ofD1 / r0, -ofD1 / r0] };
  }
  const r1 = (before.lambda - earlier.lambda) / h;
  const ofD1 = to.alpha * (decay / h + 1);
  const ofD2 = -to.alpha * ((decay + h) / (h * h) - 0.5);
  // D1 = d0 + r0 / (r0 + r1) (d0 - d1) and D2 = (d0 - d1) / (r0 + r1), with d0 = (m0 - m1) / r0 and d1 = (m1 - m2) / r1.
  const ofDifference = (ofD1 * r0 + ofD2) / (r0 + r1);
  const [ofd0, ofd1] = [ofD1 + ofDifference, -ofDifference];
  return { sample, estimates: [-to.alpha * decay + ofd0 / r0, ofd1 / r1 - ofd0 / r0, -ofd1 / r1] };
}
