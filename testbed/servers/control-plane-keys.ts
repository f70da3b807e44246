import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Access } from './control-plane-client.ts';

/** Keys and certificates of an API server and its clients, and the kubeconfigs that use them. */

export interface Keys {
  /** Folder in which the API server writes its own certificate. */
  readonly certificates: string;
  /** Certificate and key of that folder; the certificate is its own authority. */
  readonly certificate: string;
  readonly certificateKey: string;
  /** Token of the administrator. */
  readonly token: string;
  readonly tokens: string;
  /** Private and public key of service account tokens. */
  readonly signing: string;
  readonly verifying: string;
}

export async function writeKeys(folder: string): Promise<Keys> {
  const certificates = join(folder, 'certificates');
  const keys: Keys = {
    certificates,
    certificate: join(certificates, 'apiserver.crt'),
    certificateKey: join(certificates, 'apiserver.key'),
    token: randomBytes(20).toString('hex'),
    tokens: join(folder, 'tokens.csv'),
    signing: join(folder, 'service-accounts.key'),
    verifying: join(folder, 'service-accounts.pub'),
  };
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await mkdir(keys.certificates);
  await writeFile(keys.signing, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  await writeFile(keys.verifying, pair.publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(keys.tokens, `${keys.token},admin,admin,system:masters\n`, { mode: 0o600 });
  return keys;
}

/** The API server signs its own certificate, and writes it down before it listens. */
export async function accessOf(keys: Keys, port: number): Promise<Access> {
  return { url: `https://127.0.0.1:${port}`, ca: await readFile(keys.certificate, 'utf8'), token: keys.token };
}

/** Writes a file for KUBECONFIG; returns its path. */
export async function writeKubeconfig(path: string, { url, ca, token }: Access): Promise<string> {
  const name = 'test';
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: 'default' } }],
    'current-context': name,
  };
  await writeFile(path, JSON.stringify(config), { mode: 0o600 });
  return path;
}
