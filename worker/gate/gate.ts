import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { appliesTo, GATE_TYPES } from '../../contract/gates/gate-types.ts';
import { wantedClasses } from '../../contract/plan/combinations.ts';
import type { Sample } from '../../contract/plan/plan.ts';
import { type GateModel, gateModelSchema } from '../../contract/schema/gate.ts';
import type { ModelGate } from '../../contract/schema/spec.ts';
import { ModelError } from '../../diffusion/errors.ts';
import { openSession, type Session, type SessionOptions } from '../../diffusion/onnx.ts';
import type { RawImage } from '../../platform/image/image.ts';
import { imagePorts, imageTensor } from '../graph-input.ts';
import { activate, judge, type Verdict } from './verdict.ts';

/** Values of an axis by the name of their combination. */
type Combinations = Readonly<Record<string, readonly string[]>>;

/** A gate in use: its graph, and how images go in and verdicts come out. */

export interface LoadedGate {
  readonly name: string;
  /**
   * One verdict per sample; null where the gate does not apply to the wanted value.
   * @param images that of each sample, and perhaps others that fill up the batch
   * @param features the feature vector of each image, where there is an encoder
   */
  judge(
    images: readonly RawImage[],
    samples: readonly Pick<Sample, 'axes' | 'exact'>[],
    features?: readonly Uint16Array[],
  ): Promise<(Verdict | null)[]>;
}

export interface GateOptions extends SessionOptions {
  /** Looks at every image of a batch, also where it does not apply, so that its calls have the shape of the batch. */
  readonly isSteady?: boolean;
}

/**
 * Loads a gate from its folder (`model.onnx`, `gate.json`).
 * @throws ModelError that names the file and the spec field when they do not fit
 */
export async function loadGate(
  gate: ModelGate,
  dir: string,
  options: GateOptions & { values: readonly string[]; combinations?: Combinations },
): Promise<LoadedGate> {
  const model = await readGateModel(gate, dir);
  const { values, combinations = {}, isSteady = false } = options;
  const classes = classesOf(gate, model, values, combinations);
  const session = await openSession(join(dir, 'model.onnx'), options);
  const { input, output } = imagePorts(session, `gate ${gate.name}`);
  return {
    name: gate.name,
    async judge(images, samples) {
      const applies = samples.map(({ axes }) => appliesTo(gate, axes));
      if (!applies.includes(true)) return samples.map(() => null);
      // The very list where it can be, whose tensor other graphs share.
      const isAll = isSteady || !applies.includes(false);
      const seen = isAll ? images : images.filter((_, i) => applies[i]);
      const rows = await infer({ session, input, output, model, width: classes.length || 1, gate }, seen);
      let next = 0;
      return samples.map(({ axes, exact }, i) => {
        if (!applies[i]) return null;
        const outputs = activate(rows[isAll ? i : next++]!, model.output.activation);
        const value = axes[gate.axis]!;
        return judge(gate, outputs, classes, { value, combined: combinations[value], exact: exact[gate.axis] });
      });
    },
  };
}

/** gate.json with what the spec says instead of it; a spec that says all needs no gate.json. */
async function readGateModel(gate: ModelGate, dir: string): Promise<GateModel> {
  const file = join(dir, 'gate.json');
  const problem = (what: string, cause?: unknown): ModelError =>
    new ModelError(`gate ${gate.name}: ${file} ${what}`, { cause });
  const { hasClasses } = GATE_TYPES[gate.type];
  const described = (await readJson(file, problem)) as Partial<GateModel> | null;
  if (!described && !(gate.input && gate.activation && (!hasClasses || gate.classes))) {
    throw problem('is missing; write it (see docs/gates.md), or give input, activation and classes in the spec');
  }
  const parsed = gateModelSchema.safeParse({
    apiVersion: 'cohortfarm.dev/gate/v1',
    type: gate.type,
    ...described,
    input: gate.input ?? described?.input,
    output: {
      classes: gate.classes,
      ...described?.output,
      ...(gate.activation && { activation: gate.activation }),
    },
  });
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'gate'}: ${issue.message}`);
    throw problem(`and the spec together are not valid: ${issues.join('; ')}`);
  }
  if (parsed.data.type !== gate.type) {
    throw problem(`describes a ${parsed.data.type}, but the spec says type: ${gate.type}`);
  }
  if (hasClasses && !parsed.data.output.classes) {
    throw problem(`and the spec together are not valid: output.classes: a ${gate.type} needs them`);
  }
  return parsed.data;
}

async function readJson(file: string, problem: (what: string, cause?: unknown) => ModelError): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null;
    throw problem('cannot be read', cause);
  });
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw problem('is not valid JSON', cause);
  }
}

/** @param values of the gate's axis; each that the gate judges must be a class, or no image of it could ever pass */
function classesOf(
  gate: ModelGate,
  model: GateModel,
  values: readonly string[],
  combinations: Combinations,
): readonly string[] {
  if (!GATE_TYPES[gate.type].hasClasses) return [];
  const described = model.output.classes!;
  const classes = gate.classes ?? described;
  if (classes.length !== described.length) {
    throw new ModelError(
      `gate ${gate.name}: spec classes are ${classes.length} names, but the model has ${described.length} (${described.join(', ')})`,
    );
  }
  const missing = (gate.appliesTo ?? values).filter((value) =>
    wantedClasses(classes, value, combinations[value]).some((name) => !classes.includes(name)),
  );
  if (missing.length > 0) {
    throw new ModelError(
      `gate ${gate.name}: the model has no class ${missing.join(', ')} of axis ${gate.axis} (it has ${classes.join(', ')}); ` +
        'give classes in the order of its outputs, or limit appliesTo',
    );
  }
  return classes;
}

interface Inference {
  readonly session: Session;
  readonly input: string;
  readonly output: string;
  readonly model: GateModel;
  /** Numbers per image that the graph must give. */
  readonly width: number;
  readonly gate: ModelGate;
}

async function infer(
  { session, input, output, model, width, gate }: Inference,
  images: readonly RawImage[],
): Promise<Float32Array[]> {
  const results = await session.run({ [input]: await imageTensor(images, model.input) });
  const data = results[output]!.data as Float32Array;
  if (data.length !== images.length * width) {
    throw new ModelError(
      `gate ${gate.name}: the graph gives ${data.length / images.length} numbers per image, not ${width}`,
    );
  }
  return images.map((_, i) => data.subarray(i * width, (i + 1) * width));
}
