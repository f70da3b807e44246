import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { EXAMPLES } from '../../cli/examples.ts';
import { anchorsOf } from '../support/anchors.ts';
import { REPO, runCli } from '../support/cli.ts';

const PAGES = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'testbed/README.md',
  'kube/README.md',
  ...(await readdir(join(REPO, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
];
const read = (page: string): Promise<string> => readFile(join(REPO, page), 'utf8');

describe('the pages', () => {
  for (const page of PAGES) {
    it(`${page} links to files and headings that there are`, async () => {
      for (const [, target] of (await read(page)).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)) {
        const [path, anchor] = target!.split('#') as [string, string?];
        const file = path === '' ? page : join(dirname(page), path);
        assert.ok(existsSync(join(REPO, file)), `${target}: there is no ${file}`);
        if (anchor !== undefined) assert.ok(anchorsOf(await read(file)).has(anchor), `${target}: no such heading`);
      }
    });
  }

  it('name commands and options that the command line has', async () => {
    const used = new Map<string, Set<string>>();
    const examples = (await readdir(join(REPO, 'examples'))).filter((name) => name.endsWith('.yaml'));
    const pages = [...PAGES, ...examples.map((name) => `examples/${name}`)];
    const texts = [...(await Promise.all(pages.map(read))), ...Object.values(EXAMPLES).flat()];
    for (const text of texts) {
      for (const [, command, rest] of text.matchAll(
        /(?:^(?:# +)?|`|&& )cohortfarm (model [a-z-]+|[a-z][a-z-]*)([^\n#`|&]*)/gm,
      )) {
        const options = used.get(command!) ?? new Set();
        for (const [option] of rest!.matchAll(/(?<= )--?[a-z][a-z-]*/g)) options.add(option);
        used.set(command!, options);
      }
    }
    assert.ok(used.size >= 4, `${[...used.keys()]}`);
    for (const [command, options] of used) {
      const { stdout, code } = await runCli([...command.split(' '), '--help']);
      assert.equal(code, 0, `cohortfarm ${command}`);
      for (const option of options)
        assert.match(stdout, new RegExp(`(^|\\s)${option}[\\s,]`), `cohortfarm ${command} ${option}`);
    }
  });

  it('call the command in one way, as README.md installs it', async () => {
    for (const page of PAGES.filter((page) => page !== 'CHANGELOG.md'))
      assert.doesNotMatch(await read(page), /npx cohortfarm|node cli\/main/, page);
  });

  it('name examples and chart values that there are', async () => {
    const values = await read('helm/cohortfarm/values.yaml');
    for (const page of PAGES) {
      // Values of other charts are theirs.
      const text = (await read(page)).replaceAll(/helm install .*--repo .*\\\n.*/g, '');
      for (const [file] of text.matchAll(/\bexamples\/[\w-]+\.yaml\b/g)) assert.ok(existsSync(join(REPO, file)), file);
      for (const [, set] of text.matchAll(/--set '?([a-zA-Z.]+)/g)) {
        for (const part of set!.split('.').slice(0, 2))
          assert.match(values, new RegExp(`\\b${part}:`), `${page}: ${set}`);
      }
    }
  });
});
