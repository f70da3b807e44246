import { spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, type KeyObject, sign, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { UsageError } from '../contract/failure.ts';

/** Ed25519 keys and their certificates, from a PEM file or a variable (`env:NAME`), as a Secret gives them to a pod; messages never repeat them. */

/** A key that signs: a private key here, or a service that holds one. */
export interface Signer {
  readonly publicKey: KeyObject;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

export async function readPrivateKey(option: string, source: string): Promise<Signer> {
  const key = parseKey(option, source, 'private', createPrivateKey, await readPem(option, source));
  return { publicKey: createPublicKey(key), sign: async (message) => sign(null, message, key) };
}

export async function readPublicKey(option: string, source: string): Promise<KeyObject> {
  return parseKey(option, source, 'public', createPublicKey, await readPem(option, source));
}

/** A certificate with an Ed25519 key, and those that lead from it to an authority, in this order. */
export async function readCertificates(
  option: string,
  source: string,
): Promise<readonly [X509Certificate, ...X509Certificate[]]> {
  const pem = await readPem(option, source, 'certificates');
  const refuse = (what: string, cause?: unknown): never => {
    throw new UsageError(
      `${option}: ${source} ${what}; it must hold certificates in PEM, first that of the Ed25519 key, then its issuers in order`,
      { cause },
    );
  };
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  let chain: X509Certificate[] = [];
  try {
    chain = blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    refuse('holds a damaged certificate', cause);
  }
  const [first, ...issuers] = chain;
  if (!first) return refuse('holds no certificate');
  const type = first.publicKey.asymmetricKeyType;
  if (type !== 'ed25519') refuse(`begins with a certificate of a key of type ${type}`);
  const stranger = issuers.findIndex((issuer, i) => !chain[i]!.verify(issuer.publicKey));
  if (stranger >= 0) refuse(`has a certificate (number ${stranger + 1}) that the next one did not issue`);
  return [first, ...issuers];
}

/**
 * A key in another's hands: the command gets the message on its standard input and prints the signature in base64.
 * @throws UsageError, when it signs, if the command fails or prints anything else
 */
export function commandKey(option: string, command: string, publicKey: KeyObject): Signer {
  return {
    publicKey,
    async sign(message) {
      const { status, signal, stdout, error } = spawnSync('sh', ['-c', command], {
        input: message,
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      // A command that ends without reading the message is judged by how it ended and what it printed.
      const fault = error && (error as NodeJS.ErrnoException).code !== 'EPIPE' ? error.message : null;
      if (fault !== null || status !== 0)
        throw new UsageError(`${option}: the command failed (${fault ?? signal ?? `exit code ${status}`})`);
      const text = stdout.toString().trim();
      if (!/^[A-Za-z0-9+/]{86}==$/.test(text))
        throw new UsageError(
          `${option}: the command printed ${text.length} characters that are not an Ed25519 signature in base64 (88 characters)`,
        );
      return Buffer.from(text, 'base64');
    },
  };
}

async function readPem(option: string, source: string, what = 'a key'): Promise<string> {
  const variable = /^env:(.*)$/s.exec(source)?.[1];
  if (variable === undefined)
    return readFile(source, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new UsageError(`${option}: ${source} cannot be read (${cause.code}); give a PEM file or env:NAME`, {
        cause,
      });
    });
  const value = process.env[variable];
  if (!value) throw new UsageError(`${option}: the variable ${variable} is not set; it must hold ${what} in PEM`);
  return value;
}

const MAKE_KEY = {
  private: 'openssl genpkey -algorithm ed25519 -out key.pem',
  public: 'openssl pkey -in key.pem -pubout -out key.pub',
} as const;

function parseKey(
  option: string,
  source: string,
  kind: 'private' | 'public',
  parse: (pem: string) => KeyObject,
  pem: string,
): KeyObject {
  const refuse = (what: string, cause?: unknown): never => {
    throw new UsageError(
      `${option}: ${source} ${what}; it must be an Ed25519 ${kind} key in PEM, as "${MAKE_KEY[kind]}" makes it`,
      { cause },
    );
  };
  if (/^-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(pem)) refuse('is encrypted');
  let key: KeyObject;
  try {
    key = parse(pem);
  } catch (cause) {
    return refuse(`holds no ${kind} key`, cause);
  }
  return key.asymmetricKeyType === 'ed25519' ? key : refuse(`is a key of type ${key.asymmetricKeyType}`);
}
