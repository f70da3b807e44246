import { NO_FINDING } from '../names.ts';
import { JOINER } from '../plan/combinations.ts';
import { countCombinations, MAX_CELLS } from '../plan/grid.ts';
import { type Issue, issueAt, listed, type Path, show } from '../schema/issue.ts';
import { MAX_AXES, type Quota, quotaSchema } from '../schema/spec.ts';
import { strategyOf } from './allocation.ts';
import { binRule, checkBins, checkCell, type DraftAxes, type DraftAxis, duplicates } from './axes.ts';
import { type DraftSpec, entries, isWhole, soundItems, withDefault } from './draft.ts';
import { asKeys, isKnown, type Validation, withKnown, withName } from './rule.ts';

/** The axes of `spec.quota`, its exclusions and its totals. */

/** The placeholder of the template that is not an axis. */
const RESERVED = 'impression';
const QUOTA: Path = ['spec', 'quota'];
/** Characters of an axis value: it is part of object names and labels. */
const MAX_NAME = 63;
const AXES: Path = [...QUOTA, 'axes'];

const COMBINED_BINS = 'combine values, and an axis of bins has none; remove them';
const COMBINED_NOTHING = `combines ${NO_FINDING} with a finding; remove it`;

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
      {
        rule: '!has(self.combinations) || has(self.values)',
        message: COMBINED_BINS,
        fieldPath: '.combinations',
        reason: 'FieldValueForbidden',
      },
      {
        rule: `!has(self.combinations) || !has(self.values) || ${withName('known', asKeys('self.values'), 'self.combinations.all(set, set.all(value, value in known))')}`,
        message: 'combine a value that the axis does not have; add it to values, or remove it',
        fieldPath: '.combinations',
      },
      {
        rule: `!has(self.combinations) || !has(self.values) || self.values.all(value, !value.contains('${JOINER}'))`,
        message: `must not hold ${JOINER} where there are combinations, whose names it joins; rename the value`,
        fieldPath: '.values',
      },
    ],
    'quota.axes.*.combinations.[]': [
      { rule: `!('${NO_FINDING}' in self)`, message: COMBINED_NOTHING },
      { rule: 'self.all(value, self.exists_one(other, other == value))', message: 'names a value twice; remove one' },
    ],
    'quota.axes.*.bins.[]': [binRule],
  },
};

function checkAxis(name: string, axis: DraftAxis): Issue[] {
  const path = [...AXES, name];
  const issues = [
    ...duplicates(soundItems(axis?.values), [...path, 'values']),
    ...checkBins(soundItems(axis?.bins), [...path, 'bins']),
    ...(axis ? checkCombinations(axis, path) : []),
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

function checkCombinations({ values, bins, combinations }: NonNullable<DraftAxis>, path: Path): Issue[] {
  if (combinations === undefined) return [];
  const at = [...path, 'combinations'];
  if (bins !== undefined && values === undefined) return [issueAt(at, COMBINED_BINS)];
  const plain = soundItems(values);
  const known = new Set(plain.map(([, value]) => value));
  const sets = soundItems(combinations).map(([i, set]) => [i, soundItems(set)] as const);
  const whole = sets.filter(([i]) => isWhole(combinations?.[i]));
  const sameSets = whole.map(([i, set]): [number, string] => [
    i,
    set
      .map(([, value]) => value)
      .sort()
      .join(JOINER),
  ]);
  return [
    ...plain
      .filter(([, value]) => value.includes(JOINER))
      .map(([i, value]) =>
        issueAt(
          [...path, 'values', i],
          `${show(value)} holds ${JOINER}, which joins the names of combinations; rename it`,
        ),
      ),
    ...duplicates(sameSets, at),
    ...sets.flatMap(([i, set]) => checkSet(set, isWhole(values ?? null) ? known : null, [...at, i])),
  ];
}

/** Values of an axis may be up to 63 characters long, names of combinations too. */
function checkSet(set: readonly (readonly [number, string])[], known: ReadonlySet<string> | null, path: Path): Issue[] {
  const name = set.map(([, value]) => value).join(JOINER);
  return [
    ...duplicates(set, path),
    ...set.flatMap(([i, value]) => {
      if (value === NO_FINDING) return [issueAt(path, COMBINED_NOTHING)];
      if (!known || known.has(value)) return [];
      return [
        issueAt(
          [...path, i],
          `${show(value)} is not one of the values of the axis, ${listed([...known])}; add it or remove it`,
        ),
      ];
    }),
    ...(name.length > MAX_NAME
      ? [
          issueAt(
            path,
            `its name ${show(name)} has ${name.length} characters; the most is ${MAX_NAME}: combine fewer, or shorten the names`,
          ),
        ]
      : []),
  ];
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
        rule: `self.exclude.size() == 0 || ${withKnown('self.axes', `self.exclude.all(cell, ${isKnown('cell')})`)}`,
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
