import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { renderStatic } from '../../browse/parts/static.ts';
import { PUBLICATION_ANNOTATIONS } from '../../contract/names.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { draftOf } from '../../test/readers/draft.ts';
import { smallDataset } from '../../test/support/dataset.ts';
import { inventedEvidence } from '../../test/support/evidence.ts';
import { renderCard } from './card.ts';
import { publicationOf } from './publication.ts';
import { provenance } from './report/provenance.ts';

function annotated(annotations: Partial<Record<keyof typeof PUBLICATION_ANNOTATIONS, string>>): SyntheticDataset {
  const dataset = smallDataset();
  dataset.metadata.annotations = Object.fromEntries(
    Object.entries(annotations).map(([key, value]) => [
      PUBLICATION_ANNOTATIONS[key as keyof typeof annotations],
      value,
    ]),
  );
  return dataset;
}

function split(card: string): { matter: Record<string, unknown>; body: string } {
  const [, matter, body] = /^---\n(.*?)\n---\n(.*)$/s.exec(card)!;
  return { matter: parse(matter!), body: body! };
}

test('the front matter says what the hub needs to know', () => {
  const { matter } = split(renderCard(draftOf()));
  assert.deepEqual([matter.license, matter.license_name], ['other', 'not-stated']);
  assert.deepEqual(matter.size_categories, ['n<1K']);
  assert.ok((matter.tags as string[]).includes('synthetic'));
  assert.deepEqual(matter.configs, [
    { config_name: 'default', data_files: [{ split: 'train', path: 'shards/small-*.tar' }] },
  ]);
  const [{ features }] = matter.dataset_info as [{ features: { name: string }[] }];
  assert.deepEqual(
    features.map(({ name }) => name),
    ['png', 'txt', 'json', '__key__', '__url__'],
  );
});

const licenses: readonly (readonly [string, Record<string, string>, RegExp])[] = [
  ['CC-BY-4.0', { license: 'cc-by-4.0' }, /License: \[CC-BY-4\.0\]\(<https:\/\/spdx\.org\/licenses\/CC-BY-4\.0>\)/],
  [
    'https://example.org/terms',
    { license: 'other', license_name: 'https://example.org/terms', license_link: 'https://example.org/terms' },
    /\(<https:\/\/example\.org\/terms>\)/,
  ],
  ['ask: us\n- nicely', { license: 'other', license_name: 'ask: us\n- nicely' }, /License: ask: us - nicely\./],
];

for (const [license, wanted, body] of licenses) {
  test(`the license ${JSON.stringify(license)} is stated for people and for the hub`, () => {
    const card = split(renderCard(draftOf(annotated({ license }))));
    const found = Object.entries(card.matter).filter(([name]) => name.startsWith('license'));
    assert.deepEqual(Object.fromEntries(found), wanted);
    assert.match(card.body, body);
  });
}

test('it says that the images are synthetic, how they were made and how to get at them', () => {
  const { body } = split(renderCard(draftOf()));
  for (const text of [
    'None shows a patient',
    'guidance 7.5',
    'import webdataset',
    'import wids',
    'pyarrow',
    'mlcroissant',
    'cohortfarm replay',
  ]) {
    assert.ok(body.includes(text), text);
  }
  assert.match(body, /shards\/small-\{000000\.\.000002\}\.tar/);
});

test('B7: it names the version and the model to regenerate an image with, and no name that anyone could register', () => {
  const draft = draftOf();
  const { body } = split(renderCard(draft));
  const section = body.split('## Regenerate one image')[1]!;
  assert.ok(section.includes(`cohortfarm ${draft.generator.version}`) && section.includes(draft.model.digest));
  assert.match(section, /^cohortfarm replay URI KEY$/m);
  assert.doesNotMatch(body, /\b(npx|npm|pipx?|uvx) .*cohortfarm/);
});

