import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { renderManifests } from '../../manifests/render.ts';
import { kubernetesTool } from '../../testbed/servers/control-plane-tools.ts';
import { CHART, type Rendered } from '../../testbed/servers/helm.ts';
import { goTool, missingForServers } from '../../testbed/servers/tools.ts';
import { REPO } from '../support/cli.ts';

const run = promisify(execFile);
const skip = await missingForServers();

/** Objects by kind and name; what only the manifests have is left out. */
const byName = (objects: readonly Rendered[]): Record<string, Rendered> =>
  Object.fromEntries(
    objects
      .filter(({ kind }) => kind !== 'Namespace' && kind !== 'CustomResourceDefinition')
      .map((object) => [`${object.kind} ${object.metadata.name}`, sorted(object)]),
  );

/** Environment variables in the order of their names: a patch of one moves it. */
function sorted(object: Rendered): Rendered {
  const copy = structuredClone(object);
  for (const container of copy.spec?.template?.spec?.containers ?? []) {
    container.env?.sort((a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name));
  }
  return copy;
}

describe('the manifests', { skip }, () => {
  it('are what the chart renders', async () => {
    const { stderr } = await run(process.execPath, ['manifests/generate.ts', '--check'], { cwd: REPO });
    assert.equal(stderr, '');
  });

  it('select pods as the chart does, leaving out no label but those of Helm', async () => {
    const objects = await renderManifests(join(CHART, 'ci/default-values.yaml'));
    const policy = byName(objects)['NetworkPolicy cohortfarm-nats'];
    assert.match(JSON.stringify(policy), /"matchLabels":{"app.kubernetes.io\/managed-by":"cohortfarm"},"matchExpr/);
    assert.doesNotMatch(JSON.stringify(objects), /"matchLabels":{}|Helm|helm\.sh/);
  });

  for (const [folder, values] of [
    ['base', 'default'],
    ['overlays/dev', 'dev'],
  ] as const) {
    it(`give in ${folder} what the chart gives with its ${values} values`, async () => {
      const kubectl = await goTool(kubernetesTool('kubectl'));
      const { stdout } = await run(kubectl, ['kustomize', `manifests/${folder}`], {
        cwd: REPO,
        maxBuffer: 2 ** 26,
      });
      const built = parseAllDocuments(stdout).map((document) => document.toJS() as Rendered);
      assert.ok(built.some(({ kind }) => kind === 'CustomResourceDefinition'));
      const rendered = await renderManifests(join(CHART, `ci/${values}-values.yaml`));
      assert.deepEqual(byName(built), byName(rendered));
    });
  }
});
