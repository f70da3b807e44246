import { fork } from 'node:child_process';
import { once } from 'node:events';
import { describeError, Failure, reasonOf } from '../contract/failure.ts';
import type { ReasonName } from '../contract/reasons.ts';

/** One question to a process of its own, so that its memory is its own, and a crash in a library, too. */

type Answer<T> =
  | { readonly result: T }
  | { readonly failure: { readonly reason: ReasonName; readonly message: string; readonly retryable: boolean } };

/**
 * Starts a program, sends it a request and resolves with its result.
 * @param what the process does, for the message when it crashes
 * @param fix what to do when memory ran out
 * @throws Failure of the program
 */
export async function askProgram<T>(program: string, request: object, what: string, fix: string): Promise<T> {
  const child = fork(program, [], { serialization: 'advanced' });
  const ended = once(child, 'close');
  let answer: Answer<T> | undefined;
  child.on('message', (message) => {
    answer = message as Answer<T>;
  });
  child.send(request);
  const [code, signal] = await ended;
  if (answer && 'result' in answer) return answer.result;
  if (answer) {
    const { reason, message, retryable } = answer.failure;
    throw new Failure(reason, message, { retryable });
  }
  const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  throw new Failure('EngineCrashed', `${what} ${how}; SIGKILL mostly means that memory ran out: ${fix}`);
}

/** The program's side: answers one request and ends. */
export function answerOnce<Request, T>(run: (request: Request) => Promise<T>): void {
  process.once('message', async (request: Request) => {
    const answer: Answer<T> = await run(request).then(
      (result) => ({ result }),
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
}
