import { PAIR } from '../names.ts';
import { type Issue, issueAt, type Path, show } from '../schema/issue.ts';
import { outputSchema } from '../schema/spec.ts';
import { strategyOf } from './allocation.ts';
import { type Axes, checkAxisName } from './axes.ts';
import { type DraftSpec, soundItems, withDefault } from './draft.ts';
import { countOf, type Validation } from './rule.ts';

/** `spec.quota.pairs`: the axis has values to differ in, and everything else holds whole pairs. */

const QUOTA: Path = ['spec', 'quota'];
const SIZE = `(${countOf('self.axes[self.pairs.axis]')})`;
const HAS_AXIS = 'has(self.pairs) && self.pairs.axis in self.axes';

const pairs: Validation = {
  check: checkPairs,
  cel: {
    quota: [
      {
        rule: '!has(self.pairs) || self.pairs.axis in self.axes',
        message: 'names an axis that spec.quota.axes does not have',
        fieldPath: '.pairs.axis',
      },
      {
        rule: `!(${HAS_AXIS}) || ${SIZE} > 1`,
        message: 'names an axis of one value, in which no two samples can differ; name another',
        fieldPath: '.pairs.axis',
      },
      {
        rule: "!has(self.pairs) || self.allocation.strategy != 'Table'",
        message: 'means nothing with strategy Table; remove it',
        fieldPath: '.pairs',
        reason: 'FieldValueForbidden',
      },
      {
        rule: `!(${HAS_AXIS}) || !has(self.samples) || ${SIZE} == 0 || self.samples % ${SIZE} == 0`,
        message: 'is not a multiple of the number of values of the axis of the pairs',
        fieldPath: '.samples',
      },
    ],
    '': [
      {
        rule: `!has(self.quota.pairs) || !(self.quota.pairs.axis in self.quota.axes) ||
[${countOf('self.quota.axes[self.quota.pairs.axis]')}].all(size, size == 0 || self.output.shard.samples % size == 0)`,
        message: 'is not a multiple of the number of values of the axis of the pairs: a pair lies in one shard',
        fieldPath: '.output.shard.samples',
      },
      {
        rule: `!has(self.quota.pairs) || self.quality.gates.all(gate, gate.name != '${PAIR}')`,
        message:
          'images are counted under pair when another of their pair is rejected; choose another name for the gate',
        fieldPath: '.quality.gates',
      },
    ],
  },
};

function checkPairs({ quota, quality, output }: DraftSpec, axes: Axes | null): Issue[] {
  const given = quota?.pairs;
  if (!given) return [];
  const path = [...QUOTA, 'pairs', 'axis'];
  const issues = checkAxisName(axes, given.axis, path);
  if (strategyOf(quota) === 'Table')
    issues.push(issueAt([...QUOTA, 'pairs'], 'means nothing with strategy Table; remove it'));
  for (const [i, gate] of soundItems(quality?.gates)) {
    if (gate.name !== PAIR) continue;
    const message = `${show(PAIR)} is what images are counted under when another of their pair is rejected; choose another name`;
    issues.push(issueAt(['spec', 'quality', 'gates', i, 'name'], message));
  }
  const size = axes?.get(given.axis ?? '')?.values.length;
  if (size === undefined) return issues;
  if (size === 1) {
    const message = `${show(given.axis)} has one value, in which no two samples can differ; name another axis`;
    return [...issues, issueAt(path, message)];
  }
  const shard = withDefault(output?.shard?.samples, outputSchema.shape.shard.unwrap().shape.samples);
  const multiples: [Path, number | null | undefined][] = [
    [[...QUOTA, 'samples'], quota.samples],
    [['spec', 'output', 'shard', 'samples'], output?.shard === null ? null : shard],
  ];
  for (const [at, samples] of multiples) {
    if (typeof samples !== 'number' || samples % size === 0) continue;
    const near = Math.max(size, samples - (samples % size));
    const message = `${samples} is not a multiple of ${size}, the samples of a pair (values of axis ${given.axis}); write ${near} or ${near === samples ? near : near + size}`;
    issues.push(issueAt(at, message));
  }
  return issues;
}

export const PAIRS_VALIDATIONS: readonly Validation[] = [pairs];
