import { MAX_SHARDS } from '../names.ts';
import { SEED_SPACE } from '../plan/seeds.ts';
import { type Issue, issueAt, listed, type Path } from '../schema/issue.ts';
import { axisValue, gateSchema, outputSchema, qualitySchema, quotaSchema } from '../schema/spec.ts';
import { label } from '../schema/text.ts';
import { type Axes, checkAxisName, checkValue, duplicates } from './check-quota.ts';
import { items, member, sound, soundItems } from './salvage.ts';

/** The meaning of `spec.quality`, and whether all attempts and shards can be numbered. */

const GATES: Path = ['spec', 'quality', 'gates'];

export function checkQuality(quality: unknown, axes: Axes | null): Issue[] {
  const gates = items(member(quality, 'gates'));
  const names = gates.flatMap(([i, gate]): [number, string][] => {
    const name = sound(label, member(gate, 'name'));
    return name === undefined ? [] : [[i, name]];
  });
  return [...duplicates(names, GATES, ['name']), ...gates.flatMap(([i, gate]) => checkGate(gate, axes, [...GATES, i]))];
}

function checkGate(raw: unknown, axes: Axes | null, path: Path): Issue[] {
  const axis = member(raw, 'axis');
  const unknown = checkAxisName(axes, axis, [...path, 'axis']);
  if (unknown.length > 0 || typeof axis !== 'string') return unknown;
  const issues = soundItems(axisValue, member(raw, 'appliesTo')).flatMap(([i, value]) =>
    checkValue(axes, axis, value, [...path, 'appliesTo', i]),
  );
  switch (sound(gateSchema.shape.type, member(raw, 'type'))) {
    case 'Regressor':
      return [...issues, ...checkRegressor(raw, axes, path)];
    case 'Classifier':
      return [...issues, ...checkClassifier(raw, axes, path)];
    default:
      return issues;
  }
}

function checkRegressor(raw: unknown, axes: Axes | null, path: Path): Issue[] {
  const axis = member(raw, 'axis') as string;
  const issues: Issue[] = [];
  if (member(raw, 'classes') !== undefined) {
    issues.push(issueAt([...path, 'classes'], 'belongs to a Classifier; remove it'));
  }
  if (axes?.get(axis)?.numeric === false) {
    const message = `a Regressor judges numbers, but axis ${axis} has values; use a Classifier or give the axis bins`;
    issues.push(issueAt([...path, 'type'], message));
  }
  if (member(raw, 'tolerance') === undefined) {
    const message =
      'is required for a Regressor; write the largest distance in the unit of its axis, such as 16 (years)';
    issues.push(issueAt([...path, 'tolerance'], message));
  }
  return issues;
}

function checkClassifier(raw: unknown, axes: Axes | null, path: Path): Issue[] {
  const gate = sound(gateSchema.pick({ axis: true, classes: true, appliesTo: true }).loose(), raw);
  const issues: Issue[] = duplicates(soundItems(axisValue, member(raw, 'classes')), [...path, 'classes']);
  if (member(raw, 'tolerance') !== undefined) {
    issues.push(issueAt([...path, 'tolerance'], 'belongs to a Regressor; use minProbability'));
  }
  if (!gate?.classes) return issues;
  const judged = gate.appliesTo ?? axes?.get(gate.axis)?.values ?? [];
  const missing = judged.filter((value) => !gate.classes!.includes(value));
  if (missing.length > 0) {
    const message = `has no class ${listed(missing)} of axis ${gate.axis}; add it or limit appliesTo`;
    issues.push(issueAt([...path, 'classes'], message));
  }
  return issues;
}

/** Whether every attempt has a seed of its own and every shard a number, where the spec itself says how many there are. */
export function checkNumbers(spec: unknown): Issue[] {
  const samples = sound(quotaSchema.shape.samples, member(spec, 'quota', 'samples'));
  if (samples === undefined) return [];
  const attempts = sound(qualitySchema.shape.maxAttempts, member(spec, 'quality', 'maxAttempts'));
  const size = sound(outputSchema.shape.shard, member(spec, 'output', 'shard'))?.samples;
  return [
    ...(attempts === undefined ? [] : seedIssues(samples, attempts)),
    ...(size === undefined ? [] : shardIssues(samples, size)),
  ];
}

/** @returns an issue when the attempts do not fit in 32-bit seeds */
export function seedIssues(samples: number, attempts: number): Issue[] {
  if (samples * attempts <= SEED_SPACE) return [];
  const message = `${attempts} attempts for each of ${samples} samples need ${samples * attempts} seeds, but there are only ${SEED_SPACE} (32 bits); lower it to ${Math.floor(SEED_SPACE / samples)}`;
  return [issueAt(['spec', 'quality', 'maxAttempts'], message)];
}

/** @returns an issue when the shards do not fit in the digits of their names */
export function shardIssues(samples: number, size: number): Issue[] {
  const shards = Math.ceil(samples / size);
  if (shards <= MAX_SHARDS) return [];
  const message = `${size} for each shard makes ${shards} shards; the most is ${MAX_SHARDS}: raise it to at least ${Math.ceil(samples / MAX_SHARDS)}`;
  return [issueAt(['spec', 'output', 'shard', 'samples'], message)];
}
