import type { DiffusionModel } from './model.ts';
import { idTensor, toFloats } from './tensors.ts';

/** Text embeddings of prompts, kept for reuse: a cohort repeats its prompts. */
export interface Embeddings {
  /** Values in float32 of shape [sequence length, width]; shared, not to be changed. */
  of(prompt: string): Promise<Float32Array>;
}

const KEPT_BYTES = 64 * 2 ** 20;

export function createEmbeddings(model: DiffusionModel): Embeddings {
  const bytes = model.tokenizer.length * model.textEncoder.width * Float32Array.BYTES_PER_ELEMENT;
  const kept = Math.max(2, Math.floor(KEPT_BYTES / bytes));
  // In order of last use, the oldest first.
  const cache = new Map<string, Promise<Float32Array>>();
  return {
    of(prompt) {
      const embedding = cache.get(prompt) ?? encodePrompt(model, prompt);
      cache.delete(prompt);
      cache.set(prompt, embedding);
      if (cache.size > kept) cache.delete(cache.keys().next().value!);
      embedding.catch(() => {
        if (cache.get(prompt) === embedding) cache.delete(prompt);
      });
      return embedding;
    },
  };
}

/** Always one prompt a call, so that an embedding does not depend on the prompts beside it. Padding takes part: no mask. */
export async function encodePrompt(model: DiffusionModel, prompt: string): Promise<Float32Array> {
  const { session, ids, hidden } = model.textEncoder;
  const outputs = await session.run({ [ids.name]: idTensor(session, ids, model.tokenizer.encode(prompt)) });
  return toFloats(session, hidden.name, outputs[hidden.name]!);
}
