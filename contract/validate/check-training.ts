import { z } from 'zod';
import { NO_FINDING } from '../names.ts';
import { type Issue, issueAt, listed, type Path, show } from '../schema/issue.ts';
import { bin, label } from '../schema/text.ts';
import { BASELINES, POOLED, RESERVED_STAGES } from '../schema/training.ts';
import { type Axes, checkBins, duplicates } from './check-quota.ts';
import { items, member, sound, soundItems } from './salvage.ts';

/** The meaning of `spec.training`: what the stages take from each other, and what a comparison needs. */

const TRAINING: Path = ['spec', 'training'];
const STAGES: Path = [...TRAINING, 'stages'];

export function checkTraining(training: unknown, axes: Axes | null): Issue[] {
  const stages = items(member(training, 'stages'));
  const names = stages.map(([, stage]) => sound(label, member(stage, 'name')));
  return [
    ...stages.flatMap(([i, stage]) => checkStage(stage, names.slice(0, i), [...STAGES, i])),
    ...checkSites(training),
    ...checkCompare(training, stages),
    ...checkAgeBins(training),
    ...checkLabels(training, axes),
  ];
}

/** @param earlier names of the stages before it; undefined for one that is wrong in itself */
function checkStage(stage: unknown, earlier: readonly (string | undefined)[], path: Path): Issue[] {
  return [
    ...checkName(stage, earlier, path),
    ...checkFrom(stage, earlier, path),
    ...checkFinetune(stage, path),
    ...checkLength(member(stage, 'hyperparameters'), [...path, 'hyperparameters']),
    ...checkTemplate(stage, path),
  ];
}

function checkName(stage: unknown, earlier: readonly (string | undefined)[], path: Path): Issue[] {
  const name = sound(label, member(stage, 'name'));
  if (name === undefined) return [];
  if (RESERVED_STAGES.some((reserved) => reserved === name)) {
    return [issueAt([...path, 'name'], `${show(name)} is where other results go; choose another name`)];
  }
  if (!earlier.includes(name)) return [];
  return [issueAt([...path, 'name'], `${show(name)} is the name of an earlier stage; choose another name`)];
}

function checkFrom(stage: unknown, earlier: readonly (string | undefined)[], path: Path): Issue[] {
  const from = sound(label, member(stage, 'from'));
  if (from === undefined || earlier.includes(from) || earlier.includes(undefined)) return [];
  const known = earlier.length > 0 ? `it is one of ${listed(earlier as string[])}` : 'this is the first stage';
  return [issueAt([...path, 'from'], `${show(from)} must name a stage that comes before this one; ${known}`)];
}

/** What is finetuned begins somewhere, and never on the synthetic images. */
function checkFinetune(stage: unknown, path: Path): Issue[] {
  if (member(stage, 'type') !== 'Finetune') return [];
  const issues: Issue[] = [];
  if (member(stage, 'from') === undefined) {
    issues.push(issueAt([...path, 'from'], 'is required for Finetune; name the stage whose weights it begins with'));
  }
  if (member(stage, 'data') === undefined) {
    issues.push(issueAt([...path, 'data'], 'is required for Finetune; name the folder of real images'));
  }
  return issues;
}

function checkLength(hyperparameters: unknown, path: Path): Issue[] {
  if (member(hyperparameters, 'steps') === undefined || member(hyperparameters, 'epochs') === undefined) return [];
  return [issueAt([...path, 'steps'], 'says how long to train, and so does epochs; remove one of the two')];
}

/** A TrainJob takes its pod template from its runtime. */
function checkTemplate(stage: unknown, path: Path): Issue[] {
  if (member(stage, 'podTemplate') === undefined || member(stage, 'runtimeRef') === undefined) return [];
  return [issueAt([...path, 'podTemplate'], 'has no effect with runtimeRef; say it in the runtime and remove it here')];
}

function checkSites(training: unknown): Issue[] {
  const path = [...TRAINING, 'evaluation', 'sites'];
  const names = items(member(training, 'evaluation', 'sites')).flatMap(([i, site]): [number, string][] => {
    const name = sound(label, member(site, 'name'));
    return name === undefined ? [] : [[i, name]];
  });
  const pooled = names.filter(([, name]) => name === POOLED);
  return [
    ...duplicates(names, path, ['name']),
    ...pooled.map(([i]) => issueAt([...path, i, 'name'], 'stands for all sites together; choose another name')),
  ];
}

/** Baselines stand beside a Pretrain and a Finetune stage, and are measured on sites. */
function checkCompare(training: unknown, stages: readonly [number, unknown][]): Issue[] {
  const path = [...TRAINING, 'compare'];
  const baselines = soundItems(z.enum(BASELINES), member(training, 'compare'));
  if (baselines.length === 0) return [];
  const issues = duplicates(baselines, path);
  const types = stages.map(([, stage]) => member(stage, 'type'));
  if (!types.includes('Pretrain') || !types.includes('Finetune')) {
    issues.push(
      issueAt(path, 'needs a Pretrain and a Finetune stage to compare with; add them to spec.training.stages'),
    );
  }
  if (items(member(training, 'evaluation', 'sites')).length === 0) {
    issues.push(issueAt(path, 'needs real images to measure on; add spec.training.evaluation.sites'));
  }
  return issues;
}

function checkAgeBins(training: unknown): Issue[] {
  return checkBins(soundItems(bin, member(training, 'ageBins')), [...TRAINING, 'ageBins']);
}

/** What to learn: the resource says it, or its axis does. */
function checkLabels(training: unknown, axes: Axes | null): Issue[] {
  const path = [...TRAINING, 'labels'];
  const labels = member(training, 'labels');
  if (labels !== undefined) {
    const named = soundItems(label, labels);
    const none = named.filter(([, name]) => name === NO_FINDING);
    return [
      ...duplicates(named, path),
      ...none.map(([i]) => issueAt([...path, i], 'is learned in any case; remove it')),
    ];
  }
  if (training === undefined || !axes || axes.has('finding')) return [];
  return [issueAt(path, 'is required, since spec.quota.axes has no finding; name the findings to learn')];
}
