import { NO_FINDING } from '../names.ts';
import { type Issue, issueAt, listed, type Path, show } from '../schema/issue.ts';
import { COMPARE_RUNS, MACRO, POOLED, RESERVED_STAGES } from '../schema/training.ts';
import { type Axes, binRule, checkBins, duplicates } from './axes.ts';
import { type DraftSpec, isWhole, soundItems } from './draft.ts';
import type { Rule, Validation } from './rule.ts';

/** `spec.training`: what the stages take from each other, and what a comparison needs. */

const TRAINING: Path = ['spec', 'training'];
const STAGES: Path = [...TRAINING, 'stages'];
const SITES: Path = [...TRAINING, 'evaluation', 'sites'];

type DraftTraining = NonNullable<DraftSpec['training']>;
type DraftStage = NonNullable<NonNullable<DraftTraining['stages']>[number]>;

/** Each stage with the names of the stages before it; null for a name that is wrong in itself. */
function stagesOf({ training }: DraftSpec): { i: number; stage: DraftStage; earlier: (string | null)[] }[] {
  const stages = training?.stages ?? [];
  const names = stages.map((stage) => stage?.name ?? null);
  return soundItems(stages).map(([i, stage]) => ({ i, stage, earlier: names.slice(0, i) }));
}

const stages: Validation = {
  check: (spec) =>
    stagesOf(spec).flatMap(({ i, stage, earlier }) => {
      const path = [...STAGES, i];
      return [
        ...checkName(stage, earlier, path),
        ...checkFrom(stage, earlier, path),
        ...checkFinetune(stage, path),
        ...checkLength(stage.hyperparameters, [...path, 'hyperparameters']),
        ...checkTemplate(stage, path),
      ];
    }),
  cel: {
    'training.stages': [
      {
        rule: 'self.all(i, stage, !has(stage.from) || self.exists(j, other, j < i && other.name == stage.from))',
        message: 'from of a stage must name a stage that comes before it',
      },
    ],
    'training.stages.[]': [
      ...(['from', 'data'] as const).map(
        (field): Rule => ({
          rule: `self.type != 'Finetune' || has(self.${field})`,
          message: `is required for Finetune; name the ${field === 'from' ? 'stage whose weights it begins with' : 'folder of real images'}`,
          fieldPath: `.${field}`,
          reason: 'FieldValueRequired',
        }),
      ),
      {
        rule: `!(self.name in [${RESERVED_STAGES.map((name) => `'${name}'`).join(', ')}])`,
        message: 'is where other results go; choose another name',
        fieldPath: '.name',
      },
      {
        rule: '!has(self.podTemplate) || !has(self.runtimeRef)',
        message: 'has no effect with runtimeRef; say it in the runtime and remove it here',
        fieldPath: '.podTemplate',
        reason: 'FieldValueForbidden',
      },
    ],
    'training.stages.[].hyperparameters': [
      {
        rule: '!has(self.steps) || !has(self.epochs)',
        message: 'says how long to train, and so does epochs; remove one of the two',
        fieldPath: '.steps',
        reason: 'FieldValueForbidden',
      },
    ],
  },
};

function checkName({ name }: DraftStage, earlier: readonly (string | null)[], path: Path): Issue[] {
  if (!name) return [];
  if (RESERVED_STAGES.some((reserved) => reserved === name)) {
    return [issueAt([...path, 'name'], `${show(name)} is where other results go; choose another name`)];
  }
  if (!earlier.includes(name)) return [];
  return [issueAt([...path, 'name'], `${show(name)} is the name of an earlier stage; choose another name`)];
}

function checkFrom({ from }: DraftStage, earlier: readonly (string | null)[], path: Path): Issue[] {
  if (!from || earlier.includes(from) || earlier.includes(null)) return [];
  const known = earlier.length > 0 ? `it is one of ${listed(earlier as string[])}` : 'this is the first stage';
  return [issueAt([...path, 'from'], `${show(from)} must name a stage that comes before this one; ${known}`)];
}