test('whatever a title, a template or a citation contains, it stays text', () => {
  const dataset = annotated({
    title: '</script><img src=x onerror=alert(1)> | **x** `y` \n# heading',
    citation: '</code><script>1</script>',
    url: 'javascript:alert(1)',
  });
  dataset.spec.prompt.template = '<b>{sex}</b> | `x` \u2028 {age}';
  const { matter, body } = split(renderCard(draftOf(dataset)));
  assert.equal(matter.pretty_name, '</script><img src=x onerror=alert(1)> | **x** `y` \n# heading');
  assert.doesNotMatch(body, /<img|<script|<b>|javascript:/);
  assert.doesNotMatch(body, /^# heading/m);
  const row = body.split('\n').find((line) => line.startsWith('| Prompt template'))!;
  assert.equal(row.split('|').length, 4, 'one row of two cells');
});

test('a negative prompt cannot end its code block', () => {
  const dataset = smallDataset((spec) => {
    spec.model.sampling!.negativePrompt = '"\\ ``` <b>';
  });
  const { body } = split(renderCard(draftOf(dataset)));
  assert.match(body, /negative_prompt="\\"\\\\ \\x60\\x60\\x60 <b>"/);
});

test('a grid of many cells is summed up, not listed', () => {
  const dataset = smallDataset((spec) => {
    spec.quota.axes.finding = { values: Array.from({ length: 40 }, (_, i) => `f${i}`) };
    spec.quota.samples = 400;
  });
  const card = renderCard(draftOf(dataset));
  assert.match(card, /Its 160 cells are listed in `dataset\.json`/);
});

test('science 1.8: the card and the report say what the model and the gates were trained on', () => {
  const dataset = smallDataset();
  const { model, quality } = dataset.spec;
  const trainedOn = [{ dataset: 'mimic-cxr-jpg', split: 'train' as const }];
  dataset.spec = {
    ...dataset.spec,
    model: { ...model, trainedOn },
    quality: { ...quality, gates: quality.gates.map((gate) => ({ ...gate, trainedOn: [{ dataset: 'chexpert' }] })) },
  };
  const draft = draftOf(dataset);
  const card = renderCard(draft);
  assert.match(card, /\| Training data of the model \| mimic-cxr-jpg &#40;train&#41; \|/);
  const page = renderStatic(provenance(draft, publicationOf(draft)));
  assert.match(page, /<dt>Training data of the model<\/dt><dd>mimic-cxr-jpg \(train\)<\/dd>/);
  for (const { name } of quality.gates) assert.ok(card.includes(`| Training data of the gate ${name} | chexpert |`));
  assert.doesNotMatch(renderCard(draftOf()), /Training data/);
});

test('the evidence is shown for all images and by group, where there is any', () => {
  assert.doesNotMatch(renderCard(draftOf()), /## Evidence/);
  const card = renderCard({ ...draftOf(), evidence: inventedEvidence() });
  assert.match(card, /Refused by copies as nearer than 0\.125 to a training image.*\| all \| 17 \| 0\.011/s);
  const [, section] = /## Evidence\n([\s\S]*?)\n## /.exec(card)!;
  assert.match(section!, /\| KID \| -?[\d.e-]+ \(-?[\d.e-]+ to [\d.e-]+\) \|/);
  assert.match(section!, /\| sex=female \|/);
  assert.match(section!, /260 training and 260 held-out real images/);
  assert.match(section!, /1 groups have too few images/);
});

test('the limits say what was done and found about copies of training images', () => {
  const untested = renderCard(draftOf());
  assert.match(untested, /whether this one does has not been tested here/);
  const gated = smallDataset((spec) => {
    const gates = [{ name: 'copies', type: 'Novelty' as const, against: 'Training' as const, threshold: 0.0321 }];
    spec.quality = { encoder: { modelUri: 'unused' }, reference: { uri: 'unused' }, gates };
  });
  const refused = renderCard({ ...draftOf(), dataset: gated });
  assert.match(refused, /images whose features are nearer than 0.0321 to those of a training image were refused\./);
  const measured = renderCard({ ...draftOf(), evidence: inventedEvidence() });
  assert.match(measured, /Here [\d.]+ % of the images are nearer to a training image than 99 % of real images/);
  for (const card of [refused, measured]) assert.doesNotMatch(card, /has not been tested here/);
});
