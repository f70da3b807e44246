import { type Issue, issueAt } from '../schema/issue.ts';
import type { Manifest } from '../schema/manifest.ts';
import { MAX_SAMPLES, type Spec } from '../schema/spec.ts';

/** The beginning of a dataset's samples: at 0, or after those of the published dataset that it extends. */

/** The dataset that another one extends. */
export interface Parent {
  /** The manifest, and the SHA-256 of its very bytes. */
  readonly manifest: Manifest;
  readonly sha256: string;
  /** Absolute URI of the manifest. */
  readonly uri: string;
}

export interface Origin {
  /** Index of the first sample. */
  readonly index: number;
  /** Attempts that all datasets before it could make: their seeds are not used again. */
  readonly attempts: number;
  /** SHA-256 of the parent's manifest; null where there is none. */
  readonly parent: string | null;
}

const BEGINNING: Origin = { index: 0, attempts: 0, parent: null };

/** The origin of the dataset that extends a published one. */
export function originAfter(parent: Pick<Parent, 'manifest' | 'sha256'> | undefined): Origin {
  if (!parent) return BEGINNING;
  const { manifest, sha256 } = parent;
  const before = originOf(manifest);
  const index = before.index + manifest.samples.wanted;
  const attempts = before.attempts + manifest.samples.wanted * manifest.dataset.spec.quality.maxAttempts;
  return { index, attempts, parent: sha256 };
}

/** The part of a plan's identity that says where it begins; nothing where that is at 0. */
export const originIdentity = ({ index, attempts, parent }: Origin): Record<string, unknown> =>
  parent === null ? {} : { extends: { manifest: parent, index, attempts } };

/** The origin that a manifest states; verification compares it with the parent. */
export function originOf({ plan }: Pick<Manifest, 'plan'>): Origin {
  const { extends: stated } = plan;
  return stated ? { index: stated.index, attempts: stated.attempts, parent: stated.manifest } : BEGINNING;
}

/** Issues of a spec that extends a parent. */
export function parentIssues(
  { seed, output }: Spec,
  samples: number,
  { manifest, uri }: Parent,
  { index }: Origin,
): Issue[] {
  const issues: Issue[] = [];
  if (/^s3:/i.test(output.uri) && !/^s3:/i.test(uri)) {
    const message = `is on this machine, where readers of ${output.uri} could not find it; copy that dataset to s3:// and name it there`;
    issues.push(issueAt(['spec', 'extends', 'manifest'], message));
  }
  const before = manifest.dataset.spec.seed;
  if (seed !== before) {
    const message = `${seed} is not the seed of the dataset that this one extends (${before}), so that images could repeat; write ${before}`;
    issues.push(issueAt(['spec', 'seed'], message));
  }
  if (index + samples > MAX_SAMPLES) {
    const message = `${samples} after ${index} samples of the dataset that this one extends are too many for keys of nine digits; lower it to ${MAX_SAMPLES - index}`;
    issues.push(issueAt(['spec', 'quota', 'samples'], message));
  }
  return issues;
}
