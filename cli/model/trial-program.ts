import { answerOnce } from '../subprocess.ts';
import { tryModel } from './trial.ts';

/** A process that tries one model. */

answerOnce(tryModel);
