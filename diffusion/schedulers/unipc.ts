import { alphasForSigmas, sigmasOf, trainTimesteps } from './alphas.ts';
import { isOn, oneOf, predictionOf, refuseSwitches, type SchedulerConfig, spacingOf } from './config.ts';
import { cleanSample } from './dpm-solver.ts';
import { solveLinear } from './linear.ts';
import type { Schedule, Step, Weights } from './schedule.ts';
import { finalSigma, interpolate, type Level, levelOf, rampOf, rampSigmas, timestepOfSigma } from './sigmas.ts';
import { checkTimesteps, roundHalfEven, spaceTimestepsAboveLowest } from './timesteps.ts';

const f32 = Math.fround;

/**
 * UniPC, predictor and corrector of any order. Source: W. Zhao et al., "UniPC: A Unified Predictor-Corrector Framework for
 * Fast Sampling of Diffusion Models" (2023), algorithms 1 to 4; diffusers, UniPCMultistepScheduler. What is kept is the
 * predicted clean sample, or the noise where `predict_x0` is false; the anchor is the last corrected sample.
 */
export function planUniPc(config: SchedulerConfig, steps: number): Schedule {
  refuseSwitches(config, ['thresholding', 'use_flow_sigmas', 'use_dynamic_shifting', 'shift_terminal', 'solver_p']);
  const { timesteps, sigmas } = noiseLevels(config, steps);
  const levels = sigmas.map(levelOf);
  const highest = config.solver_order ?? 2;
  const lowerAtEnd = isOn(config.lower_order_final, true);
  const left = (i: number): number => (lowerAtEnd ? timesteps.length - i : highest);
  const orders = timesteps.map((_, i) => Math.min(highest, i + 1, left(i)));
  const kind = kindOf(config);
  const uncorrected = config.disable_corrector ?? [];
  const calls = timesteps.map((timestep, i): Step => {
    // Levels of the outputs at hand at a step, newest first: one for each order.
    const from = (at: number): Level[] => levels.slice(at + 1 - orders[at]!, at + 1).reverse();
    const corrects = i > 0 && !uncorrected.includes(i - 1);
    return {
      timestep,
      inputScale: 1,
      estimate: kind.clean ? cleanSample(config, levels[i]!) : noise(config, levels[i]!),
      ...(corrects ? { correct: correction(levels[i]!, from(i - 1), kind) } : {}),
      next: prediction(levels[i + 1]!, from(i), kind),
      keep: Array.from({ length: Math.min(i + 1, highest) }, (_, k) => k),
      anchors: true,
    };
  });
  return { steps: calls, initNoiseSigma: 1, sigmas };
}

function noise(config: SchedulerConfig, { alpha, sigma }: Level): Step['estimate'] {
  switch (predictionOf(config)) {
    case 'epsilon':
      return { sample: 0, output: 1 };
    case 'sample':
      return { sample: 1 / sigma, output: -alpha / sigma };
    case 'v_prediction':
      return { sample: sigma, output: alpha };
  }
}

function noiseLevels(config: SchedulerConfig, steps: number): { timesteps: number[]; sigmas: number[] } {
  const train = trainTimesteps(config);
  const spaced = { spacing: spacingOf(config, 'linspace'), steps, train, offset: config.steps_offset ?? 0 };
  const table = sigmasOf(alphasForSigmas(config));
  let timesteps = spaceTimestepsAboveLowest(spaced);
  let sigmas = timesteps.map((timestep) => interpolate(table, timestep));
  let smallest = table[0]!;
  const ramp = rampOf(config, ['karras', 'exponential']);
  if (ramp) {
    sigmas = rampSigmas(ramp, config, { high: table.at(-1)!, low: smallest }, steps);
    timesteps = sigmas
      .map((sigma) => timestepOfSigma(sigma, table))
      .map(ramp === 'karras' ? roundHalfEven : Math.trunc);
    smallest = sigmas.at(-1)!;
  }
  checkTimesteps(timesteps, train);
  return { timesteps, sigmas: [...sigmas, finalSigma(config, smallest)].map(f32) };
}

interface Kind {
  /** Whether estimates are clean samples, else noise. */
  readonly clean: boolean;
  readonly bh: 'bh1' | 'bh2';
}

/** Solver types of other classes mean bh2, as in diffusers. */
function kindOf(config: SchedulerConfig): Kind {
  const type = oneOf(config, 'solver_type', ['bh1', 'bh2', 'midpoint', 'heun', 'logrho'], 'bh2');
  return { clean: isOn(config.predict_x0, true), bh: type === 'bh1' ? 'bh1' : 'bh2' };
}

/** The terms that predictor and corrector share: an exponential step, and a correction by differences of outputs. */
function terms(to: Level, from: readonly Level[], { clean, bh }: Kind) {
  const now = from[0]!;
  const h = to.lambda - now.lambda;
  const hh = clean ? -h : h;
  const growth = Math.expm1(hh);
  const bound = bh === 'bh1' ? hh : growth;
  const scale = clean ? to.alpha : to.sigma;
  // Distances in lambda of the earlier outputs, in units of this step.
  const ratios = from.slice(1).map((level) => (level.lambda - now.lambda) / h);
  const ofSample = clean ? to.sigma / now.sigma : to.alpha / now.alpha;
  return { hh, growth, bound, scale, ratios, ofSample };
}

/** Right-hand side of the order conditions: k! phi_(k+1)(hh) / B(h) for k = 1..count (section 3.1). */
function conditions(hh: number, bound: number, count: number): number[] {
  let phi = Math.expm1(hh) / hh - 1;
  let factorial = 1;
  return Array.from({ length: count }, (_, i) => {
    const value = (phi * factorial) / bound;
    factorial *= i + 2;
    phi = phi / hh - 1 / factorial;
    return value;
  });
}

/** Algorithm 2: from the sample. */
function prediction(to: Level, from: readonly Level[], kind: Kind): Weights {
  const { hh, growth, bound, scale, ratios, ofSample } = terms(to, from, kind);
  const order = from.length;
  let rhos: number[] = [];
  if (order === 2) rhos = [0.5];
  else if (order > 2) rhos = solveLinear(powers(ratios, order - 1), conditions(hh, bound, order - 1));
  const differences = ratios.map((ratio, i) => (-scale * bound * rhos[i]!) / ratio);
  return { sample: ofSample, estimates: [-scale * growth - sum(differences), ...differences] };
}

/** Algorithm 1: again from the sample before, with the output at the predicted one. */
function correction(to: Level, from: readonly Level[], kind: Kind): Weights {
  const { hh, growth, bound, scale, ratios, ofSample } = terms(to, from, kind);
  const order = from.length;
  const rhos = order === 1 ? [0.5] : solveLinear(powers([...ratios, 1], order), conditions(hh, bound, order));
  const differences = ratios.map((ratio, i) => (-scale * bound * rhos[i]!) / ratio);
  const ofNew = -scale * bound * rhos.at(-1)!;
  return { anchor: ofSample, estimates: [ofNew, -scale * growth - sum(differences) - ofNew, ...differences] };
}

/** Rows of powers 0, 1, ... of the ratios. */
const powers = (ratios: readonly number[], count: number): number[][] =>
  Array.from({ length: count }, (_, power) => ratios.map((ratio) => ratio ** power));

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
