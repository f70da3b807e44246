import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createKube } from '../../kube/client.ts';
import { isKubeError, isTransient, type KubeErrorKind } from '../../kube/errors.ts';
import type { RequestMetrics } from '../../kube/send.ts';
import { createTransport } from '../../kube/transport.ts';
import type { Kube, KubeObject, Ref } from '../../kube/types.ts';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { startWithDefinition } from '../crd/definition-server.ts';
import { documentWith } from '../support/spec.ts';
import { configOf } from './access.ts';

const skip = await missingForServers();

const ref = (kind: Ref['kind'], name: string): Ref => ({ kind, namespace: 'default', name });

interface ConfigMap extends KubeObject {
  readonly data: Readonly<Record<string, string>>;
}

const configMap = (name: string, data: Record<string, string>): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', labels: { part: 'test' } },
  data,
});

const dataset = (name: string, changes: Record<string, unknown> = {}): KubeObject =>
  documentWith({ ...changes, metadata: { name, namespace: 'default' } }) as KubeObject;

const refused = (kind: KubeErrorKind, message: RegExp) => (error: unknown) => {
  assert.ok(isKubeError(error, kind), `${error}`);
  assert.match(error.message, message);
  assert.ok(error.message.length < 1024);
  assert.doesNotMatch(error.message, /authorization|bearer|audit-id/i);
  return true;
};

