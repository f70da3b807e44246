import { describeError, Failure, reasonOf } from '../../contract/failure.ts';
import type { ReasonName } from '../../contract/reasons.ts';
import { type Trial, type TrialRequest, tryModel } from './trial.ts';

/** A process that tries one model, so that its memory is that of the trial, and a crash in a library is only its own. */

export type TrialAnswer =
  | { readonly trial: Trial }
  | { readonly failure: { readonly reason: ReasonName; readonly message: string; readonly retryable: boolean } };

process.once('message', async (request: TrialRequest) => {
  const answer: TrialAnswer = await tryModel(request).then(
    (trial) => ({ trial }),
    (error) => ({
      failure: {
        reason: reasonOf(error),
        message: describeError(error),
        retryable: !(error instanceof Failure) || error.retryable,
      },
    }),
  );
  process.send!(answer, () => process.disconnect());
});
