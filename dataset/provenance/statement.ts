import { canonicalJson } from '../../contract/digest.ts';
import { DIGITAL_SOURCE_TYPE, objects } from '../../contract/names.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { type Statement, statementSchema } from '../../contract/schema/provenance.ts';
import { parseStored } from '../stored.ts';

/** The statement that a signature of a dataset makes. All of it follows from the published bytes. */

/** Digests of the two things that hold or imply those of everything else. */
export interface Digests {
  /** SHA-256 of dataset.json, which lists shards and files with their digests. */
  readonly manifest: string;
  /** in-toto's `dirHash1` of the records, which the manifest only names. */
  readonly records: string;
}

export function statementOf({ name, generator, planDigest, model, samples }: Manifest, digests: Digests): Statement {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [
      { name: objects.manifest, digest: { sha256: digests.manifest } },
      { name: 'records', digest: { dirHash1: digests.records } },
    ],
    predicateType: 'https://cohortfarm.dev/provenance/v1',
    predicate: {
      dataset: name,
      synthetic: true,
      digitalSourceType: DIGITAL_SOURCE_TYPE,
      generator,
      planDigest,
      model: { uri: model.uri, digest: { sha256: model.digest } },
      samples: samples.accepted,
    },
  };
}

/** The difference of a signed statement from the expected one; null when there is none. */
export function statementFault(payload: Uint8Array, expected: Statement): string | null {
  const parsed = parseStored(payload, statementSchema);
  if (typeof parsed === 'string') return `signs a statement that ${parsed}`;
  for (const [i, { name, digest }] of expected.subject.entries()) {
    const signed = parsed.value.subject[i]!.digest;
    if (canonicalJson(signed) !== canonicalJson(digest))
      return `signs another ${name}: ${canonicalJson(signed)}, here is ${canonicalJson(digest)}`;
  }
  return canonicalJson(parsed.value) === canonicalJson(expected) ? null : 'states what the manifest does not';
}
