import assert from 'node:assert/strict';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { openStore } from '../../platform/store/store.ts';
import { missingForPods } from '../../testbed/available.ts';
import { kubernetesTool } from '../../testbed/servers/control-plane-tools.ts';
import { helmTool } from '../../testbed/servers/helm.ts';
import { goTool } from '../../testbed/servers/tools.ts';
import { type EmptyCluster, firstExample, startEmptyCluster } from '../helm/cluster.ts';
import { REPO } from '../support/cli.ts';
import { blocksOf } from './blocks.ts';
import { addStubs, type Reader, startReader } from './shell.ts';

/**
 * The lines of the pages about a cluster, in one cluster: an API server with controllers, a kubelet that runs pods as
 * processes, and the real helm and kubectl. Docker, kind, k3s and NVIDIA's chart are stubs (stub.ts).
 */

const SYSTEM = 'cohortfarm';
const DATASET = 'cxr-balanced';

describe('the lines about a cluster', { skip: await missingForPods() }, () => {
  let cluster: EmptyCluster;
  let reader: Reader;
  const undo: (() => Promise<void>)[] = [];
  /** Sets keys and addresses as each page asks for. */
  let keys: Readonly<Record<string, string>>;
  const kubectl = (...args: string[]): Promise<string> => cluster.plane.kubectl(...args);
  const at = (name: string): string => join(reader.folder, name);
  const sh = (...blocks: readonly string[]): Promise<string> => reader.runBlocks(blocks, { env: cluster.s3.env });
  /** Another way to install follows: what the last one made goes, but for the definition. */
  const uninstall = () => sh(`helm uninstall ${SYSTEM} --namespace ${SYSTEM} --wait --timeout 60s`);

  before(async () => {
    cluster = await startEmptyCluster(SYSTEM);
    reader = await startReader({ after: (remove) => void undo.push(remove) });
    const { accessKey, secretKey } = cluster.s3;
    keys = {
      'AWS_ACCESS_KEY_ID=...': `AWS_ACCESS_KEY_ID=${accessKey}`,
      'AWS_SECRET_ACCESS_KEY=...': `AWS_SECRET_ACCESS_KEY=${secretKey}`,
    };
    await prepare(reader, cluster);
    for (const bucket of ['bucket', 'cohorts', 'models']) await cluster.s3.createBucket(bucket);
  });
  after(async () => {
    await cluster?.stop();
    for (const remove of undo) await remove();
  });

  test('README.md: from images to a dataset that is Ready', async () => {
    const { accessKey, secretKey } = cluster.s3;
    await sh(
      `kubectl create secret generic readme --from-literal=AWS_ACCESS_KEY_ID=${accessKey} --from-literal=AWS_SECRET_ACCESS_KEY=${secretKey}`,
    );
    const [example] = await blocksOf('README.md', 'yaml');
    const document = parse(example!);
    document.spec.quota.samples = 16;
    document.spec.model.sampling.steps = 2;
    document.spec.quality.maxAttempts = 200;
    const { endpoint, region } = cluster.s3;
    document.spec.output = {
      uri: 's3://bucket/prefix',
      s3: { endpoint, region, credentialsSecretRef: { name: 'readme' } },
    };
    await writeFile(at('dataset.yaml'), stringify(document));
    const block = (await blocksOf('README.md', 'sh')).find((one) => one.includes('helm install'));
    const said = await sh(block!);
    assert.match(said, new RegExp(`^${DATASET} +True +Complete +16 +16 +100`, 'm'));
  });

  test('docs/troubleshooting.md and docs/operations.md: looking, estimating, upgrading, adopting', async () => {
    const look = await blocksOf('docs/troubleshooting.md', 'sh');
    const said = await reader.runBlocks(look, { replace: { NAME: DATASET } });
    assert.match(said, /Reason: +Complete/);
    const lines = (await blocksOf('docs/operations.md', 'sh'))
      .join('\n')
      .split('\n')
      .filter((line) => line !== '');
    await reader.runBlocks(lines, { env: cluster.s3.env, replace: { '=OWNER': `=${await uidOf(DATASET)}` } });
    const { metadata } = JSON.parse(await kubectl('get', 'sds', DATASET, '-o', 'json'));
    assert.equal(metadata.annotations['cohortfarm.dev/adopt-from'], metadata.uid);
  });

  test('docs/s3.md: keys, and a cloud identity', async () => {
    await kubectl('create', 'namespace', 'radiology');
    await reader.runBlocks(await blocksOf('docs/s3.md', 'sh'), { replace: keys });
    const account = JSON.parse(
      await kubectl(
        'get',
        'serviceaccounts',
        '-n',
        'radiology',
        '-l',
        'app.kubernetes.io/name=cohortfarm',
        '-o',
        'json',
      ),
    );
    const [annotations] = account.items.map((one: { metadata: { annotations: object } }) => one.metadata.annotations);
    assert.equal(annotations['eks.amazonaws.com/role-arn'], 'arn:aws:iam::123456789012:role/cohorts');
    await kubectl('delete', 'secret', 'cohort-bucket');
    await kubectl('delete', 'namespace', 'radiology', '--wait=false');
    await kubectl('delete', 'sds', '--all', '--timeout=60s');
    await uninstall();
  });

  test('docs/install.md and manifests/README.md: every way to install, a first dataset, and removal', async () => {
    const blocks = await blocksOf('docs/install.md', 'sh', 8);
    const [images, withHelm, without, kind, k3s, gpus, first, removal] = blocks;
    await sh(images!, withHelm!);
    await uninstall();
    await sh('kubectl delete crd syntheticdatasets.cohortfarm.dev');
    await mkdir(at('manifests/mine'));
    const [overlay] = await blocksOf('manifests/README.md', 'yaml', 1);
    await writeFile(at('manifests/mine/kustomization.yaml'), overlay!);
    const manifests = await blocksOf('manifests/README.md', 'sh');
    // The server judges each object and keeps none: the next way is applied for good.
    const dry = await reader.runBlocks([without!, ...manifests, 'kubectl apply --server-side -k manifests/mine'], {
      env: { DRY_RUN: 'server' },
    });
    assert.equal(dry.match(/^deployment\.apps\/cohortfarm serverside-applied \(server dry run\)$/gm)?.length, 3);
    const built = await kubectl('kustomize', at('manifests/mine'));
    assert.match(built, /image: registry\.example\.org\/imaging\/cohortfarm:0\.1\.0$/m);
    assert.match(await sh(kind!), /deployment "cohortfarm" successfully rolled out/);
    await sh('kubectl delete -k manifests/overlays/dev --timeout=120s');
    await sh(k3s!, gpus!);

    await writeFile(at('examples/first.yaml'), await firstExample(cluster));
    const named = { ...keys, '--dataset first': `--dataset first --endpoint ${cluster.s3.endpoint}` };
    const said = await reader.runBlocks([first!], { env: cluster.s3.env, replace: named });
    assert.match(said, /Verified: 24 images/);
    await sh(removal!);
    assert.doesNotMatch(await kubectl('get', 'crd', '-o', 'name'), /syntheticdatasets/);
    assert.ok(await openStore('s3://cohorts/first', cluster.s3.options).stat('dataset.json'), 'the bucket stays');
  });

  async function uidOf(name: string): Promise<string> {
    return kubectl('get', 'sds', name, '-o', 'jsonpath={.metadata.uid}');
  }
});

