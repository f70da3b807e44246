import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Evidence } from '../../contract/schema/evidence.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { draftOf } from '../../test/readers/draft.ts';
import { inventedEvidence } from '../../test/support/evidence.ts';
import { compareCohorts } from './compare.ts';

const manifestOf = (evidence?: Evidence, change: Partial<Manifest['samples']> = {}): Manifest => {
  const draft = draftOf();
  return { ...draft, samples: { ...draft.samples, ...change }, files: [], ...(evidence && { evidence }) };
};

const sectionOf = (a: Manifest, b: Manifest, name: string) =>
  compareCohorts(a, b).sections.find((section) => section.name === name);

test('acceptance and cost stand side by side', () => {
  const [a, b] = [
    manifestOf(undefined, { attempts: 20, accepted: 10 }),
    manifestOf(undefined, { attempts: 40, accepted: 10 }),
  ];
  b.dataset = structuredClone(b.dataset);
  b.dataset.spec.model.sampling.steps = a.dataset.spec.model.sampling.steps * 2;
  const { lines } = sectionOf(a, b, 'Acceptance and cost')!;
  const of = (name: string) => lines.find((line) => line.name === name)!;
  assert.deepEqual([of('attempts per accepted image').a, of('attempts per accepted image').b], ['2.00', '4.00']);
  const { a: cheap, b: dear } = of('denoising steps per accepted image');
  assert.equal(Number(dear), 4 * Number(cheap));
  assert.deepEqual(
    sectionOf(a, b, 'Made with')!.lines.map(({ name }) => name),
    ['sampler'],
  );
});

test('evidence is compared by figure, for all images and by axis', () => {
  const { sections, remarks } = compareCohorts(manifestOf(inventedEvidence()), manifestOf(inventedEvidence(0.6)));
  assert.deepEqual(remarks, []);
  const names = sections.map(({ name }) => name);
  assert.ok(names.includes('Evidence, all images') && names.includes('Evidence, sex=female'), names.join());
  const kid = sections.find(({ name }) => name === 'Evidence, all images')!.lines.find(({ name }) => name === 'KID')!;
  assert.ok(Number.parseFloat(kid.b) > 10 * Math.abs(Number.parseFloat(kid.a)), JSON.stringify(kid));
});

test('figures that cannot be compared are not shown', () => {
  const evidence = inventedEvidence();
  const other = { ...evidence, encoder: { ...evidence.encoder, sha256: '0'.repeat(64) } };
  const mixed = compareCohorts(manifestOf(evidence), manifestOf(other));
  assert.ok(mixed.sections.every(({ name }) => !name.startsWith('Evidence')));
  assert.match(mixed.remarks.join(), /two encoders/);
  assert.match(
    compareCohorts(manifestOf(evidence), manifestOf()).remarks.join(),
    /second dataset does not have evidence/,
  );
  const elsewhere = { ...evidence, reference: { ...evidence.reference!, sha256: '1'.repeat(64) } };
  assert.match(compareCohorts(manifestOf(evidence), manifestOf(elsewhere)).remarks.join(), /references differ/);
});
