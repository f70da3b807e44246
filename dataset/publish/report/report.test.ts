import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { draftOf } from '../../../test/readers/draft.ts';
import { smallDataset } from '../../../test/support/dataset.ts';
import { inventedEvidence } from '../../../test/support/evidence.ts';
import type { Thumbnail } from '../thumbnails.ts';
import { renderReport } from './report.ts';

const ATTACK = `</script></style><img src=x onerror="alert('1')"><a href='javascript:1'>`;

const thumbnail = (change: Partial<Thumbnail> = {}): Thumbnail => ({
  key: '000000001',
  axes: { sex: 'male', age: '18-39' },
  prompt: '20 year old male',
  jpeg: Uint8Array.from([255, 216, 255]),
  width: 192,
  height: 96,
  ...change,
});

const tagsOf = (page: string): Set<string> => new Set([...page.matchAll(/<([a-z0-9]+)/g)].map(([, tag]) => tag!));

test('the page says the numbers, shows the images and names what made them', () => {
  const draft = draftOf();
  const page = renderReport(draft, [thumbnail()]);
  for (const text of [
    draft.planDigest,
    draft.model.digest,
    'Contact sheet',
    'Quota grid',
    'Hardest cells',
    'age × sex',
    'rejected by sex',
  ]) {
    assert.ok(page.includes(text), text);
  }
  assert.doesNotMatch(page, /npx/, 'B7: no name that anyone could register');
  assert.match(
    page,
    /<img src="data:image\/jpeg;base64,\/9j\/" width="192" height="96" alt="Synthetic image for the prompt: 20 year old male">/,
  );
  assert.match(page, /within 16 of the wanted number/);
  assert.match(page, /<html lang="en">/);
});

test('the policy allows the style sheet of the page and nothing else from anywhere', () => {
  const page = renderReport(draftOf(), [thumbnail()]);
  const [, style] = /<style>(.*?)<\/style>/s.exec(page)!;
  const [, policy] = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(page)!;
  const hash = createHash('sha256').update(style!).digest('base64');
  assert.equal(
    policy,
    `default-src &#39;none&#39;; style-src &#39;sha256-${hash}&#39;; img-src data:; base-uri &#39;none&#39;; form-action &#39;none&#39;`,
  );
  assert.deepEqual(page.match(/<script|<link|https?:|@import|url\(|\sstyle=|\son\w+=/g), null);
});

test('hostile prompts and names show as the text that they are', () => {
  const dataset = smallDataset();
  dataset.metadata.annotations = {
    'cohortfarm.dev/title': ATTACK,
    'cohortfarm.dev/creator': ATTACK,
    'cohortfarm.dev/license': ATTACK,
  };
  dataset.spec.prompt.template = ATTACK;
  dataset.spec.model.uri = ATTACK;
  dataset.spec.model.sampling.negativePrompt = ATTACK;
  const draft = draftOf(dataset);
  draft.cells = draft.cells.map((cell) => ({
    ...cell,
    axes: { [ATTACK]: ATTACK, age: '18-39' },
    rejected: { [ATTACK]: 1, ['__proto__']: 1 },
  }));
  draft.rejected = { [ATTACK]: 3 };
  draft.providers = [ATTACK];
  const page = renderReport(draft, [thumbnail({ key: ATTACK, prompt: ATTACK, axes: { [ATTACK]: ATTACK } })]);
  const harmless = renderReport(draftOf(), [thumbnail()]);
  assert.deepEqual([...tagsOf(page).difference(tagsOf(harmless))], []);
  assert.equal(page.match(/<img/g)!.length, 1, 'the one thumbnail');
  assert.ok(!page.replaceAll(/"[^"]*"/g, '""').match(/<[^>]*onerror/), 'no attribute has got out of its quotes');
  assert.ok(page.includes('&lt;/script&gt;&lt;/style&gt;&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;'));
});

test('control characters and half a surrogate pair do not get into the page', () => {
  const page = renderReport(draftOf(), [thumbnail({ prompt: 'a\u0000b\ud800c' })]);
  assert.ok(page.includes('a\uFFFDb\uFFFDc'));
});

test('the largest grid with the largest thumbnails stays below 3 MB', () => {
  const draft = draftOf();
  const name = (prefix: string, i: number): string => `${prefix}${i}`.padEnd(63, 'x');
  const template = draft.cells[0]!;
  const axes = Array.from({ length: 7 }, (_, a) => `axis_${a}`.padEnd(32, 'x'));
  draft.cells = Array.from({ length: 20_000 }, (_, i) => ({
    ...template,
    cell: `cell ${i}`,
    axes: Object.fromEntries(axes.map((axis, a) => [axis, name(`v${a}-`, (i * (a + 1)) % 60)])),
  }));
  const jpeg = new Uint8Array(2 ** 20 / 48);
  const sheet = Array.from({ length: 48 }, () =>
    thumbnail({ jpeg, prompt: 'p'.repeat(4096), axes: draft.cells[0]!.axes }),
  );
  const bytes = Buffer.byteLength(renderReport(draft, sheet));
  assert.ok(bytes < 3e6, `${bytes} bytes`);
});

test('of an axis with many values the hardest are listed, and it says so', () => {
  const draft = draftOf();
  const template = draft.cells[0]!;
  draft.cells = Array.from({ length: 100 }, (_, i) => ({
    ...template,
    cell: `cell ${i}`,
    axes: { site: `site-${i}`, sex: 'male' },
    accepted: 10,
    attempts: i === 77 ? 100 : 20,
  }));
  const page = renderReport(draft, []);
  const [, table] = /<caption>site, the 24 hardest of 100 values<\/caption>(.*?)<\/table>/s.exec(page)!;
  const values = [...table!.matchAll(/<th scope="row">([^<]*)</g)].map(([, value]) => value);
  assert.equal(values.length, 24);
  assert.equal(values[0], 'site-77');
});

test('one axis, no gates and no images make a page too', () => {
  const dataset = smallDataset((spec) => {
    spec.quota.axes = { sex: { values: ['female', 'male'] } };
    spec.prompt = { template: '{sex}' };
    spec.quality = { gates: [] };
  });
  const page = renderReport(draftOf(dataset), []);
  assert.match(page, /There were no gates/);
  assert.deepEqual(page.match(/Contact sheet|undefined|NaN/g), null);
});

test('equal manifests make equal pages', () => {
  assert.equal(renderReport(draftOf(), [thumbnail()]), renderReport(draftOf(), [thumbnail()]));
});

test('the evidence is a section of its own, with the images to look at first', () => {
  assert.ok(!renderReport(draftOf(), []).includes('id="evidence"'));
  const evidence = inventedEvidence();
  const page = renderReport({ ...draftOf(), evidence }, []);
  for (const text of ['id="evidence"', 'Vendi score', 'sex=female', 'Images nearest to a training image', 'Left out'])
    assert.ok(page.includes(text), text);
  assert.ok(page.includes(evidence.suspicious[0]!.key));
  const [, refused] = /<caption>(Refused by copies as nearer than 0\.125 to a training image.*?)<\/table>/s.exec(page)!;
  for (const text of ['>17<', '0.011 / 0.012 / 0.085 (12)', '–', '0.131 / 0.142 / 0.333 (260)'])
    assert.ok(refused!.includes(text), text);
  assert.deepEqual(page.match(/<script|https?:|\sstyle=/g), null);
});