/** Finetuning starts from the weights of a stage, and never trains on the synthetic images. */
function checkFinetune({ type, from, data }: DraftStage, path: Path): Issue[] {
  if (type !== 'Finetune') return [];
  const issues: Issue[] = [];
  if (from === undefined) {
    issues.push(issueAt([...path, 'from'], 'is required for Finetune; name the stage whose weights it begins with'));
  }
  if (data === undefined) {
    issues.push(issueAt([...path, 'data'], 'is required for Finetune; name the folder of real images'));
  }
  return issues;
}

function checkLength(hyperparameters: DraftStage['hyperparameters'], path: Path): Issue[] {
  const { steps, epochs } = hyperparameters ?? {};
  if (steps === undefined || steps === null) return [];
  const both = 'says how long to train, and so does epochs; remove one of the two';
  return [
    ...(epochs === undefined ? [] : [issueAt([...path, 'steps'], both)]),
    ...(['warmupSteps', 'probeSteps'] as const).flatMap((name) => {
      const first = hyperparameters?.[name];
      if (first === undefined || first === null || first === 0 || first < steps) return [];
      return [issueAt([...path, name], `${first} is not less than steps, ${steps}; lower it, or train longer`)];
    }),
  ];
}

/** A TrainJob takes its pod template from its runtime. */
function checkTemplate({ podTemplate, runtimeRef }: DraftStage, path: Path): Issue[] {
  if (podTemplate === undefined || runtimeRef === undefined) return [];
  return [issueAt([...path, 'podTemplate'], 'has no effect with runtimeRef; say it in the runtime and remove it here')];
}

const sites: Validation = {
  check: ({ training }) => {
    const names = soundItems(training?.evaluation?.sites).flatMap(([i, { name }]): [number, string][] =>
      name ? [[i, name]] : [],
    );
    const reserved = names.filter(([, name]) => name === POOLED || name === MACRO);
    return [
      ...duplicates(names, SITES, ['name']),
      ...reserved.map(([i]) =>
        issueAt([...SITES, i, 'name'], 'is the name of all sites together; choose another name'),
      ),
    ];
  },
  cel: {
    'training.evaluation.sites.[].name': [
      {
        rule: `!(self in ['${POOLED}', '${MACRO}'])`,
        message: 'is the name of all sites together; choose another name',
      },
    ],
  },
};

/** Baselines are compared with a Pretrain and a Finetune stage, and measured on sites. */
const compare: Validation = {
  check: ({ training }) => {
    const path = [...TRAINING, 'compare'];
    const baselines = soundItems(training?.compare);
    if (baselines.length === 0) return [];
    const issues = duplicates(baselines, path);
    const types = soundItems(training?.stages).map(([, { type }]) => type);
    if (!types.includes('Pretrain') || !types.includes('Finetune')) {
      const message = 'needs a Pretrain and a Finetune stage to compare with; add them to spec.training.stages';
      issues.push(issueAt(path, message));
    }
    if (training?.primary === undefined && isWhole(training?.compare) && !baselines.some(([, one]) => isRival(one))) {
      const message = '["SyntheticOnly"] leaves nothing to contrast PretrainFinetune with; add Mixed or RealOnly';
      issues.push(issueAt(path, message));
    }
    if (training?.compareParallelism !== undefined) {
      for (const [i, { name }] of soundItems(training.stages))
        if (name === COMPARE_RUNS)
          issues.push(
            issueAt(
              [...STAGES, i, 'name'],
              `${show(name)} is where the runs of the comparison go; choose another name`,
            ),
          );
    }
    if ((training?.evaluation?.sites ?? []).length === 0) {
      issues.push(issueAt(path, 'needs real images to measure on; add spec.training.evaluation.sites'));
    }
    return issues;
  },
  cel: {
    training: [
      {
        rule: `self.compare.size() == 0 || (self.stages.exists(stage, stage.type == 'Pretrain') && self.stages.exists(stage, stage.type == 'Finetune'))`,
        message: 'needs a Pretrain and a Finetune stage to compare with; add them to spec.training.stages',
        fieldPath: '.compare',
      },
      {
        rule: 'self.compare.size() == 0 || (has(self.evaluation) && self.evaluation.sites.size() > 0)',
        message: 'needs real images to measure on; add spec.training.evaluation.sites',
        fieldPath: '.compare',
      },
      {
        rule: `!has(self.compareParallelism) || !self.stages.exists(stage, stage.name == '${COMPARE_RUNS}')`,
        message: 'one is called like the runs of the comparison; choose another name',
        fieldPath: '.stages',
      },
    ],
  },
};

