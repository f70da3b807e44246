import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type EncoderModel, encoderModelSchema, MAX_DIMENSIONS } from '../../contract/schema/encoder.ts';
import { ModelError } from '../../diffusion/errors.ts';
import { openSession, type SessionOptions } from '../../diffusion/onnx.ts';
import { areFinite, toHalf } from '../../platform/half.ts';
import type { RawImage } from '../../platform/image/image.ts';
import { imagePorts, imageTensor } from '../graph-input.ts';

/** An encoder in use: images in, feature vectors out. */

export interface LoadedEncoder {
  readonly name: string;
  /**
   * The feature vector of each image in float16, as bit patterns; all have the same length. One with a number that is not
   * finite is all zeros.
   * @throws ModelError
   */
  encode(images: readonly RawImage[]): Promise<Uint16Array[]>;
}

/**
 * Loads an encoder from its folder (`model.onnx`, `encoder.json`).
 * @throws ModelError that names the file that does not fit
 */
export async function loadEncoder(dir: string, options: SessionOptions): Promise<LoadedEncoder> {
  const { name, input: feeding } = await readEncoderModel(dir);
  const session = await openSession(join(dir, 'model.onnx'), options);
  const { input, output } = imagePorts(session, `encoder ${name}`);
  return {
    name,
    async encode(images) {
      if (images.length === 0) return [];
      const results = await session.run({ [input]: await imageTensor(images, feeding) });
      const { data, dims } = results[output]!;
      const dimensions = data.length / images.length;
      if (dims.length !== 2 || dims[0] !== images.length || dimensions > MAX_DIMENSIONS)
        throw new ModelError(
          `encoder ${name}: ${session.file} gives [${dims.join(', ')}] for ${images.length} images; ` +
            `it must give one vector of at most ${MAX_DIMENSIONS} numbers for each`,
        );
      const halves = new Uint16Array(data.length);
      toHalf(data as Float32Array, halves);
      return images.map((_, i) => {
        const vector = halves.slice(i * dimensions, (i + 1) * dimensions);
        return areFinite(vector) ? vector : new Uint16Array(dimensions);
      });
    },
  };
}

/** @throws ModelError that names the file */
export async function readEncoderModel(dir: string): Promise<EncoderModel> {
  const file = join(dir, 'encoder.json');
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    const what = cause instanceof SyntaxError ? 'is not valid JSON' : 'cannot be read';
    throw new ModelError(`${file} ${what}; write it (see docs/evidence.md)`, { cause });
  }
  const parsed = encoderModelSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'encoder'}: ${issue.message}`);
  throw new ModelError(`${file} is not valid: ${issues.join('; ')}`);
}
