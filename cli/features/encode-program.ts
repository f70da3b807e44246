import { answerOnce } from '../subprocess.ts';
import { encodeReference } from './encode.ts';

/** A process that encodes real images; the command itself starts without ONNX Runtime. */

answerOnce(encodeReference);
