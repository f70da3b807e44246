import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { smallDataset } from '../../test/support/dataset.ts';
import { observed, SETTINGS } from '../../test/support/observed.ts';
import { decide } from '../decide/decide.ts';
import type { Observed } from '../observed.ts';
import { TRAINER_APIS, type TrainerApi, trainerApiOf } from './trainer-api.ts';

/** A published dataset whose first stage is to run under Kubeflow Trainer. */
function published(trainerApi?: TrainerApi): Observed {
  const dataset = smallDataset((spec) => {
    spec.output.uri = 's3://c/small';
    const stage = { name: 'pretrain', type: 'Pretrain' as const, nodes: 2, runtimeRef: { name: 'cohortfarm' } };
    spec.training = { labels: ['edema'], stages: [stage] };
  });
  return observed({
    parsed: { dataset },
    status: { manifest: { uri: 's3://c/small/dataset.json', sha256: 'b'.repeat(64) } },
    ...(trainerApi && { trainerApi }),
  });
}

const trainJob = (api?: TrainerApi) => {
  for (const action of decide(published(api), SETTINGS).actions) {
    if (action.type === 'apply' && action.object.kind === 'TrainJob') return action.object;
  }
  return assert.fail('no TrainJob is made');
};

describe('A15: a TrainJob', () => {
  it('says what it overrides in the words of the installed version, and in no others', () => {
    for (const api of TRAINER_APIS) {
      const spec = trainJob(api).spec as Record<string, unknown>;
      assert.deepEqual(
        TRAINER_APIS.filter((name) => name in spec),
        [api],
      );
      // From 2.2 on labels are said in the patch, too.
      assert.equal('labels' in spec, api !== 'runtimePatches');
      assert.match(JSON.stringify(spec[api]), /"volumeMounts":\[\{"name":"config","mountPath":"\/etc\/cohortfarm"/);
    }
  });

  it('is that of 2.0 where nothing is known', () => {
    assert.deepEqual(trainJob(), trainJob('podSpecOverrides'));
  });

  it('is the same for the operator in every version, so that an upgrade of Kubeflow Trainer starts none again', () => {
    const annotations = TRAINER_APIS.map((api) => JSON.stringify(trainJob(api).metadata.annotations));
    assert.equal(new Set(annotations).size, 1);
  });

  it('is told apart by the fields of its spec', () => {
    const base = ['managedBy', 'runtimeRef', 'suspend', 'trainer'];
    assert.equal(trainerApiOf([...base, 'labels', 'podSpecOverrides']), 'podSpecOverrides');
    assert.equal(trainerApiOf([...base, 'labels', 'podTemplateOverrides']), 'podTemplateOverrides');
    assert.equal(trainerApiOf([...base, 'runtimePatches']), 'runtimePatches');
    assert.equal(trainerApiOf(base), 'podSpecOverrides');
  });
});
