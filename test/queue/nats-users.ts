import { createHash } from 'node:crypto';
import { nkeys } from '@nats-io/transport-node';

/** A NATS server's users, as `nsc` would make them: an operator, an account with JetStream, and credentials files. */

type KeyPair = ReturnType<typeof nkeys.createUser>;

export interface NatsUsers {
  /** For the server. */
  readonly config: string;
  /** Credentials file of a user that the server knows. */
  readonly known: string;
  /** Credentials of a user that it does not know. */
  readonly unknown: string;
}

export function makeUsers(): NatsUsers {
  const [operator, account, system] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()];
  const operatorToken = signed(operator, operator, { type: 'operator', system_account: system.getPublicKey() });
  const accounts = [
    `${account.getPublicKey()}: "${accountToken(operator, account, JETSTREAM)}"`,
    `${system.getPublicKey()}: "${accountToken(operator, system, {})}"`,
  ];
  return {
    config: `
      operator: "${operatorToken}"
      system_account: ${system.getPublicKey()}
      resolver: MEMORY
      resolver_preload: { ${accounts.join(', ')} }`,
    known: credentialsOf(account),
    unknown: credentialsOf(nkeys.createAccount()),
  };
}

const UNLIMITED = { subs: -1, data: -1, payload: -1 };

const JETSTREAM = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };

function accountToken(operator: KeyPair, account: KeyPair, more: Readonly<Record<string, number>>): string {
  const limits = { ...UNLIMITED, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1, ...more };
  return signed(operator, account, { type: 'account', limits, default_permissions: {} });
}

function credentialsOf(account: KeyPair): string {
  const user = nkeys.createUser();
  const token = signed(account, user, { type: 'user', ...UNLIMITED, pub: {}, sub: {} });
  const block = (name: string, text: string): string => `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n`;
  return `${block('NATS USER JWT', token)}\n${block('USER NKEY SEED', Buffer.from(user.getSeed()).toString())}`;
}

/** A JWT of NATS' own kind. */
function signed(signer: KeyPair, subject: KeyPair, nats: Readonly<Record<string, unknown>>): string {
  const [iss, sub] = [signer.getPublicKey(), subject.getPublicKey()];
  const claims = { iat: Math.floor(Date.now() / 1000), iss, sub, name: 'test', nats: { version: 2, ...nats } };
  const jti = createHash('sha512-256').update(JSON.stringify(claims)).digest('base64url');
  const parts = [
    { typ: 'JWT', alg: 'ed25519-nkey' },
    { ...claims, jti },
  ];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${text}.${Buffer.from(signer.sign(Buffer.from(text))).toString('base64url')}`;
}
