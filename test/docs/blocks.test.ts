import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPO } from '../support/cli.ts';
import { allBlocks, allPages, PLAIN } from './blocks.ts';
import { checkJson, checkMermaid, checkPlain, checkYaml } from './fragments.ts';

/** No block of any page is left out: a test runs it, or checks it as what it is. */

/** Checks of blocks that no test runs, wherever they are. */
const CHECKS: Readonly<Record<string, (text: string, page: string) => void>> = {
  yaml: checkYaml,
  json: checkJson,
  mermaid: checkMermaid,
  [PLAIN]: (text, page) => checkPlain(page, text),
};

test('parts of resources, files and drawings are as the schemas and the code have them', async () => {
  for (const page of await allPages())
    for (const { language, text } of await allBlocks(page)) {
      try {
        CHECKS[language]?.(text, page);
      } catch (cause) {
        throw new Error(`${page}: ${(cause as Error).message}`, { cause });
      }
    }
});

test('a wrong word in such a block is found', () => {
  for (const text of [
    'quality: {encoders: {modelUri: a}}',
    'quota: {samples: many}',
    '- {name: a, type: Pretrane}',
    'spec: {sed: 1}',
    'operator: {lineages: 1}',
    'oparator: {}',
  ])
    assert.throws(() => checkYaml(text), text);
  assert.throws(() => checkJson('{"apiVersion": "cohortfarm.dev/gate/v1", "type": "Classifier"}'));
  assert.throws(() => checkPlain('ARCHITECTURE.md', 'worker/nothing'), /there is no worker\/nothing/);
  assert.throws(() => checkPlain('docs/browse.md', 'text'), /in no language/);
});

test('every fenced block of every page is run or checked by a test', async () => {
  const called = new Set<string>();
  for (const file of globSync('test/**/*.test.ts', { cwd: REPO })) {
    const text = await readFile(join(REPO, file), 'utf8');
    for (const [, page, language] of text.matchAll(/await blocksOf\(\s*'([^']+)',\s*'([^']+)'/g))
      called.add(`${page} ${language}`);
    const partial = /\] = await blocksOf\(\s*'[^']+',\s*'(sh|python|lua)'\s*\)/.exec(text);
    assert.equal(partial, null, `${file} takes blocks one by one; let it say how many there are`);
  }
  const missing: string[] = [];
  let blocks = 0;
  for (const page of await allPages()) {
    for (const { language } of await allBlocks(page)) {
      blocks++;
      if (!CHECKS[language] && !called.has(`${page} ${language}`)) missing.push(`${page}: ${language}`);
    }
  }
  assert.ok(blocks >= 70, `${blocks} blocks`);
  assert.deepEqual(missing, [], 'run these in a test that takes blocksOf(PAGE, LANGUAGE)');
});

test('a fence that the pages open is one that the tests see', async () => {
  for (const page of await allPages()) {
    const text = await readFile(join(REPO, page), 'utf8');
    const fences = text.match(/^[ \t]*(```|~~~)/gm) ?? [];
    assert.equal(fences.length, 2 * (await allBlocks(page)).length, page);
  }
});
