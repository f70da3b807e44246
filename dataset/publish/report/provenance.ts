import { describeGuidance } from '../../../contract/guidance.ts';
import type { Draft } from '../manifest.ts';
import { type Publication, trainedOn } from '../publication.ts';
import { type Html, html } from './html.ts';

/** Everything needed to trace an image, or to make it again. */
export function provenance(draft: Draft, { license, creator, citation }: Publication): Html {
  const { planDigest, model, dataset, providers, generator, plan } = draft;
  const { seed, prompt } = dataset.spec;
  const { sampling } = dataset.spec.model;
  const { steps, negativePrompt } = sampling;
  const gates = (plan.quality as { gates: { name: string; digest: string }[] }).gates;
  const entry = (term: string, ...values: (Html | string)[]): Html =>
    html`<div><dt>${term}</dt>${values.map((value) => html`<dd>${value}</dd>`)}</div>`;
  const code = (text: string): Html => html`<code>${text}</code>`;
  return html`<section aria-labelledby="provenance"><h2 id="provenance">Provenance</h2>
<dl class="facts">
${entry('Plan', code(planDigest))}
${entry('Model', code(model.digest), code(model.uri))}
${gates.map(({ name, digest }) => entry(`Gate ${name}`, code(digest)))}
${trainedOn(draft).map(({ name, sets }) => entry(`Training data of the ${name}`, sets))}
${entry('Sampler', `${model.scheduler}, ${steps} steps, guidance ${describeGuidance(sampling)}`)}
${entry('Prompt', code(prompt.template), ...(negativePrompt === '' ? [] : [html`not ${code(negativePrompt)}`]))}
${entry('Seed', String(seed))}
${entry('Hardware', providers.join(', '))}
${entry('Made by', `${generator.name} ${generator.version}`)}
${creator === null ? null : entry('Published by', creator)}
${entry('License', license?.label ?? 'none stated')}
${citation === null ? null : entry('Citation', citation)}
</dl>
<p class="note">Digests are SHA-256. Each image has its prompt and seed in its record: <code>cohortfarm replay URI KEY</code> generates it again and compares, <code>cohortfarm verify URI</code> checks the whole dataset, <code>cohortfarm browse URI</code> shows every image.</p>
</section>`;
}