describe('calls to an API server', { skip }, () => {
  let plane: ControlPlane;
  let kube: Kube;
  const seen: RequestMetrics[] = [];

  before(async () => {
    plane = await startWithDefinition();
    kube = createKube({
      transport: createTransport(configOf(plane)),
      pageSize: 2,
      onRequest: (request) => seen.push(request),
    });
  });
  after(() => plane.stop());

  it('apply makes an object, makes it so again, and takes away what is left out', async () => {
    const first = await kube.apply(configMap('applied', { a: '1', b: '2' }));
    const again = await kube.apply(configMap('applied', { a: '1', b: '2' }));
    assert.equal(again.metadata.resourceVersion, first.metadata.resourceVersion);
    await kube.apply(configMap('applied', { a: '1' }));
    const now = await kube.get<ConfigMap>(ref('ConfigMap', 'applied'));
    assert.deepEqual(now?.data, { a: '1' });
    assert.equal('managedFields' in now!.metadata, false);
  });

  it('apply refuses a field that nobody knows, and names it', async () => {
    const odd = { ...configMap('odd', {}), date: { a: '1' } };
    await assert.rejects(kube.apply(odd), (error) => {
      assert.ok(isKubeError(error));
      assert.match(error.message, /cannot apply ConfigMap default\/odd: .*date: field not declared in schema/);
      return true;
    });
  });

  it('get is null for an object that is not there, and no object is made of it', async () => {
    assert.equal(await kube.get(ref('Job', 'nothing')), null);
  });

  it('a kind that is not installed is not an object that is missing', async () => {
    await assert.rejects(kube.get(ref('TrainJob', 'nothing')), refused('noSuchKind', /get TrainJob default\/nothing/));
    await assert.rejects(kube.list({ kind: 'TrainJob' }), refused('noSuchKind', /list TrainJob/));
  });

  it('list takes all pages, with kind and version in each object', async () => {
    for (const name of ['l1', 'l2', 'l3', 'l4', 'l5']) await kube.apply(configMap(name, {}));
    const labels = { part: 'test' };
    const { items, resourceVersion } = await kube.list<ConfigMap>({ kind: 'ConfigMap', namespace: 'default', labels });
    const names = items.map(({ metadata }) => metadata.name).filter((name) => /^l\d$/.test(name));
    assert.deepEqual(names, ['l1', 'l2', 'l3', 'l4', 'l5']);
    for (const { apiVersion, kind } of items)
      assert.deepEqual({ apiVersion, kind }, { apiVersion: 'v1', kind: 'ConfigMap' });
    assert.match(resourceVersion, /^\d+$/);
    const bare = await kube.list<ConfigMap>({ kind: 'ConfigMap', labels: { part: null }, metadataOnly: true });
    assert.equal(bare.items.length, items.length);
    assert.equal(
      bare.items.some((item) => 'data' in item),
      false,
    );
  });

  it('status is applied whole, only to the object that was meant, and does not touch the rest', async () => {
    const { uid } = (await kube.apply(dataset('grown'))).metadata;
    const target = { ...ref('SyntheticDataset', 'grown'), uid };
    await kube.patchStatus(target, { observedGeneration: 1, percent: 40 });
    const after = await kube.patchStatus(target, { observedGeneration: 1 });
    assert.deepEqual(after.status, { observedGeneration: 1 });
    assert.equal(after.metadata.generation, 1);
    await assert.rejects(
      kube.patchStatus({ ...target, uid: 'another' }, { percent: 50 }),
      refused('conflict', /not the object with uid another/),
    );
    await assert.rejects(
      kube.patchStatus({ ...ref('SyntheticDataset', 'missing'), uid }, { percent: 50 }),
      refused('notFound', /patch status of SyntheticDataset default\/missing/),
    );
    await assert.rejects(kube.patchStatus(target, { percent: 101 }), refused('invalid', /status.percent/));
  });

  it('A27: a field of the status that the installed definition does not have yet costs that field alone', async () => {
    const { uid } = (await kube.apply(dataset('newer'))).metadata;
    const target = { ...ref('SyntheticDataset', 'newer'), uid };
    const { status } = await kube.patchStatus(target, { percent: 40, ofNextYear: 1 });
    assert.deepEqual(status, { percent: 40 });
  });

  it('a merge patch that names a version which is no longer the last one is a conflict', async () => {
    const { metadata } = await kube.apply(configMap('guarded', { a: '1' }));
    const body = { metadata: { resourceVersion: metadata.resourceVersion }, data: { a: '2' } };
    await kube.mergePatch(ref('ConfigMap', 'guarded'), body);
    const error = await kube.mergePatch(ref('ConfigMap', 'guarded'), body).catch((error: unknown) => error);
    refused('conflict', /has been modified/)(error);
    assert.equal(isTransient(error), true);
  });

  it('create is a conflict when somebody was faster', async () => {
    await kube.create(configMap('created', {}));
    await assert.rejects(kube.create(configMap('created', {})), refused('conflict', /already exists/));
  });

  it('delete takes only the object that was meant, and none is no error', async () => {
    const { metadata } = await kube.create(configMap('deleted', {}));
    await kube.delete(ref('ConfigMap', 'deleted'), { uid: 'another' });
    assert.ok(await kube.get(ref('ConfigMap', 'deleted')));
    await kube.delete(ref('ConfigMap', 'deleted'), { uid: metadata.uid });
    await kube.delete(ref('ConfigMap', 'deleted'));
    assert.equal(await kube.get(ref('ConfigMap', 'deleted')), null);
  });

  it('what the API server refuses by its rules says which field and why', async () => {
    const error = await kube.apply(dataset('bad', { 'spec.quota.samples': 0 })).catch((error: unknown) => error);
    refused('invalid', /spec\.quota\.samples/)(error);
    assert.equal(isTransient(error), false);
  });

  it('a service account without rights is told which one it lacks', async () => {
    await plane.kubectl('create', 'serviceaccount', 'poor');
    const token = (await plane.kubectl('create', 'token', 'poor')).trim();
    const poor = createKube({ transport: createTransport(configOf({ ...plane, token })) });
    await assert.rejects(poor.list({ kind: 'Job' }), refused('forbidden', /cannot list resource "jobs"/));
    const nobody = createKube({ transport: createTransport(configOf({ ...plane, token: 'wrong' })) });
    await assert.rejects(nobody.list({ kind: 'Job' }), refused('unauthorized', /Unauthorized/));
  });

  it('a server that is not there is unavailable, and worth another try', async () => {
    const nowhere = createKube({ transport: createTransport(configOf({ ...plane, url: 'https://127.0.0.1:9' })) });
    const error = await nowhere.get(ref('Job', 'a')).catch((error: unknown) => error);
    refused('unavailable', /ECONNREFUSED/)(error);
    assert.equal(isTransient(error), true);
  });

  it('every call is seen, with how it ended', () => {
    const kinds = new Set(seen.map(({ verb, resource, code }) => `${verb} ${resource} ${code}`));
    const expected = [
      'get jobs notFound',
      'list configmaps 200',
      'patch syntheticdatasets/status 200',
      'patch syntheticdatasets/status invalid',
      'patch configmaps conflict',
      'delete configmaps 200',
    ];
    for (const one of expected) assert.ok(kinds.has(one), `${one} in ${[...kinds].join(', ')}`);
    assert.ok(seen.every(({ seconds }) => seconds > 0 && seconds < 15));
  });
});
