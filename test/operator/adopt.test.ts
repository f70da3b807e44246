import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createKube } from '../../kube/client.ts';
import { isKubeError } from '../../kube/errors.ts';
import { createTransport } from '../../kube/transport.ts';
import type { Kube, KubeObject } from '../../kube/types.ts';
import { act } from '../../operator/act.ts';
import { decide } from '../../operator/decide/decide.ts';
import { buildSingle, buildWorkers } from '../../operator/desired/job.ts';
import { createProgressStore } from '../../operator/observe/progress-store.ts';
import { setbackOf } from '../../operator/setback.ts';
import type { QueueAdmin } from '../../platform/queue/types.ts';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { startWithDefinition } from '../crd/definition-server.ts';
import { smallDataset } from '../support/dataset.ts';
import { OWNER, observed, SETTINGS } from '../support/observed.ts';
import { configOf } from './access.ts';

/** A18, on a real API server: what another owner has is never taken over. */

describe('an object that has the name of one of ours', { skip: await missingForServers() }, () => {
  let plane: ControlPlane;
  let kube: Kube;
  before(async () => {
    plane = await startWithDefinition();
    kube = createKube({ transport: createTransport(configOf(plane)) });
    await plane.kubectl('create', 'namespace', OWNER.namespace);
  });
  after(() => plane?.stop());

  const context = { owner: OWNER, dataset: smallDataset(), settings: SETTINGS.pods };
  const progress = createProgressStore({ now: () => 0, wake: () => {}, isKnown: () => true, onIgnored: () => {} });
  const applyOurs = (object: KubeObject) =>
    act({ kube, queue: {} as QueueAdmin, progress }, OWNER, { type: 'apply', object });
  const stored = (name: string) => kube.get({ kind: 'Job', namespace: OWNER.namespace, name });
  const foreign = (name: string, ownerReferences: object[]) => ({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace: OWNER.namespace, ownerReferences },
    spec: { suspend: true, template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'x' }] } } },
  });

  it('keeps its owner and its spec', async () => {
    const owners = [[], [{ apiVersion: 'batch/v1', kind: 'CronJob', name: 'nightly', uid: 'uid-2', controller: true }]];
    for (const [i, ownerReferences] of owners.entries()) {
      const { job, name } = buildSingle(context, 'publish', i + 1);
      await plane.apply(foreign(name, ownerReferences));
      const before = await stored(name);
      await assert.rejects(
        applyOurs(job),
        (error) => isKubeError(error, 'invalid') && /AnotherOwner/.test(error.reason),
      );
      assert.deepEqual(await stored(name), before);
    }
  });

  it('is scaled up and down as it runs, with as many failed indexes as its size allows', async () => {
    for (const replicas of [2, 25, 1]) {
      const { job, name } = buildWorkers(context, { round: 3, replicas, avoidedNodes: ['gpu-7'] });
      await applyOurs(job);
      const { completions, maxFailedIndexes } = (await stored(name))!.spec as Record<string, number>;
      assert.deepEqual([completions, maxFailedIndexes], [replicas, Math.ceil(replicas / 10)]);
    }
  });

  it('A27: is refused with the way out where the spec does not fit into a ConfigMap', async () => {
    const small = smallDataset();
    const prompt = { ...small.spec.prompt, impressions: { edema: ['x'.repeat(1_100_000)] } };
    const dataset = { ...small, spec: { ...small.spec, prompt } };
    const [configMap] = buildWorkers({ ...context, dataset }, { round: 1, replicas: 1 }).needs;
    const error = await applyOurs(configMap!).catch((thrown: unknown) => thrown);
    const given = observed({ parsed: { dataset } });
    const decision = decide(given, SETTINGS);
    const action = { type: 'apply' as const, object: configMap! };
    const { stepStatus } = setbackOf(error, { action, decision, observed: given, failingMs: 0 });
    assert.equal(stepStatus?.reason, 'CreateRefused');
    assert.match(stepStatus.message, /^The spec is too large for a ConfigMap, .*spec\.prompt\.impressionsFrom/);
  });

  it('is made, and made again, where there is none or it is ours', async () => {
    const { job, name } = buildSingle(context, 'publish', 9);
    await applyOurs(job);
    await plane.kubectl('patch', 'job', name, '-n', OWNER.namespace, '--type=merge', '-p', '{"spec":{"suspend":true}}');
    await applyOurs(job);
    assert.equal(((await stored(name))!.spec as { suspend: boolean }).suspend, false);
  });
});
