import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { parse, stringify } from 'yaml';
import { missingForPods } from '../../testbed/available.ts';
import { until } from '../../testbed/replica.ts';
import { isReady, rigDataset, statusOf, waitForReady } from '../../testbed/rig.ts';
import { CHART } from '../../testbed/servers/helm.ts';
import { storedShards } from '../cluster/shards.ts';
import { runCli } from '../support/cli.ts';
import { type EmptyCluster, RELEASE, SYSTEM, startEmptyCluster } from './cluster.ts';

/** A platform engineer at work: install, upgrade in mid-run, remove, install again. A first dataset: test/docs/cluster.test.ts. */

const DEFINITION = 'syntheticdatasets.cohortfarm.dev';

describe('the chart on an empty cluster', { skip: await missingForPods() }, () => {
  let cluster: EmptyCluster;
  let folder: string;
  const install = (chart: string) =>
    cluster.helm('install', RELEASE, chart, ...cluster.values, '--wait', '--timeout', '180s');

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-charts-'));
    cluster = await startEmptyCluster();
    await cluster.s3.createBucket('cohorts');
    const { accessKey, secretKey } = cluster.s3;
    const keys = [`AWS_ACCESS_KEY_ID=${accessKey}`, `AWS_SECRET_ACCESS_KEY=${secretKey}`];
    const literals = keys.map((pair) => `--from-literal=${pair}`);
    await cluster.plane.kubectl('create', 'secret', 'generic', 'cohort-bucket', ...literals);
  });
  after(async () => {
    await cluster?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('is installed in its version before, says what to do next, and passes its test', async () => {
    const notes = await install(await olderChart(folder));
    assert.match(notes, /CohortFarm 0\.0\.9 is installed as "cohortfarm" in the namespace farm-system/);
    assert.match(notes, /kubectl apply -f examples\/first\.yaml/);
    const said = await cluster.helm('test', RELEASE, '--timeout', '90s').catch(async (error: Error) => {
      throw new Error(await cluster.kubelet.logs(`${RELEASE}-test-ready`), { cause: error });
    });
    assert.match(said, /Phase:\s+Succeeded/);
  });

  test('is upgraded in mid-run, its definition, too, and nothing that was stored is made again', async () => {
    await cluster.plane.apply(
      await rigDataset(cluster, 'upgraded', ({ spec }) => {
        delete spec.training;
        spec.output.s3 = { ...spec.output.s3, credentialsSecretRef: { name: 'cohort-bucket' } };
      }),
    );
    const committed = async () => (await statusOf(cluster, 'upgraded')).shards?.committed ?? 0;
    await until('two shards are committed', async () => (await committed()) >= 2, 240_000);
    assert.ok((await committed()) < 8, 'the upgrade begins before the end');
    const before = await storedShards(cluster.s3, 's3://cohorts/upgraded');
    const stored = await writtenAt(cluster, 'upgraded');
    assert.equal(await hasField('deletionPolicy'), false);

    await cluster.helm('upgrade', RELEASE, CHART, ...cluster.values, '--wait', '--timeout', '180s');

    assert.equal(await hasField('deletionPolicy'), true);
    assert.deepEqual(await operatorImages(), ['cohortfarm:0.1.0']);
    await waitForReady(cluster, 'upgraded', isReady, 240_000);
    const jobs = await cluster.plane.kubectl('get', 'jobs', '-l', 'cohortfarm.dev/dataset=upgraded', '-o', 'json');
    const images = JSON.parse(jobs).items.map((job: Job) => job.spec.template.spec.containers[0]!.image);
    assert.ok(images.includes('cohortfarm:0.1.0'), 'the workers of the new version have taken over');
    const after = await storedShards(cluster.s3, 's3://cohorts/upgraded');
    for (const [key, digest] of Object.entries(before)) assert.equal(after[key], digest);
    const written = await writtenAt(cluster, 'upgraded');
    for (const [key, time] of Object.entries(stored)) assert.equal(written[key], time, `${key} was written once`);
    const { code, stderr } = await runCli(['verify', 's3://cohorts/upgraded'], cluster.s3.env);
    assert.equal(code, 0, stderr);
  });

  test('is removed and leaves definition, datasets and bucket; installed again, it goes on', async () => {
    await cluster.helm('uninstall', RELEASE, '--wait', '--timeout', '90s');
    const left = async () => {
      const kinds = 'all,configmaps,roles,rolebindings,networkpolicies,serviceaccounts';
      const names = (await cluster.plane.kubectl('get', kinds, '--namespace', SYSTEM, '-o', 'name')).split('\n');
      return names.filter((name) => name !== '' && !/kube-root-ca|serviceaccount\/default/.test(name));
    };
    // Pods go a moment after what they belong to.
    await until('nothing of the release is left', async () => (await left()).length === 0, 60_000);
    assert.match(await cluster.plane.kubectl('get', 'crd', DEFINITION, '-o', 'name'), /syntheticdatasets/);
    assert.match(await cluster.plane.kubectl('get', 'sds', '-o', 'name'), /upgraded/);

    await install(CHART);
    await cluster.plane.kubectl('delete', 'sds', 'upgraded', '--timeout=60s');
    const { code, stderr } = await runCli(['verify', 's3://cohorts/upgraded'], cluster.s3.env);
    assert.equal(code, 0, stderr);
  });

  interface Job {
    readonly spec: { readonly template: { readonly spec: { readonly containers: readonly { image: string }[] } } };
  }

  async function hasField(name: string): Promise<boolean> {
    const definition = JSON.parse(await cluster.plane.kubectl('get', 'crd', DEFINITION, '-o', 'json'));
    return name in definition.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties;
  }

  async function operatorImages(): Promise<string[]> {
    const text = await cluster.plane.kubectl('get', 'deployment', RELEASE, '--namespace', SYSTEM, '-o', 'json');
    return (JSON.parse(text) as Job).spec.template.spec.containers.map(({ image }) => image);
  }
});

/** The chart as it might have been one version before: other images, and a definition that lacks a field. */
async function olderChart(folder: string): Promise<string> {
  const chart = join(folder, 'cohortfarm');
  await cp(CHART, chart, { recursive: true });
  await edit(join(chart, 'Chart.yaml'), (text) => text.replace(/^((?:appV|v)ersion): .*/gm, '$1: 0.0.9'));
  await edit(join(chart, 'files/cohortfarm.dev_syntheticdatasets.yaml'), (text) => {
    const definition = parse(text);
    delete definition.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.deletionPolicy;
    return stringify(definition, { aliasDuplicateObjects: false });
  });
  return chart;
}

async function edit(file: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(file, 'utf8');
  const changed = change(text);
  assert.notEqual(changed, text);
  await writeFile(file, changed);
}

/** When each shard and record was stored, by key. */
async function writtenAt({ s3 }: EmptyCluster, dataset: string): Promise<Record<string, string>> {
  const client = new S3Client({ ...s3.options, forcePathStyle: true });
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'cohorts', Prefix: `${dataset}/` }));
  const final = Contents.filter(({ Key }) => /\/(shards|records)\//.test(Key!));
  return Object.fromEntries(final.map(({ Key, LastModified }) => [Key!, LastModified!.toISOString()]));
}
