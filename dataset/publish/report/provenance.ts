import { h } from 'preact';
import { type Content, facts, type Markup } from '../../../browse/parts/elements.ts';
import { describeGuidance } from '../../../contract/guidance.ts';
import type { Draft } from '../manifest.ts';
import { type Publication, trainedOn } from '../publication.ts';
import { section } from './sections.ts';

type Fact = readonly [term: string, ...values: Content[]];

/** Everything needed to trace an image, or to make it again. */
export function provenance(draft: Draft, { license, creator, citation }: Publication): Markup {
  const { planDigest, model, dataset, providers, generator, plan } = draft;
  const { seed, prompt } = dataset.spec;
  const { sampling } = dataset.spec.model;
  const { steps, negativePrompt } = sampling;
  const gates = (plan.quality as { gates: { name: string; digest: string }[] }).gates;
  const negative: Content[] = negativePrompt === '' ? [] : [['not ', code(negativePrompt)]];
  const entries: Fact[] = [
    ['Plan', code(planDigest)],
    ['Model', code(model.digest), code(model.uri)],
    ...gates.map(({ name, digest }): Fact => [`Gate ${name}`, code(digest)]),
    ...trainedOn(draft).map(({ name, sets }): Fact => [`Training data of the ${name}`, sets]),
    ['Sampler', `${model.scheduler}, ${steps} steps, guidance ${describeGuidance(sampling)}`],
    ['Prompt', code(prompt.template), ...negative],
    ['Seed', String(seed)],
    ['Hardware', providers.join(', ')],
    ['Made by', `${generator.name} ${generator.version}`],
    ...(creator === null ? [] : [['Published by', creator] as const]),
    ['License', license?.label ?? 'none stated'],
    ...(citation === null ? [] : [['Citation', citation] as const]),
  ];
  return section({ id: 'provenance', title: 'Provenance' }, [facts(entries), note()]);
}

const note = (): Markup =>
  h(
    'p',
    { class: 'note' },
    'Digests are SHA-256. Each image has its prompt and seed in its record: ',
    code('cohortfarm replay URI KEY'),
    ' generates it again and compares, ',
    code('cohortfarm verify URI'),
    ' checks the whole dataset, ',
    code('cohortfarm browse URI'),
    ' shows every image.',
  );

const code = (text: string): Markup => h('code', null, text);