/** The synthetic cohorts of the comparison, each of other images: the primary contrast is of one of them. */
const synthetic: Validation = {
  check: (spec) => {
    const { training } = spec;
    const path = [...TRAINING, 'synthetic'];
    const names = soundItems(training?.synthetic).flatMap(([i, { name }]): [number, string][] =>
      name ? [[i, name]] : [],
    );
    const issues = [...duplicates(names, path, ['name']), ...checkCohorts(spec, path)];
    if (training?.synthetic && isEmpty(training.compare)) {
      issues.push(issueAt(path, 'has no effect without spec.training.compare; name baselines there or remove it'));
    }
    const wanted = training?.primary?.synthetic;
    if (wanted && !names.some(([, name]) => name === wanted)) {
      const known = [...new Set(names.map(([, name]) => name))];
      const fix = known.length > 0 ? `take one of ${listed(known)}` : 'remove it';
      issues.push(
        issueAt([...TRAINING, 'primary', 'synthetic'], `${show(wanted)} is not in spec.training.synthetic; ${fix}`),
      );
    }
    return issues;
  },
  cel: {
    training: [
      {
        rule: '!has(self.primary) || !has(self.primary.synthetic) || (has(self.synthetic) && self.synthetic.exists(one, one.name == self.primary.synthetic))',
        message: 'is not in spec.training.synthetic; take a name from there, or remove it where there is none',
        fieldPath: '.primary.synthetic',
      },
      {
        rule: '!has(self.synthetic) || self.compare.size() > 0',
        message: 'has no effect without spec.training.compare; name baselines there or remove it',
        fieldPath: '.synthetic',
      },
    ],
    'training.synthetic': [
      {
        rule: 'self.filter(one, !has(one.uri)).size() < 2',
        message: 'has two entries without uri, whose images are the same; name another dataset or remove one',
      },
    ],
  },
};

const isEmpty = (list: readonly unknown[] | null | undefined): boolean => list === undefined || list?.length === 0;

/** The same images under two names would be trained on twice, and contrasted with themselves. */
function checkCohorts({ training, output }: DraftSpec, path: Path): Issue[] {
  const pretraining = soundItems(training?.stages).flatMap(([, stage]) => (stage.type === 'Pretrain' ? [stage] : []));
  const own = pretraining.length === 1 ? (pretraining[0]!.data ?? output?.uri) : undefined;
  const first = new Map<string, number>();
  return soundItems(training?.synthetic).flatMap(([i, { uri }]) => {
    if (uri === null) return [];
    const place = (uri ?? own ?? '').replace(/\/+$/, '');
    if (!first.has(place)) return first.set(place, i) && [];
    const message = `has the same images as [${first.get(place)}]; name another dataset or remove the entry`;
    return [issueAt([...path, i, 'uri'], message)];
  });
}

const SHARES = { mixedShare: ['Mixed', 'MixedFinetune'], replayShare: ['PretrainFinetuneReplay'] } as const;

/** A share of synthetic images is that of an arm that is compared. */
const shares: Validation = {
  check: ({ training }) => {
    const baselines = soundItems(training?.compare).map(([, name]) => name);
    return (['mixedShare', 'replayShare'] as const).flatMap((field) => {
      const arms: readonly string[] = SHARES[field];
      if (training?.[field] == null || baselines.some((name) => arms.includes(name))) return [];
      return [
        issueAt(
          [...TRAINING, field],
          `has no effect without ${arms.join(' or ')}; add it to spec.training.compare, or remove the share`,
        ),
      ];
    });
  },
  cel: {
    training: [
      {
        rule: "!has(self.mixedShare) || self.compare.exists(one, one.startsWith('Mixed'))",
        message: 'has no effect without Mixed or MixedFinetune; add it to spec.training.compare, or remove the share',
        fieldPath: '.mixedShare',
      },
      {
        rule: "!has(self.replayShare) || 'PretrainFinetuneReplay' in self.compare",
        message: 'has no effect without PretrainFinetuneReplay; add it to spec.training.compare, or remove the share',
        fieldPath: '.replayShare',
      },
    ],
  },
};

