import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PUBLICATION_ANNOTATIONS } from '../../contract/names.ts';
import { headlinesSchema } from '../../contract/schema/outcome.ts';
import { draftOf } from '../../test/readers/draft.ts';
import { smallDataset } from '../../test/support/dataset.ts';
import { inventedEvidence } from '../../test/support/evidence.ts';
import { renderCroissant } from './croissant.ts';
import { headlines } from './evidence-words.ts';
import { describeIndex } from './index.ts';
import { renderWids } from './wids.ts';

const INDEX = { key: 'index.parquet', bytes: 7, sha256: 'c'.repeat(64) };

test('every file has its digest, every column of the index its field', () => {
  const draft = draftOf();
  const document = JSON.parse(renderCroissant(draft, INDEX));
  const files = document.distribution.filter((item: { '@type': string }) => item['@type'] === 'cr:FileObject');
  assert.deepEqual(
    files.map((file: { contentUrl: string; sha256: string; contentSize: string }) => [
      file.contentUrl,
      file.sha256,
      file.contentSize,
    ]),
    [INDEX, ...draft.shards].map(({ key, sha256, bytes }) => [key, sha256, `${bytes} B`]),
  );
  const [samples, images] = document.recordSet;
  assert.deepEqual(
    samples.field.map((field: { source: { extract: { column: string } } }) => field.source.extract.column),
    describeIndex(draft.dataset.spec).map(({ name }) => name),
  );
  assert.deepEqual(
    images.field.map((field: { '@id': string }) => field['@id']),
    ['images/key', 'images/image'],
  );
});

test('it conforms to Croissant 1.1 and RAI 1.0, and tells where the data comes from', () => {
  const document = JSON.parse(renderCroissant(draftOf(), INDEX));
  assert.deepEqual(document.conformsTo, [
    'http://mlcommons.org/croissant/1.1',
    'http://mlcommons.org/croissant/RAI/1.0',
  ]);
  const activity = document['prov:wasGeneratedBy'];
  assert.equal(document['prov:wasDerivedFrom']['@id'], `urn:sha256:${'a'.repeat(64)}`);
  assert.equal(activity['prov:used'].length, 3, 'the model and two gates');
  assert.match(activity['prov:label'], /^Sampling by plan [0-9a-f]{64} \(seed 7\)/);
  assert.ok(document['rai:dataLimitations'].length > 3);
});

test('fidelity, variety and privacy are in the RAI fields, in words with their figures', () => {
  const evidence = inventedEvidence();
  const document = JSON.parse(renderCroissant({ ...draftOf(), evidence }, INDEX));
  const [all] = evidence.groups;
  const shown = (value: number): string => String(Number(value.toPrecision(3)));
  const limitations = document['rai:dataLimitations'].join('\n');
  assert.ok(limitations.includes(`KID ${shown(all!.fidelity!.kid.value)} (`), limitations);
  assert.ok(limitations.includes(`Vendi score ${shown(all!.diversity.vendi)}`), limitations);
  assert.match(limitations, /against 260 real images that the generator has not seen, with 95 % intervals/);
  const biases = document['rai:dataBiases'].join('\n');
  const kids = evidence.groups
    .filter(({ group }) => Object.keys(group).length === 1)
    .flatMap(({ fidelity }) => (fidelity ? [fidelity.kid.value] : []));
  assert.match(
    biases,
    new RegExp(
      `KID is lowest for \\w+=[\\w-]+ \\(${shown(Math.min(...kids))} .*highest for \\w+=[\\w-]+ \\(${shown(Math.max(...kids))} `,
    ),
  );
  const privacy = document['rai:personalSensitiveInformation'].join('\n');
  assert.ok(
    privacy.includes(`nearest of 260 training images: median ${shown(all!.privacy!.toTraining.median)}`),
    privacy,
  );
  assert.match(privacy, /Refused as copies: 17 by copies\./);
  const without = renderCroissant(draftOf(), INDEX);
  assert.doesNotMatch(without, /KID|Vendi/);
});

test('headlines are few and short, whatever a gate is called', () => {
  const evidence = inventedEvidence();
  const lines = headlines(evidence);
  assert.equal(lines.length, 4);
  assert.match(lines[0]!, /^FID, extrapolated -?[\d.e-]+ \(.*\) against 260 real images$/);
  assert.match(
    lines[2]!,
    /^Distance to the nearest training image [\d.]+, of held-out images [\d.]+ \(medians\); [\d.]+\s% near \(1 % expected\)$/,
  );
  const many = Array.from({ length: 9 }, (_, i) => ({ ...evidence.refused![0]!, gate: `${'g'.repeat(60)}${i}` }));
  headlinesSchema.parse(headlines({ ...evidence, refused: many }));
  assert.deepEqual(headlines({ ...evidence, groups: [], refused: [] }), []);
});

test('what the publisher states is stated, what is malformed is left out', () => {
  const dataset = smallDataset();
  dataset.metadata.annotations = {
    [PUBLICATION_ANNOTATIONS.license]: 'CC0-1.0',
    [PUBLICATION_ANNOTATIONS.creator]: 'A "lab"',
    [PUBLICATION_ANNOTATIONS.url]: 'javascript:alert(1)',
    [PUBLICATION_ANNOTATIONS.datePublished]: 'yesterday',
  };
  const document = JSON.parse(renderCroissant(draftOf(dataset), INDEX));
  assert.equal(document.license, 'https://spdx.org/licenses/CC0-1.0');
  assert.equal(document.creator.name, 'A "lab"');
  assert.equal('url' in document, false);
  assert.equal('datePublished' in document, false);
});

test('wids.json lists the shards with their numbers of samples, relative to itself', () => {
  const index = JSON.parse(renderWids(draftOf()));
  assert.equal(index.__kind__, 'wids-shard-index-v1');
  assert.equal(index.wids_version, 1);
  assert.deepEqual(index.shardlist[2], {
    url: 'shards/small-000002.tar',
    nsamples: 4,
    filesize: 30_720,
    sha256: '2'.repeat(64),
  });
});
