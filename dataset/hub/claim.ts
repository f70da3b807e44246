import { z } from 'zod';
import { canonicalFile } from '../../contract/digest.ts';
import { Failure, UsageError } from '../../contract/failure.ts';
import { type ContentCredentials, contentCredentialsSchema } from '../../contract/schema/export.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { parseStored } from '../stored.ts';

/** cohortfarm.json says in a repository of which dataset it is, and who signed the images of its Parquet files. */

export const CLAIM = 'cohortfarm.json';

const signed = z.object({ contentCredentials: contentCredentialsSchema.optional() });

/** Renders the claim. @param credentials of the signer; null where the images are not signed */
export const claimOf = ({ name, planDigest }: Manifest, credentials: ContentCredentials | null): Buffer =>
  Buffer.from(
    canonicalFile({
      apiVersion: 'cohortfarm.dev/push/v1',
      dataset: name,
      synthetic: true,
      planDigest,
      ...(credentials && { contentCredentials: credentials }),
    }),
  );

/**
 * Compares the claim of a repository with what is pushed.
 * @param mayRemove whether images that are signed may be replaced by images that are not
 * @throws Failure when the repository is that of another dataset, or has images of another signer
 */
export function assertOurs(
  uri: string,
  claim: Uint8Array,
  manifest: Manifest,
  { credentials, mayRemove }: { readonly credentials: ContentCredentials | null; readonly mayRemove: boolean },
): void {
  const parsed = parseStored(claim, signed);
  const there = typeof parsed === 'string' ? null : (parsed.value.contentCredentials ?? null);
  if (!claimOf(manifest, there).equals(claim))
    throw new Failure('OutputTaken', `${uri} holds another dataset (${CLAIM}); choose another repository`);
  if (!there || mayRemove || (there.certificate === credentials?.certificate && there.chain === credentials.chain))
    return;
  const given = !credentials
    ? 'no --certificate is given'
    : credentials.certificate === there.certificate
      ? '--certificate holds another chain after it'
      : `--certificate is ${credentials.certificate.slice(0, 12)}`;
  throw new UsageError(
    `the images in ${uri} are signed by the certificate with the SHA-256 ${there.certificate.slice(0, 12)} (${CLAIM}), and ${given}; ` +
      'give the same --certificate and its --key, or push once with --no-credentials, which removes the signatures',
  );
}
