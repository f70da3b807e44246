import { ModelError } from '../errors.ts';
import type { Spacing } from './config.ts';

/** The training timesteps of a run, in descending order. Source: diffusers, set_timesteps of each scheduler. */

export interface TimestepSpacing {
  readonly spacing: Spacing;
  readonly steps: number;
  /** Training timesteps. */
  readonly train: number;
  readonly offset: number;
}

/** PNDM, DDIM and Euler: `steps` values; linspace keeps its fractions, to be rounded by those who need whole ones. */
export function spaceTimesteps({ spacing, steps, train, offset }: TimestepSpacing): number[] {
  switch (spacing) {
    case 'linspace':
      return linspace(0, train - 1, steps).reverse();
    case 'leading': {
      const stride = Math.floor(train / steps);
      return Array.from({ length: steps }, (_, i) => (steps - 1 - i) * stride + offset);
    }
    case 'trailing':
      return trailing(train, train / steps);
  }
}

/** DPM-Solver++ and UniPC: one more point than steps, the lowest left out; `last` is where the noise schedule is cut off. */
export function spaceTimestepsAboveLowest({ spacing, steps, train, offset }: TimestepSpacing, last = train): number[] {
  switch (spacing) {
    case 'linspace':
      return linspace(0, last - 1, steps + 1)
        .reverse()
        .slice(0, -1)
        .map(roundHalfEven);
    case 'leading': {
      const stride = Math.floor(last / (steps + 1));
      return Array.from({ length: steps }, (_, i) => (steps - i) * stride + offset);
    }
    case 'trailing':
      return trailing(last, train / steps);
  }
}

/** numpy.arange(start, 0, -stride), rounded, less one. Written as numpy computes it, whose rounding decides the halves. */
function trailing(start: number, stride: number): number[] {
  const count = Math.ceil(start / stride);
  const delta = start - stride - start;
  return Array.from({ length: count }, (_, i) => roundHalfEven(start + i * delta) - 1);
}

/** numpy.linspace. */
export function linspace(start: number, stop: number, count: number): number[] {
  if (count === 1) return [start];
  const step = (stop - start) / (count - 1);
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? stop : i * step + start));
}

export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** @throws ModelError for a number of steps that the schedule cannot serve */
export function checkSteps(steps: number, train: number): void {
  if (!Number.isInteger(steps) || steps < 1 || steps > train) {
    throw new ModelError(
      `sampling.steps: ${steps} is not a whole number of 1 to ${train}, the model's training timesteps`,
    );
  }
}

/** @throws ModelError when a timestep lies outside the training schedule (diffusers fails there as well) */
export function checkTimesteps(timesteps: readonly number[], train: number): void {
  const outside = timesteps.find((timestep) => timestep < 0 || timestep > train - 1);
  if (outside !== undefined) {
    throw new ModelError(
      `sampling.steps: ${timesteps.length} steps would use timestep ${outside}, but the model was trained on 0 to ${train - 1}; use another number of steps`,
    );
  }
}
