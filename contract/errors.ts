/** Failures that a worker tells apart; the exit code of the process follows from them. */

/** Something that no further try will mend: a bad model, a missing provider. Exit 78. */
export class TerminalError extends Error {
  override readonly name: string = 'TerminalError';
}

/** A sample whose every attempt was rejected, where the spec says `onExhausted: Fail`. Exit 3. */
export class ExhaustedError extends Error {
  override readonly name = 'ExhaustedError';
}

/** The work was stopped on request, at a point from which it can go on. Exit 75. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
}

/** Bad usage: the message says what to write instead. Exit 2. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}