/** A clone with what the pages name, real helm and kubectl for this cluster, and an example that this machine can measure. */
async function prepare(reader: Reader, cluster: EmptyCluster): Promise<void> {
  const at = (name: string): string => join(reader.folder, name);
  for (const name of ['helm', 'crds']) await symlink(join(REPO, name), at(name));
  for (const name of ['manifests', 'images', 'examples', 'package.json'])
    await cp(join(REPO, name), at(name), { recursive: true });
  await addStubs(reader, ['docker', 'kind', 'k3s', 'sudo', 'curl', 'stub-helm']);
  const config = `export KUBECONFIG="${cluster.plane.kubeconfig}" HOME="${reader.folder}"`;
  // Volumes are what this cluster does not have; a watch would never end, and a page waits for a day.
  await reader.addProgram(
    'helm',
    `${config}
case "$*" in *nvidia*) exec stub-helm "$@" ;; esac
case "$1" in install | upgrade) set -- "$@" --set nats.persistence.enabled=false ;; esac
exec "${await goTool(helmTool)}" "$@"`,
  );
  await reader.addProgram(
    'kubectl',
    `${config}
if [ "$DRY_RUN" ]; then set -- "$@" "--dry-run=$DRY_RUN"; fi
case "$*" in *--watch*) timeout 3 "${await goTool(kubernetesTool('kubectl'))}" "$@"; test $? = 124; exit ;; esac
exec timeout 300 "${await goTool(kubernetesTool('kubectl'))}" "$@"`,
  );
  reader.env.KUBECONFIG = cluster.plane.kubeconfig;
  const example = parse(await readFile(at('examples/roentgen-v2.yaml'), 'utf8'));
  example.spec.model = { uri: 'embedded:phantom', sampling: { steps: 1, guidanceScale: 1 } };
  example.spec.quality.gates = [];
  await writeFile(at('examples/roentgen-v2.yaml'), stringify(example));
}
