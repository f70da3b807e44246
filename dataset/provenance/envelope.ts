import { createHash, type KeyObject, verify } from 'node:crypto';
import { canonicalFile, canonicalJson } from '../../contract/digest.ts';
import { type Envelope, envelopeSchema, type Statement } from '../../contract/schema/provenance.ts';
import type { Signer } from '../../platform/signing-key.ts';
import { parseStored } from '../stored.ts';

/** DSSE envelopes with one Ed25519 signature. Equal statements signed by one key have equal bytes. */

const PAYLOAD_TYPE = 'application/vnd.in-toto+json' satisfies Envelope['payloadType'];

/** The id of a public key: the SHA-256 of its DER form (SubjectPublicKeyInfo). */
export const keyIdOf = (publicKey: KeyObject): string =>
  createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');

/** The bytes that are signed: DSSE's pre-authentication encoding. */
function preAuthEncoding(payload: Uint8Array): Uint8Array {
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `),
    Buffer.from(payload),
  ]);
}

const isSignature = (message: Uint8Array, publicKey: KeyObject, signature: Uint8Array): boolean =>
  verify(null, message, publicKey, signature);

/** Signs a statement. Null when what the signer returns is not a signature of the signer's key. */
export async function sealStatement(statement: Statement, signer: Signer): Promise<Uint8Array | null> {
  const payload = Buffer.from(canonicalJson(statement));
  const message = preAuthEncoding(payload);
  const signature = await signer.sign(message);
  if (!isSignature(message, signer.publicKey, signature)) return null;
  return render({
    payload: payload.toString('base64'),
    payloadType: PAYLOAD_TYPE,
    signatures: [{ keyid: keyIdOf(signer.publicKey), sig: Buffer.from(signature).toString('base64') }],
  });
}

const render = (envelope: Envelope): Buffer => canonicalFile(envelope);

/** The payload of an envelope that this key signed, or what is wrong. Other bytes of the same meaning are wrong, too. */
export function openEnvelope(bytes: Uint8Array, publicKey: KeyObject): { payload: Uint8Array } | string {
  const parsed = parseStored(bytes, envelopeSchema);
  if (typeof parsed === 'string') return parsed;
  const { payload, signatures } = parsed.value;
  const content = Buffer.from(payload, 'base64');
  const signature = Buffer.from(signatures[0].sig, 'base64');
  const rendered = render({
    ...parsed.value,
    payload: content.toString('base64'),
    signatures: [{ keyid: keyIdOf(publicKey), sig: signature.toString('base64') }],
  });
  if (!rendered.equals(bytes)) return 'was changed after it was signed';
  if (!isSignature(preAuthEncoding(content), publicKey, signature))
    return 'has a signature that this key did not make: it, or what it signs, was changed';
  return { payload: content };
}
