import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { describeError, exitCodeOf, Failure, isRetryable, otherPlanFailure, reasonOf } from './failure.ts';
import { EXIT } from './names.ts';
import { REASONS, type ReasonName } from './reasons.ts';

const reasons = fc.constantFrom(...(Object.keys(REASONS) as ReasonName[]));

describe('the reason of a failure decides the rest', () => {
  test('its exit code is that of the table, or 75 where trying again can help', () => {
    fc.assert(
      fc.property(reasons, fc.option(fc.boolean(), { nil: undefined }), (reason, retryable) => {
        const failure = new Failure(reason, 'x', retryable === undefined ? {} : { retryable });
        assert.equal(reasonOf(failure), reason);
        assert.equal(exitCodeOf(failure), failure.retryable ? EXIT.tryAgain : REASONS[reason].exit);
        if (retryable === undefined) assert.equal(exitCodeOf(failure), REASONS[reason].exit);
      }),
    );
  });

  test('a reason that a person must correct never exits with 75 by itself', () => {
    for (const reason of ['SpecInvalid', 'ModelInvalid', 'OutputTaken', 'CredentialsRejected'] as const)
      assert.equal(isRetryable(new Failure(reason, 'x')), false, reason);
  });
});

test('an unforeseen error exits with 75 and shows its stack', () => {
  for (const error of [new TypeError('oops'), 'a string', null]) {
    assert.equal(exitCodeOf(error), EXIT.tryAgain);
    assert.equal(reasonOf(error), 'PodFailed');
  }
  assert.match(describeError(new TypeError('oops')), /failure\.test\.ts/);
  assert.equal(describeError(new Failure('ModelInvalid', 'unet is missing')), 'unet is missing');
});

test('an output of another plan is PlanChanged for the same dataset and OutputTaken for another', () => {
  const ours = { digest: 'a'.repeat(64), name: 'mine' };
  const found = { planDigest: 'b'.repeat(64) };
  assert.equal(otherPlanFailure('s3://b/p', found, ours).reason, 'PlanChanged');
  assert.equal(otherPlanFailure('s3://b/p', { ...found, dataset: 'mine' }, ours).reason, 'PlanChanged');
  const taken = otherPlanFailure('s3://b/p', { ...found, dataset: 'theirs' }, ours);
  assert.equal(taken.reason, 'OutputTaken');
  assert.match(taken.message, /^s3:\/\/b\/p belongs to plan bbbbbbbbbbbb of dataset "theirs", .* nothing was changed/);
});
