import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KubeError } from '../kube/errors.ts';
import type { Kube, KubeObject } from '../kube/types.ts';
import type { QueueAdmin } from '../platform/queue/types.ts';
import { OWNER } from '../test/support/observed.ts';
import { act } from './act.ts';
import { createProgressStore } from './observe/progress-store.ts';

const job: KubeObject = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'small-workers-1', namespace: OWNER.namespace },
};

/** An API server that objects to a first apply and then shows what is there. */
function setUp(kind: 'conflict' | 'invalid', ownerReferences: object[]) {
  const forced: boolean[] = [];
  const kube = {
    apply: async (_object: KubeObject, { force = true } = {}) => {
      forced.push(force);
      if (!force) throw new KubeError(kind, { reason: 'Conflict', message: 'conflict with "someone"' });
    },
    get: async () => ({ ...job, metadata: { ...job.metadata, uid: 'x', resourceVersion: '1', ownerReferences } }),
  } as unknown as Kube;
  const progress = createProgressStore({ now: () => 0, wake: () => {}, isKnown: () => true, onIgnored: () => {} });
  const run = () => act({ kube, queue: {} as QueueAdmin, progress }, OWNER, { type: 'apply', object: job });
  return { run, forced };
}

describe('a TrainJob of a dataset', () => {
  const remove = async (owner: Partial<typeof OWNER>, refuse?: KubeError) => {
    const calls: unknown[] = [];
    const kube = {
      mergePatch: async (ref: object, body: object) => {
        calls.push([ref, body]);
        if (refuse) throw refuse;
      },
      delete: async (ref: object, options?: object) => void calls.push([ref, options]),
    } as unknown as Kube;
    const progress = createProgressStore({ now: () => 0, wake: () => {}, isKnown: () => true, onIgnored: () => {} });
    const action = { type: 'deleteJob', kind: 'TrainJob', name: 'small-pretrain-1' } as const;
    await act({ kube, queue: {} as QueueAdmin, progress }, { ...OWNER, ...owner }, action);
    return calls;
  };
  const ref = { kind: 'TrainJob', namespace: OWNER.namespace, name: 'small-pretrain-1' };
  const inForeground = [
    [ref, { spec: { suspend: true } }],
    [ref, { propagation: 'Foreground' }],
  ];

  test('that is deleted is suspended first, so that a JobSet which is made again starts no pod', async () => {
    assert.deepEqual(await remove({ deleting: true }), inForeground);
  });

  test('that cannot be suspended is deleted all the same', async () => {
    for (const [kind, message] of [
      ['notFound', 'it is gone'],
      ['invalid', 'spec is immutable'],
      ['unavailable', 'Internal error occurred: failed calling webhook "validator.trainjob.trainer.kubeflow.org"'],
    ] as const) {
      const refuse = new KubeError(kind, { reason: 'Refused', message });
      assert.deepEqual(await remove({ deleting: true }, refuse), inForeground);
    }
  });

  test('that could not be suspended yet is deleted later', async () => {
    for (const kind of ['conflict', 'unavailable'] as const) {
      const refuse = new KubeError(kind, { reason: 'Timeout', message: 'no answer within 10 s' });
      await assert.rejects(remove({ deleting: true }, refuse), /no answer within 10 s/);
    }
  });

  test('that lives on loses its TrainJob at once, and its pods get their grace period', async () => {
    assert.deepEqual(await remove({}), [[ref, undefined]]);
  });
});

describe('A18: an object of the same name', () => {
  for (const kind of ['conflict', 'invalid'] as const) {
    test(`that another owner has is left as it is (${kind})`, async () => {
      const { run, forced } = setUp(kind, [{ kind: 'CronJob', name: 'nightly', uid: 'uid-2' }]);
      await assert.rejects(run(), /already, which belongs to CronJob nightly \(uid uid-2\); nothing in it was changed/);
      assert.deepEqual(forced, [false]);
    });
  }

  test('that nobody owns is left as it is', async () => {
    const { run, forced } = setUp('conflict', []);
    await assert.rejects(run(), /was not made for this dataset/);
    assert.deepEqual(forced, [false]);
  });

  test('that is ours is made as it has to be, whoever has changed it', async () => {
    const { run, forced } = setUp('conflict', [{ kind: 'SyntheticDataset', name: 'small', uid: OWNER.uid }]);
    await run();
    assert.deepEqual(forced, [false, true]);
  });

  test('that is ours and cannot be made so is refused in the words of the API server', async () => {
    const { run } = setUp('invalid', [{ kind: 'SyntheticDataset', name: 'small', uid: OWNER.uid }]);
    await assert.rejects(run(), /conflict with "someone"/);
  });
});
