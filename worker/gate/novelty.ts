import type { Gate } from '../../contract/schema/spec.ts';
import { readReference } from '../../dataset/reference.ts';
import { ModelError } from '../../diffusion/errors.ts';
import type { LoadedGate } from './gate.ts';
import { openNearest } from './nearest.ts';
import { judge } from './verdict.ts';

/**
 * Loads a Novelty gate against the training images of a reference: features in, and a verdict by the distance to the nearest.
 * @throws Failure when the reference is damaged or holds no training images
 */
export async function loadNovelty(gate: Gate, dir: string, { threads }: { threads?: number }): Promise<LoadedGate> {
  const { description, features, rows } = await readReference(dir);
  const { training } = description.images;
  if (training === 0)
    throw new ModelError(
      `gate ${gate.name}: ${dir} holds no training images to compare with; make the reference with them`,
    );
  const { columns, bits } = features;
  const search = await openNearest(
    { rows: training, columns, bits: bits.subarray(0, training * columns) },
    threads === undefined ? {} : { threads },
  );
  return {
    name: gate.name,
    async judge(_images, _samples, vectors) {
      if (vectors?.some(({ length }) => length !== columns))
        throw new ModelError(
          `gate ${gate.name}: the encoder gives ${vectors[0]!.length} numbers, the reference has ${columns}`,
        );
      const found = await search(vectors!);
      return found.map(({ row, distance }) => ({ ...judge(gate, [distance]), nearest: rows[row]!.image! }));
    },
  };
}
