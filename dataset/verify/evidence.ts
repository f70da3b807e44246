import { canonicalJson } from '../../contract/digest.ts';
import type { PlannedQuality } from '../../contract/plan/identity.ts';
import type { Evidence } from '../../contract/schema/evidence.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { Gate } from '../../contract/schema/spec.ts';
import type { RealImages } from '../evidence/evidence.ts';
import { createGatherer, type Gatherer } from '../evidence/gather.ts';

/** The evidence of a manifest, computed again from the features of its images. */

/** Gathers the features of a dataset; null where it has none. */
export function gathererOf({ planDigest, plan, cells }: Manifest, gates: readonly Gate[]): Gatherer | null {
  const { encoder } = (plan.quality ?? {}) as PlannedQuality;
  if (encoder === undefined) return null;
  return createGatherer({ planDigest, encoder, cells: cells.map(({ axes }) => axes), gates });
}

/**
 * Figures that differ from what the features say. Those that need the real images of the reference are compared where it is
 * given, since few readers of a dataset have it. What former versions did not write is not missed.
 */
export async function evidenceFaults(
  manifest: Manifest,
  gatherer: Gatherer | null,
  real: RealImages | null,
): Promise<string[]> {
  const { evidence } = manifest;
  const { reference } = (manifest.plan.quality ?? {}) as PlannedQuality;
  const expected = (await gatherer?.finish(real, manifest.cells)) ?? null;
  if (!expected || !evidence) {
    if (!expected && !evidence) return [];
    return [expected ? 'evidence is missing' : 'evidence does not follow from anything in the dataset'];
  }
  if ((evidence.reference?.sha256 ?? undefined) !== reference)
    return [`evidence.reference is ${evidence.reference?.sha256}, the plan says ${reference}`];
  const [found, wanted] = real || !reference ? [evidence, expected] : [withoutReal(evidence), withoutReal(expected)];
  const stated = Object.keys({ ...wanted, ...found }).filter(
    (name) => name !== 'refused' || found.refused !== undefined,
  );
  return stated.flatMap((name) => {
    const [given, computed] = [found, wanted].map((one) => one[name as keyof typeof one] ?? null);
    return canonicalJson(given) === canonicalJson(computed) ? [] : [`evidence.${name} is not what the features give`];
  });
}

/** The part that does not depend on real images. */
function withoutReal({ groups, leftOut, reference, against, suspicious, ...rest }: Evidence) {
  return {
    ...rest,
    groups: groups.map(({ fidelity, privacy, ...group }) => group),
    leftOut: leftOut.filter(({ part }) => part === 'all' || part === 'cells'),
  };
}
