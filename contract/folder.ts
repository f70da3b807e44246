import { digestOf } from './digest.ts';

/** Folders of model files: which files count, and the digest of all of them. */

export interface FolderFile {
  /** Path below the folder, with `/`. */
  readonly path: string;
  readonly sha256: string;
}

/**
 * Which files of a model folder decide what it computes: the configurations, the vocabulary and every file of a graph
 * (weights may lie in files of any name beside it). A README or a training checkpoint does not.
 */
export function isModelFile(path: string): boolean {
  return path === 'model_index.json' || /^(scheduler|tokenizer|text_encoder|unet|vae_decoder)\/[^/]+$/.test(path);
}

/** Which files of a gate's folder decide its verdicts. */
export function isGateFile(path: string): boolean {
  return /^(gate\.json|[^/]+\.(onnx|onnx_data|data|bin))$/.test(path);
}

/** Which files of an encoder's folder decide its features. */
export function isEncoderFile(path: string): boolean {
  return /^(encoder\.json|[^/]+\.(onnx|onnx_data|data|bin))$/.test(path);
}

/** Which files make a reference. */
export const isReferenceFile = (path: string): boolean => /^(reference\.json|features\.npy|rows\.csv)$/.test(path);

/** One digest for a folder: of the paths and digests of its files, whatever the order. */
export function folderDigest(files: readonly FolderFile[]): string {
  return digestOf(Object.fromEntries(files.map(({ path, sha256 }) => [path, sha256])));
}
