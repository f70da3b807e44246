import { percent } from '../../contract/format.ts';
import type { GroupEvidence } from '../../contract/schema/evidence.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { FIGURES, GROUP_FIGURES, groupText } from '../../dataset/publish/evidence-figures.ts';

/** Two published cohorts side by side (pure): how they were made, what they cost, and the evidence about each. */

export interface Line {
  readonly name: string;
  readonly a: string;
  readonly b: string;
}

export interface Section {
  readonly name: string;
  readonly lines: readonly Line[];
}

export interface Comparison {
  readonly sections: readonly Section[];
  /** Reasons why figures cannot be compared. */
  readonly remarks: readonly string[];
}

const NONE = '–';

export function compareCohorts(a: Manifest, b: Manifest): Comparison {
  const both = (name: string, of: (manifest: Manifest) => string): Line => ({ name, a: of(a), b: of(b) });
  const remarks = remarksOf(a, b);
  const sections: Section[] = [
    { name: 'Made with', lines: MADE.map(([name, of]) => both(name, of)).filter((line) => line.a !== line.b) },
    { name: 'Acceptance and cost', lines: [...COST.map(([name, of]) => both(name, of)), ...gateLines(a, b)] },
  ];
  if (a.evidence && b.evidence && a.evidence.encoder.sha256 === b.evidence.encoder.sha256)
    sections.push(...evidenceSections(a.evidence.groups, b.evidence.groups));
  return { sections: sections.filter(({ lines }) => lines.length > 0), remarks };
}

type Projection = readonly [string, (manifest: Manifest) => string];

const MADE: readonly Projection[] = [
  ['model', ({ model }) => `${model.uri} ${model.digest.slice(0, 12)}`],
  ['sampler', ({ model, dataset }) => `${model.scheduler}, ${dataset.spec.model.sampling.steps} steps`],
  ['guidance', ({ dataset }) => String(dataset.spec.model.sampling.guidanceScale)],
  ['seed', ({ dataset }) => String(dataset.spec.seed)],
  ['image size', ({ model }) => `${model.width}x${model.height}`],
  ['prompt', ({ dataset }) => dataset.spec.prompt.template],
  ['hardware', ({ providers }) => providers.join(', ')],
];

const perAccepted = ({ samples }: Manifest, times: number): string =>
  samples.accepted > 0 ? ((times * samples.attempts) / samples.accepted).toFixed(2) : NONE;

const COST: readonly Projection[] = [
  ['images', ({ samples }) => `${samples.accepted} of ${samples.wanted}`],
  ['acceptance', ({ samples }) => percent(samples.accepted, samples.attempts)],
  ['attempts per accepted image', (manifest) => perAccepted(manifest, 1)],
  [
    'denoising steps per accepted image',
    (manifest) => perAccepted(manifest, manifest.dataset.spec.model.sampling.steps),
  ],
  [
    'cells complete',
    ({ cells }) => `${cells.filter((cell) => cell.accepted === cell.wanted).length} of ${cells.length}`,
  ],
];

function gateLines(a: Manifest, b: Manifest): Line[] {
  const names = [...new Set([...Object.keys(a.rejected), ...Object.keys(b.rejected)])].sort();
  const share = ({ rejected, samples }: Manifest, name: string): string =>
    Object.hasOwn(rejected, name) ? percent(rejected[name]!, samples.attempts) : NONE;
  return names.map((name) => ({ name: `rejected by ${name}`, a: share(a, name), b: share(b, name) }));
}

function evidenceSections(a: readonly GroupEvidence[], b: readonly GroupEvidence[]): Section[] {
  const others = new Map(b.map((group) => [groupText(group.group), group]));
  return a.flatMap((group): Section[] => {
    const name = groupText(group.group);
    const other = others.get(name);
    const axes = Object.keys(group.group).length;
    if (!other || axes > 1) return [];
    const lines = (axes === 0 ? FIGURES : GROUP_FIGURES).flatMap((figure): Line[] => {
      const [left, right] = [figure.value(group), figure.value(other)];
      return left === null && right === null ? [] : [{ name: figure.name, a: left ?? NONE, b: right ?? NONE }];
    });
    return [{ name: axes === 0 ? 'Evidence, all images' : `Evidence, ${name}`, lines }];
  });
}

function remarksOf(a: Manifest, b: Manifest): string[] {
  const remarks: string[] = [];
  const [left, right] = [a.evidence, b.evidence];
  if (!left || !right) {
    const which = !left && !right ? 'neither dataset has' : `the ${left ? 'second' : 'first'} dataset does not have`;
    return [`${which} evidence; set spec.quality.encoder (docs/evidence.md)`];
  }
  if (left.encoder.sha256 !== right.encoder.sha256)
    return ['the features are of two encoders, so that their figures cannot be compared'];
  if (left.reference?.sha256 !== right.reference?.sha256)
    remarks.push('the references differ: figures of fidelity and privacy are against other images');
  return remarks;
}
