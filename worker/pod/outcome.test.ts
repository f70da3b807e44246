import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  ExhaustedError,
  exitCodeOf,
  Failure,
  otherPlanFailure,
  reasonOf,
  StoppedError,
  UsageError,
} from '../../contract/failure.ts';
import { EXIT } from '../../contract/names.ts';
import { REASONS, type ReasonName } from '../../contract/reasons.ts';
import { SpecError } from '../../contract/schema/issue.ts';
import { MAX_OUTCOME_BYTES, outcomeSchema, parseOutcome } from '../../contract/schema/outcome.ts';
import { DatasetError } from '../../dataset/publish/records.ts';
import { ModelError, ProviderUnavailableError } from '../../diffusion/errors.ts';
import { QueueError } from '../../platform/queue/errors.ts';
import { wrapS3Error } from '../../platform/store/s3-errors.ts';
import { StoreError } from '../../platform/store/store.ts';
import { outcome, outcomeOf } from './outcome.ts';

const s3 = (name: string, status: number): StoreError => {
  const error = Object.assign(new Error('said S3'), { name, $metadata: { httpStatusCode: status } });
  return wrapS3Error(error, { action: 'read', object: 's3://b/k', options: {} });
};
const network = (code: string): StoreError =>
  wrapS3Error(Object.assign(new Error('cut'), { code }), { action: 'read', object: 's3://b/k', options: {} });
const at = (path: string, reason?: ReasonName): SpecError =>
  new SpecError([{ path, message: 'is wrong' }], reason ? { reason } : {});

const CASES: readonly [error: unknown, reason: ReasonName, exitCode: number][] = [
  [at('spec.quota.samples'), 'SpecInvalid', EXIT.usage],
  [at('spec.model.uri', 'ModelNotFound'), 'ModelNotFound', EXIT.usage],
  [at('spec.model.sha256', 'ModelInvalid'), 'ModelInvalid', EXIT.usage],
  [at('spec.prompt.impressionsFrom.uri', 'InputNotFound'), 'InputNotFound', EXIT.usage],
  [s3('NoSuchBucket', 404), 'BucketNotFound', EXIT.never],
  [s3('SignatureDoesNotMatch', 403), 'CredentialsRejected', EXIT.never],
  [s3('AccessDenied', 403), 'CredentialsRejected', EXIT.never],
  [s3('SomethingNew', 403), 'CredentialsRejected', EXIT.never],
  [s3('ExpiredToken', 400), 'CredentialsRejected', EXIT.tryAgain],
  [s3('CredentialsProviderError', 0), 'CredentialsMissing', EXIT.never],
  [s3('SlowDown', 503), 'StoreUnavailable', EXIT.tryAgain],
  [s3('PermanentRedirect', 301), 'StoreRefused', EXIT.never],
  [network('ECONNREFUSED'), 'StoreUnavailable', EXIT.tryAgain],
  [new StoreError('terminal', 'taken', { reason: 'OutputTaken' }), 'OutputTaken', EXIT.never],
  [new StoreError('retryable', '3 of 4', { reason: 'ShardsMissing' }), 'ShardsMissing', EXIT.tryAgain],
  [new QueueError('retryable', 'NATS is away'), 'QueueUnavailable', EXIT.tryAgain],
  [new QueueError('terminal', 'refused'), 'QueueUnavailable', EXIT.never],
  [new QueueError('terminal', 'other', { reason: 'PlanChanged' }), 'PlanChanged', EXIT.never],
  [new ModelError('unet/model.onnx is cut off'), 'ModelInvalid', EXIT.never],
  [new Failure('ModelInvalid', 'gate sex: gate.json is wrong'), 'ModelInvalid', EXIT.never],
  [new ProviderUnavailableError('no CUDA'), 'ProviderUnavailable', EXIT.never],
  [new ExhaustedError('cell x, gate sex'), 'SamplesExhausted', EXIT.shortfall],
  [new DatasetError('shards/a-000000.tar', 'is missing'), 'DatasetDamaged', EXIT.never],
  [new StoppedError('stopped'), 'Retrying', EXIT.tryAgain],
  [new UsageError('no role'), 'ConfigMissing', EXIT.usage],
  [otherPlanFailure('x', { planDigest: 'b' }, { digest: 'a', name: 'n' }), 'PlanChanged', EXIT.never],
  [otherPlanFailure('x', { planDigest: 'b', dataset: 'm' }, { digest: 'a', name: 'n' }), 'OutputTaken', EXIT.never],
  [new TypeError('nobody foresaw this'), 'PodFailed', EXIT.tryAgain],
  ['a string', 'PodFailed', EXIT.tryAgain],
];

describe('a failure becomes an outcome and an exit code', () => {
  for (const [error, reason, exitCode] of CASES) {
    const name = error instanceof Error ? `${error.name} (${error.message.slice(0, 40)})` : String(error);
    test(`${name}: ${reason}, ${exitCode}`, () => {
      assert.equal(reasonOf(error), reason);
      assert.equal(exitCodeOf(error), exitCode);
      assert.deepEqual(parseOutcome(JSON.stringify(outcomeOf(error))), outcomeOf(error));
    });
  }
});

test('an outcome fits into a termination message, whatever the error says', () => {
  const texts = fc.string({ unit: 'binary', maxLength: 3000 });
  const reasons = fc.constantFrom(...(Object.keys(REASONS) as ReasonName[]));
  fc.assert(
    fc.property(texts, reasons, (text, reason) => {
      const said = outcome(reason, text);
      outcomeSchema.parse(said);
      assert.ok(Buffer.byteLength(JSON.stringify(said)) <= MAX_OUTCOME_BYTES);
    }),
  );
  assert.ok(outcome('PodFailed', '\u0001'.repeat(5000)).message.length > 500);
});

test('an outcome holds no secret and no stack', () => {
  const { message } = outcomeOf(
    new Error('http://user:hunter22@minio:9000 failed, AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI'),
  );
  assert.doesNotMatch(message, /hunter22|wJalrXUtnFEMI|\n/);
});
