import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { datasetDefinition } from '../contract/crd/definition.ts';

/**
 * Writes the CustomResourceDefinition, here, into the chart, which templates it, and into the manifests. With --check it writes nothing and fails
 * when a file is not what it would write:
 *   node crds/generate.ts [--check]
 */

const HEADER = '# Generated from contract/schema/ by `npm run generate`; do not edit.\n';
const NAME = 'cohortfarm.dev_syntheticdatasets.yaml';
const FILES = ['', '../helm/cohortfarm/files/', '../manifests/base/'].map(
  (folder) => new URL(folder + NAME, import.meta.url),
);

// Long lines stay whole, and nothing is an alias: other tools read this file, too.
const text = HEADER + stringify(datasetDefinition(), { lineWidth: 0, aliasDuplicateObjects: false });

for (const file of FILES) {
  if (!process.argv.includes('--check')) {
    await writeFile(file, text);
  } else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
    process.stderr.write(`${fileURLToPath(file)} is stale: run "npm run generate" and commit what it writes\n`);
    process.exitCode = 1;
  }
}
