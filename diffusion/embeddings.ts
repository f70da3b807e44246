import type { DiffusionModel } from './model.ts';
import { idTensor, toFloats } from './tensors.ts';

/** Text embeddings of prompts, kept for reuse: retries, and small cohorts, repeat their prompts. */
export interface Embeddings {
  /** One for each prompt, in order: values in float32 of shape [sequence length, width]; shared, not to be changed. */
  of(prompts: readonly string[]): Promise<Float32Array[]>;
}

/** A large cohort has thousands of prompts, and each shard its own: more memory would not find them again. */
const KEPT_BYTES = 64 * 2 ** 20;

/** @param rows prompts of a call where shapes are to be steady; left out, a call has one */
export function createEmbeddings(model: DiffusionModel, rows = 1): Embeddings {
  const bytes = model.tokenizer.length * model.textEncoder.width * Float32Array.BYTES_PER_ELEMENT;
  const kept = Math.max(2, Math.floor(KEPT_BYTES / bytes));
  // In order of last use, the oldest first.
  const cache = new Map<string, Promise<Float32Array>>();
  const keep = (prompt: string, embedding: Promise<Float32Array>): void => {
    cache.delete(prompt);
    cache.set(prompt, embedding);
    if (cache.size > kept) cache.delete(cache.keys().next().value!);
    embedding.catch(() => {
      if (cache.get(prompt) === embedding) cache.delete(prompt);
    });
  };
  const size = typeof model.textEncoder.ids.shape[0] === 'number' ? 1 : rows;
  return {
    async of(prompts) {
      const distinct = [...new Set(prompts)];
      const found = new Map(distinct.flatMap((prompt) => (cache.has(prompt) ? [[prompt, cache.get(prompt)!]] : [])));
      const missing = distinct.filter((prompt) => !found.has(prompt));
      for (let at = 0; at < missing.length; at += size) {
        const some = missing.slice(at, at + size);
        const encoded = encodePrompts(model, some, size);
        for (const [i, prompt] of some.entries())
          found.set(
            prompt,
            encoded.then((embeddings) => embeddings[i]!),
          );
      }
      for (const [prompt, embedding] of found) keep(prompt, embedding);
      return Promise.all(prompts.map((prompt) => found.get(prompt)!));
    },
  };
}

/**
 * The embeddings of one call, which has always as many rows, so that none depends on how many prompts are beside it. Padding
 * takes part: no mask.
 */
export async function encodePrompts(
  model: DiffusionModel,
  prompts: readonly string[],
  rows: number,
): Promise<Float32Array[]> {
  const { session, ids, hidden } = model.textEncoder;
  const encoded = prompts.map((prompt) => model.tokenizer.encode(prompt));
  const filled = Array.from({ length: rows }, (_, i) => encoded[i] ?? encoded[0]!);
  const outputs = await session.run({ [ids.name]: idTensor(session, ids, filled) });
  const values = toFloats(session, hidden.name, outputs[hidden.name]!);
  const length = values.length / rows;
  return prompts.map((_, i) => values.slice(i * length, (i + 1) * length));
}
