import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FINALIZER } from '../../contract/cluster.ts';
import type { Stored } from '../../kube/types.ts';
import { smallDataset } from '../../test/support/dataset.ts';
import { attentionOf } from './attention.ts';

/** A dataset that is finished, or as `change` says. */
function finished({ spec = {}, metadata = {}, ready = 'True', observedGeneration = 2 } = {}): Stored {
  const dataset = smallDataset();
  return {
    ...dataset,
    metadata: {
      ...{ namespace: 'research', name: 'small', uid: 'uid-1', resourceVersion: '7', generation: 2 },
      ...{ finalizers: [FINALIZER], creationTimestamp: '2026-01-02T03:04:05Z', ...metadata },
    },
    spec: { ...dataset.spec, ...spec },
    status: { observedGeneration, conditions: [{ type: 'Ready', status: ready }] },
  };
}

const stages = { training: { stages: [] } };

describe('A24: what is finished', () => {
  it('needs no more than to be read', () => {
    assert.equal(attentionOf(finished(), '', true), 'settled');
  });

  const cases: readonly [string, Stored, boolean][] = [
    ['was edited', finished({ observedGeneration: 1 }), true],
    ['is being deleted', finished({ metadata: { deletionTimestamp: '2026-01-02T03:04:05Z' } }), true],
    ['has lost its finalizer', finished({ metadata: { finalizers: [] } }), true],
    ['is not ready', finished({ ready: 'False' }), true],
    ['has Jobs to remove later', finished({ spec: { ttlSecondsAfterFinished: 60 } }), true],
    ['has stages', finished({ spec: stages }), true],
    ['is still known to the queue', finished(), false],
    ['has no status', { ...finished(), status: undefined }, true],
  ];
  for (const [what, object, isQueueGone] of cases) {
    it(`is observed where it ${what}`, () => assert.equal(attentionOf(object, '', isQueueGone), 'full'));
  }
});

describe('A25: two operators', () => {
  const ofA = finished({ ready: 'False', spec: { operatorClass: 'a' } });
  const ofNone = finished({ ready: 'False' });

  it('share no dataset: each looks after those of its class, and one without a class after those that name none', () => {
    assert.deepEqual(
      ['', 'a', 'b'].map((own) => [attentionOf(ofNone, own, false), attentionOf(ofA, own, false)]),
      [
        ['full', 'foreign'],
        ['foreign', 'full'],
        ['foreign', 'foreign'],
      ],
    );
  });

  it('leave the deletion of a dataset to its own operator', () => {
    const going = finished({ spec: { operatorClass: 'a' }, metadata: { deletionTimestamp: '2026-01-02T03:04:05Z' } });
    assert.equal(attentionOf(going, 'b', true), 'foreign');
  });
});