/** The baselines that PretrainFinetune is contrasted with: on synthetic images alone it is what that begins with. */
const isRival = (baseline: string): boolean => baseline !== 'SyntheticOnly';

/** The primary contrast is one that is measured. */
const primary: Validation = {
  check: ({ training }) => {
    const path = [...TRAINING, 'primary'];
    const wanted = training?.primary;
    if (!wanted) return [];
    const { minus, initialisation } = wanted;
    const issues: Issue[] = [];
    const rivals = [...new Set(soundItems(training.compare).map(([, baseline]) => baseline))].filter(isRival);
    const isKnown = isWhole(training.compare);
    if (isKnown && minus && !rivals.includes(minus)) {
      const fix =
        rivals.length > 0
          ? `take one of ${listed(rivals)}`
          : 'add one to spec.training.compare, such as Mixed or RealOnly';
      const fault = isRival(minus)
        ? 'is not in spec.training.compare'
        : 'is not what PretrainFinetune is compared with';
      issues.push(issueAt([...path, 'minus'], `${show(minus)} ${fault}; ${fix}`));
    }
    if (isKnown && minus === undefined && rivals.length === 0) {
      const message = 'has nothing to compare PretrainFinetune with; add Mixed or RealOnly to spec.training.compare';
      issues.push(issueAt(path, message));
    }
    if (initialisation === 'Weights' && training.weights === undefined) {
      const message = '"Weights" needs given weights; name them in spec.training.weights or remove it';
      issues.push(issueAt([...path, 'initialisation'], message));
    }
    return issues;
  },
  cel: {
    training: [
      {
        rule: "!has(self.primary) || !has(self.primary.minus) || (self.primary.minus != 'SyntheticOnly' && self.primary.minus in self.compare)",
        message: 'must be in spec.training.compare, and not SyntheticOnly; take another one from there',
        fieldPath: '.primary.minus',
      },
      {
        rule: "!has(self.primary) || has(self.primary.minus) || self.compare.exists(one, one != 'SyntheticOnly')",
        message: 'has nothing to compare PretrainFinetune with; add Mixed or RealOnly to spec.training.compare',
        fieldPath: '.primary',
      },
      {
        rule: "!has(self.primary) || !has(self.primary.initialisation) || self.primary.initialisation != 'Weights' || has(self.weights)",
        message: 'needs given weights; name them in spec.training.weights or remove it',
        fieldPath: '.primary.initialisation',
      },
    ],
  },
};

const ageBins: Validation = {
  check: ({ training }) => checkBins(soundItems(training?.ageBins), [...TRAINING, 'ageBins']),
  cel: { 'training.ageBins.[]': [binRule] },
};

/** The findings to learn: the resource names them, or its axis does. */
const labels: Validation = {
  check: checkLabels,
  cel: {
    '': [
      {
        rule: "!has(self.training) || has(self.training.labels) || 'finding' in self.quota.axes",
        message: 'is required, since spec.quota.axes has no finding; name the findings to learn',
        fieldPath: '.training.labels',
        reason: 'FieldValueRequired',
      },
    ],
    'training.labels': [
      { rule: `!('${NO_FINDING}' in self)`, message: `${NO_FINDING} is learned in any case; remove it` },
    ],
  },
};

function checkLabels({ training }: DraftSpec, axes: Axes | null): Issue[] {
  const path = [...TRAINING, 'labels'];
  if (training?.labels !== undefined) {
    const named = soundItems(training.labels);
    const none = named.filter(([, name]) => name === NO_FINDING);
    return [
      ...duplicates(named, path),
      ...none.map(([i]) => issueAt([...path, i], 'is learned in any case; remove it')),
    ];
  }
  if (!training || !axes || axes.has('finding')) return [];
  return [issueAt(path, 'is required, since spec.quota.axes has no finding; name the findings to learn')];
}

export const TRAINING_VALIDATIONS: readonly Validation[] = [
  stages,
  sites,
  compare,
  synthetic,
  shares,
  primary,
  ageBins,
  labels,
];
