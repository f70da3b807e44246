import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { loadConfig } from './config.ts';

describe('the configuration of a client', () => {
  const given = process.env.KUBECONFIG;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-kubeconfig-'));
  });
  afterEach(() => {
    if (given === undefined) delete process.env.KUBECONFIG;
    else process.env.KUBECONFIG = given;
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const use = async (fields: object): Promise<void> => {
    const clusters = ['near', 'far'].map((name) => ({ name, cluster: { server: `https://${name}.example:6443` } }));
    const contexts = ['near', 'far'].map((name) => ({ name, context: { cluster: name, user: 'me', namespace: name } }));
    const users = [{ name: 'me', user: { token: 'none' } }];
    process.env.KUBECONFIG = join(folder, 'config');
    await writeFile(
      process.env.KUBECONFIG,
      JSON.stringify({ apiVersion: 'v1', kind: 'Config', clusters, contexts, users, ...fields }),
    );
  };
  const wanted = (name: string) => ({ name, givenBy: '--context' });

  it('is that of the current context, or of the one that is asked for', async () => {
    await use({ 'current-context': 'near' });
    assert.equal(loadConfig().getCurrentCluster()?.server, 'https://near.example:6443');
    assert.equal(loadConfig(wanted('far')).getCurrentCluster()?.server, 'https://far.example:6443');
    await use({});
    assert.equal(loadConfig(wanted('far')).getCurrentCluster()?.server, 'https://far.example:6443');
  });

  it('says what is missing, and what to set', async () => {
    await use({ 'current-context': 'near' });
    assert.throws(() => loadConfig(wanted('gone')), {
      message: '--context: the kubeconfig has no "gone"; it has near, far',
    });
    await use({});
    assert.throws(() => loadConfig(), { message: /no current context with a cluster: set current-context/ });
    for (const server of ['nonsense', 'https://', 'http://near.example:6443']) {
      await use({ 'current-context': 'near', clusters: [{ name: 'near', cluster: { server } }] });
      assert.throws(() => loadConfig(), { message: /cluster "near" has the server ".*": write https:\/\/HOST:PORT$/ });
    }
    process.env.KUBECONFIG = join(folder, 'nowhere');
    assert.throws(() => loadConfig(), { message: /^cannot read the kubeconfig: .*nowhere.*: check KUBECONFIG$/ });
  });
});
