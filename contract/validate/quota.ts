import { countCombinations, MAX_CELLS } from '../plan/grid.ts';
import { type Issue, issueAt, type Path } from '../schema/issue.ts';
import { MAX_AXES, type Quota, quotaSchema } from '../schema/spec.ts';
import { strategyOf } from './allocation.ts';
import { binRule, checkBins, checkCell, type DraftAxes, duplicates } from './axes.ts';
import { type DraftSpec, entries, isWhole, soundItems, withDefault } from './draft.ts';
import { isKnown, type Validation, withKnown } from './rule.ts';

/** The axes of `spec.quota`, its exclusions and its totals. */

/** The placeholder of the template that is not an axis. */
const RESERVED = 'impression';
const QUOTA: Path = ['spec', 'quota'];
const AXES: Path = [...QUOTA, 'axes'];

const axes: Validation = {
  check: ({ quota }) => [
    ...entries(quota?.axes).flatMap(([name, axis]) => checkAxis(name, axis)),
    ...checkNumberOfCells(quota?.axes),
  ],
  cel: {
    'quota.axes': [
      { rule: 'self.size() > 0', message: 'is empty; name at least one axis, such as sex: {values: [female, male]}' },
      {
        rule: "self.all(name, name.matches('^[a-z][a-z0-9_]{0,31}$'))",
        message: 'has a name that no axis can have: it must be a-z, 0-9 and _, at most 32, a letter first',
      },
      {
        rule: `!('${RESERVED}' in self)`,
        message: 'impression is the phrase in a prompt; call the axis something else, such as finding',
      },
    ],
    'quota.axes.*': [
      {
        rule: 'has(self.values) != has(self.bins)',
        message: 'has both values and bins, or neither; give exactly one of the two',
      },
    ],
    'quota.axes.*.bins.[]': [binRule],
  },
};

function checkAxis(name: string, axis: NonNullable<DraftAxes>[string]): Issue[] {
  const path = [...AXES, name];
  const issues = [
    ...duplicates(soundItems(axis?.values), [...path, 'values']),
    ...checkBins(soundItems(axis?.bins), [...path, 'bins']),
  ];
  if (name === RESERVED) {
    issues.push(issueAt(path, `is the name of the phrase in a prompt; call the axis something else, such as finding`));
  }
  if (axis && isWhole(axis) && (axis.values === undefined) === (axis.bins === undefined)) {
    const found = axis.values === undefined ? 'has neither values nor bins' : 'has both values and bins';
    issues.push(issueAt(path, `${found}; give exactly one of the two`));
  }
  return issues;
}

function checkNumberOfCells(axes: DraftAxes): Issue[] {
  if (!axes || !isWhole(axes)) return [];
  const count = Object.keys(axes).length;
  const combinations = countCombinations(axes as Quota['axes']);
  const issues: Issue[] = [];
  if (count === 0)
    issues.push(issueAt(AXES, 'is empty; name at least one axis, such as sex: {values: [female, male]}'));
  if (count > MAX_AXES) issues.push(issueAt(AXES, `has ${count} axes; the most is ${MAX_AXES}: leave some out`));
  if (combinations > MAX_CELLS) {
    const message = `has ${combinations} combinations; the most is ${MAX_CELLS}: use fewer or coarser values`;
    issues.push(issueAt(AXES, message));
  }
  return issues;
}

const exclude: Validation = {
  check: ({ quota }, axes) =>
    soundItems(quota?.exclude).flatMap(([i, cell]) =>
      Object.keys(cell).length === 0
        ? [issueAt([...QUOTA, 'exclude', i], 'is empty and would exclude every cell; remove it or name an axis')]
        : checkCell(axes, cell, [...QUOTA, 'exclude', i]),
    ),
  cel: {
    quota: [
      {
        rule: withKnown('self.axes', `self.exclude.all(cell, ${isKnown('cell')})`),
        message: 'names an axis or a value that spec.quota.axes does not have',
        fieldPath: '.exclude',
      },
    ],
    'quota.exclude.[]': [
      { rule: 'self.size() > 0', message: 'is empty and would exclude every cell; remove it or name an axis' },
    ],
  },
};

/** A table says by its rows how many samples there are, and of what. */
const totals: Validation = {
  check: checkTotals,
  cel: {
    quota: [
      {
        rule: "self.allocation.strategy == 'Table' || has(self.samples)",
        message: 'is required; write a whole number of images',
        fieldPath: '.samples',
        reason: 'FieldValueRequired',
      },
      {
        rule: "self.allocation.strategy != 'Table' || self.minPerCell == 0",
        message: 'means nothing with strategy Table; remove it',
        fieldPath: '.minPerCell',
      },
    ],
  },
};

function checkTotals({ quota }: DraftSpec): Issue[] {
  const strategy = strategyOf(quota);
  if (!quota || strategy === null) return [];
  if (strategy !== 'Table' && quota.samples === undefined)
    return [issueAt([...QUOTA, 'samples'], 'is required; write a whole number of images')];
  const least = withDefault(quota.minPerCell, quotaSchema.shape.minPerCell) ?? 0;
  if (strategy === 'Table' && least > 0)
    return [issueAt([...QUOTA, 'minPerCell'], 'means nothing with strategy Table; remove it')];
  return [];
}

export const QUOTA_VALIDATIONS: readonly Validation[] = [axes, exclude, totals];
