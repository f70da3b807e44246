import type { KeyObject } from 'node:crypto';
import { UsageError } from '../../contract/failure.ts';
import { CONTENT_TYPES, objects } from '../../contract/names.ts';
import type { Signer } from '../../platform/signing-key.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import type { OpenStore } from '../verify/parent.ts';
import { type Fault, type Verification, verify } from '../verify/verify.ts';
import { keyIdOf, openEnvelope, sealStatement } from './envelope.ts';
import { statementFault, statementOf } from './statement.ts';

/**
 * Signing a published dataset, and checking a signature. A key signs once, under its own name: what is signed is only what
 * verifies, and the envelope is one object, written whole. So signing may be killed anywhere and run again.
 */

export interface Signing {
  readonly verification: Verification;
  /** The envelope's key in the store; null where faults kept the dataset from being signed. */
  readonly object: string | null;
  readonly written: boolean;
}

/** Verifies a dataset and signs it. @throws UsageError when the signer's signature is not one of its key */
export async function signDataset(
  store: ObjectStore,
  signer: Signer,
  onShard?: (done: number, all: number) => void,
  open?: OpenStore,
): Promise<Signing> {
  const verification = await verify(store, onShard, open);
  const { manifest, digests, faults } = verification;
  if (!manifest || !digests || faults.length > 0) return { verification, object: null, written: false };
  const envelope = await sealStatement(statementOf(manifest, digests), signer);
  if (!envelope)
    throw new UsageError('the signature is not one of the public key; sign with the private key that belongs to it');
  const object = objects.signature(keyIdOf(signer.publicKey));
  const there = await store.get(object);
  const written = !there || !Buffer.from(there).equals(envelope);
  // An envelope that is there and differs is of an earlier publication, or damaged.
  if (written) await store.replace(object, envelope, { contentType: CONTENT_TYPES.json });
  return { verification, object, written };
}

/** The fault of this key's signature over what was verified; null when it is sound. */
export async function signatureFault(
  store: ObjectStore,
  { manifest, digests }: Verification,
  publicKey: KeyObject,
): Promise<Fault | null> {
  const object = objects.signature(keyIdOf(publicKey));
  const fault = (message: string): Fault => ({ object, message });
  const bytes = await store.get(object);
  if (!bytes) return fault(await describeMissing(store));
  const opened = openEnvelope(bytes, publicKey);
  if (typeof opened === 'string') return fault(opened);
  if (!manifest || !digests) return fault(`signs a dataset whose ${objects.manifest} cannot be read`);
  const message = statementFault(opened.payload, statementOf(manifest, digests));
  return message === null ? null : fault(message);
}

const SHOWN = 3;

async function describeMissing(store: ObjectStore): Promise<string> {
  const keys: string[] = [];
  for await (const { key } of store.list(objects.signatures)) {
    if (keys.length === SHOWN) break;
    keys.push(key.slice(objects.signatures.length).replace(/\.json$/, ''));
  }
  return keys.length === 0
    ? 'is missing: the dataset is not signed'
    : `is missing: the dataset is signed, but not by this key (by ${keys.join(', ')})`;
}
