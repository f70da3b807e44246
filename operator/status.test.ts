import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { statusSchema } from '../contract/schema/status.ts';
import { DIGEST, filledQueue, jobOf, NOW, observed, progressOf, SETTINGS } from '../test/support/observed.ts';
import { decide } from './decide/decide.ts';
import type { Decision } from './decide/decision.ts';
import { differs, nextStatus } from './status.ts';

const generating = () =>
  observed({
    jobs: [jobOf('workers')],
    queue: filledQueue(2),
    progress: progressOf({ planned: true, committed: 1 }).summary(NOW),
  });

const conditionsOf = (decision: Decision, given = observed()) =>
  Object.fromEntries(
    (nextStatus(given, decision)?.conditions ?? []).map(({ type, status, reason }) => [type, `${status} ${reason}`]),
  );

describe('the status', () => {
  test('holds every condition from the first visit on', () => {
    assert.deepEqual(conditionsOf(decide(observed(), SETTINGS)), {
      Ready: 'False Starting',
      Reconciling: 'True Starting',
      Stalled: 'False Starting',
      Accepted: 'Unknown Starting',
      Generated: 'Unknown Pending',
      Published: 'Unknown Pending',
      Trained: 'Unknown Pending',
    });
  });

  test('counts what is committed, and is what the schema says', () => {
    const given = generating();
    const status = statusSchema.parse(nextStatus(given, decide(given, SETTINGS)));
    assert.deepEqual(status.samples, { wanted: 24, accepted: 8, exhausted: 0, attempts: 10 });
    assert.deepEqual([status.percent, status.acceptanceRate], [33, 0.8]);
    assert.deepEqual(status.shards, { committed: 1, total: 3 });
    assert.deepEqual(status.cells, { complete: 0, total: 2 });
    assert.equal(status.planDigest, DIGEST);
    assert.equal(status.worstCells?.[0]?.gate, 'sex');
  });

  test('A16: is Failed to kstatus while a person has to act, also where the operator retries', () => {
    const stepStatus = (reason: 'BucketNotFound' | 'SpecInvalid' | 'Suspended') =>
      conditionsOf({ policy: '', actions: [], stepStatus: { at: 'Accepted', reason, message: '' } });
    assert.deepEqual(
      [stepStatus('BucketNotFound'), stepStatus('SpecInvalid'), stepStatus('Suspended')].map(
        ({ Reconciling, Stalled }) => [Reconciling, Stalled],
      ),
      [
        ['False BucketNotFound', 'True BucketNotFound'],
        ['False SpecInvalid', 'True SpecInvalid'],
        ['False Suspended', 'False Suspended'],
      ],
    );
  });

  test('keeps the time at which a condition last changed, and cuts off endless messages', () => {
    const given = generating();
    const first = nextStatus(given, decide(given, SETTINGS))!;
    const later = { ...given, status: first, now: NOW + 60_000 };
    const long: Decision = {
      policy: '',
      actions: [],
      stepStatus: { at: 'Generated', reason: 'Generating', message: 'x'.repeat(5000) },
    };
    const second = statusSchema.parse(nextStatus(later, long));
    const ready = (status: typeof second) => status.conditions?.find(({ type }) => type === 'Ready');
    assert.equal(ready(second)?.lastTransitionTime, ready(first)?.lastTransitionTime);
    assert.equal(ready(second)?.message.length, 1024);
  });

  test('is not written again when only the time has passed', () => {
    const given = generating();
    const first = nextStatus(given, decide(given, SETTINGS))!;
    const again = { ...given, status: first, now: NOW + 500 };
    assert.equal(differs(first, nextStatus(again, decide(again, SETTINGS))!), false);
  });

  test('A27: names no time left, and no rate, while nothing is generated', () => {
    const given = generating();
    const live = nextStatus(given, decide(given, SETTINGS))!;
    const status = { ...live, imagesPerSecond: 2, secondsLeft: 8 };
    const stopped = nextStatus({ ...given, status }, decide(given, SETTINGS))!;
    assert.deepEqual([stopped.imagesPerSecond, 'secondsLeft' in stopped], [0, false]);
    const rated = { ...given.progress, imagesPerSecond: 2 };
    const suspended: Decision = {
      policy: '',
      actions: [],
      stepStatus: { at: 'Generated', reason: 'Suspended', message: '' },
    };
    const paused = nextStatus({ ...given, status, progress: rated }, suspended)!;
    assert.deepEqual([paused.imagesPerSecond, 'secondsLeft' in paused], [0, false]);
  });

  test('keeps what was published', () => {
    const published = {
      planDigest: DIGEST,
      manifest: { uri: 's3://c/dataset.json', sha256: 'b'.repeat(64) },
      samples: { wanted: 24, accepted: 24, exhausted: 0, attempts: 30 },
      evidence: ['KID 0.0012 (-0.001 to 0.003) against 200 real images'],
    };
    const given = generating();
    const status = nextStatus(given, {
      policy: '',
      actions: [],
      published,
      stepStatus: { at: 'Trained', reason: 'Published', message: '' },
    })!;
    const next = nextStatus({ ...given, status }, decide({ ...given, status }, SETTINGS))!;
    assert.deepEqual(next.samples, published.samples);
    assert.deepEqual(next.evidence, published.evidence);
    assert.equal(next.percent, 100);
    assert.equal(next.conditions?.[0]?.status, 'True');
  });
});
