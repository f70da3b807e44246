import { Failure } from '../contract/failure.ts';

/** A model folder, or a setting of it, that no retry can fix. The message names the file or field and the fix. */
export class ModelError extends Failure {
  override readonly name = 'ModelError';
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('ModelInvalid', message, options);
  }
}

/** CUDA was requested and cannot run here. */
export class ProviderUnavailableError extends Failure {
  override readonly name = 'ProviderUnavailableError';
  constructor(message: string) {
    super('ProviderUnavailable', message);
  }
}
