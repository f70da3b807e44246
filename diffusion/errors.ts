import { TerminalError } from '../contract/errors.ts';

/** A model folder, or a setting of it, that no further try will mend. The message names the file or field and the fix. */
export class ModelError extends TerminalError {
  override readonly name = 'ModelError';
}
