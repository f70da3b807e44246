import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { CHART } from '../testbed/servers/helm.ts';
import { renderManifests } from './render.ts';

/**
 * Writes manifests/base from the chart. With --check it writes nothing and fails when the file is not what it would write. It
 * builds helm on its first call, which needs Go:
 *   npm run generate:manifests
 */

const HEADER = '# Generated from helm/cohortfarm by `npm run generate:manifests`; do not edit.\n';
const file = new URL('base/cohortfarm.yaml', import.meta.url);

const objects = await renderManifests(join(CHART, 'ci/default-values.yaml'));
const texts = objects.map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }));
const text = HEADER + texts.join('---\n');

if (!process.argv.includes('--check')) {
  await writeFile(file, text);
} else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
  process.stderr.write(`${fileURLToPath(file)} is stale: run "npm run generate:manifests" and commit what it writes\n`);
  process.exitCode = 1;
}
