import { createPrivateKey, type KeyObject, sign, webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { CredentialSigner } from '../../platform/content-credentials.ts';

/** A certificate for content credentials and its authority, the same on every call: keys come from seeds, times are fixed. */

const ED25519 = { name: 'Ed25519' };
/** The beginning of an Ed25519 private key in PKCS #8; its 32 bytes follow. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const VALID = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2126-01-01T00:00:00Z') };

const derOf = (seed: number): Buffer => Buffer.concat([PKCS8, Buffer.alloc(32, seed)]);

const keyOf = (seed: number): KeyObject => createPrivateKey({ key: derOf(seed), format: 'der', type: 'pkcs8' });

/** The private key of `testSigner` in PEM. */
export const testKey = (seed = 1): string => keyOf(seed).export({ format: 'pem', type: 'pkcs8' }).toString();

async function keysOf(seed: number) {
  const [der, key] = [derOf(seed), keyOf(seed)];
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, ED25519, true, ['sign']);
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: key.export({ format: 'jwk' }).x! };
  const publicKey = await webcrypto.subtle.importKey('jwk', jwk, ED25519, true, ['verify']);
  // The library knows the types of browsers.
  return { key, pair: { privateKey, publicKey } as unknown as CryptoKeyPair };
}

/** Signs as `seed` does, with a certificate from an authority. */
export async function testSigner(seed = 1): Promise<CredentialSigner> {
  const authority = await keysOf(100);
  const own = await keysOf(seed);
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=Authority of tests',
    ...VALID,
    signingAlgorithm: ED25519,
    keys: authority.pair,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(authority.pair.publicKey),
    ],
  });
  const leaf = await x509.X509CertificateGenerator.create({
    serialNumber: `0${seed}`,
    subject: `O=Tests, CN=Signer ${seed}`,
    issuer: root.subject,
    ...VALID,
    signingAlgorithm: ED25519,
    publicKey: own.pair.publicKey,
    signingKey: authority.pair.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.emailProtection]),
      await x509.AuthorityKeyIdentifierExtension.create(authority.pair.publicKey),
    ],
  });
  return {
    chain: [leaf, root].map(({ rawData }) => new X509Certificate(Buffer.from(rawData))),
    sign: async (message) => sign(null, message, own.key),
  };
}
