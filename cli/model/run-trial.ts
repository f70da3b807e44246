import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Failure } from '../../contract/failure.ts';
import { installedProgram } from '../../platform/files.ts';
import type { Trial, TrialRequest } from './trial.ts';
import type { TrialAnswer } from './trial-program.ts';

/** Tries a model in a process of its own. @throws Failure; a process that was killed mostly ran out of memory */
export async function runTrial(request: TrialRequest): Promise<Trial> {
  const child = fork(installedProgram('cli/model/trial-program.ts'), [], { serialization: 'advanced' });
  const ended = once(child, 'close');
  let answer: TrialAnswer | undefined;
  child.on('message', (message) => {
    answer = message as TrialAnswer;
  });
  child.send(request);
  const [code, signal] = await ended;
  if (answer && 'trial' in answer) return answer.trial;
  if (answer) {
    const { reason, message, retryable } = answer.failure;
    throw new Failure(reason, message, { retryable });
  }
  const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  throw new Failure(
    'EngineCrashed',
    `the trial of ${request.model} ${how}; SIGKILL mostly means that memory ran out: lower --batch-size, or use a machine with more`,
  );
}
