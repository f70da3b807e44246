import { Algorithms, decode, encodeAuthorizationResponse, encodeUser } from '@nats-io/jwt';
import { connect, type Msg, nkeys } from '@nats-io/transport-node';
import type { QueueSubjects } from '../../contract/cluster.ts';
import type { Logger } from '../log.ts';

/** The authentication of NATS clients by their tokens (NATS' auth callout): the server asks here who a client is. */

/** Keys that the server and the program that answers it share; made at each start of the server. */
export interface CalloutKeys {
  /** Signs answers; the server knows the public key. */
  readonly seed: string;
  /** The one user that the server knows by itself, and that answers. */
  readonly password: string;
}

/** A client as it is let in. */
export interface Admitted {
  /** For the server's log. */
  readonly name: string;
  readonly subjects: QueueSubjects;
}

export interface CalloutOptions {
  readonly url: string;
  readonly keys: CalloutKeys;
  readonly log: Logger;
  /** Who presents this token, or why it is refused. */
  readonly admit: (token: string) => Promise<Admitted | string>;
}

const USER = 'authenticator';
const SUBJECT = '$SYS.REQ.USER.AUTH';
/** The account of servers that are not configured with any. */
const ACCOUNT = '$G';

export function makeCalloutKeys(): CalloutKeys {
  const [account, password] = [nkeys.createAccount(), nkeys.createUser()];
  return { seed: Buffer.from(account.getSeed()).toString(), password: password.getPublicKey() };
}

/** Makes a server ask before it admits a client (part of its configuration); checking a token takes a call to the API server. */
export const calloutConfig = ({ seed, password }: CalloutKeys): string => `authorization {
  timeout: 10
  users: [{ user: "${USER}", password: "${password}" }]
  auth_callout { issuer: "${pairOf(seed).getPublicKey()}", auth_users: ["${USER}"] }
}
`;

const pairOf = (seed: string) => nkeys.fromSeed(Buffer.from(seed));

/** Answers the server until it is closed. Rejects when the server cannot be reached at first. */
export async function answerCallouts({ url, keys, log, admit }: CalloutOptions): Promise<{ close(): Promise<void> }> {
  const connection = await connect({
    servers: url,
    user: USER,
    pass: keys.password,
    name: USER,
    maxReconnectAttempts: -1,
    waitOnFirstConnect: true,
    ignoreAuthErrorAbort: true,
  });
  const answer = async (message: Msg): Promise<void> => {
    const request = requestOf(message.string());
    const found = await admit(request.token);
    if (typeof found === 'string') log.warn({ client: request.client }, `refused: ${found}`);
    else log.info({ client: request.client }, `admitted: ${found.name}`);
    message.respond(await responseOf(keys, request, found));
  };
  connection.subscribe(SUBJECT, {
    callback: (error, message) => {
      if (error) log.error(error.message);
      // A client without an answer is refused in the end, and comes back.
      else answer(message).catch((cause: Error) => log.error(`a client could not be checked: ${cause.message}`));
    },
  });
  return { close: () => connection.close() };
}

interface CalloutRequest {
  readonly server: string;
  /** For which this one connection is answered. */
  readonly userKey: string;
  readonly token: string;
  /** The name that the client gives itself. */
  readonly client: string;
}

interface RequestClaims {
  readonly server_id: { readonly id: string };
  readonly user_nkey: string;
  readonly connect_opts?: { readonly auth_token?: string; readonly name?: string };
}

/** Reads what the server sends; only the server can send to that subject. */
function requestOf(text: string): CalloutRequest {
  const { server_id: server, user_nkey: userKey, connect_opts: options } = decode(text).nats as RequestClaims;
  return { server: server.id, userKey, token: options?.auth_token ?? '', client: options?.name ?? '' };
}

async function responseOf(
  { seed }: CalloutKeys,
  { server, userKey }: CalloutRequest,
  found: Admitted | string,
): Promise<string> {
  const issuer = pairOf(seed);
  const claims = typeof found === 'string' ? { error: found } : { jwt: await userOf(issuer, userKey, found) };
  return encodeAuthorizationResponse(userKey, server, issuer, claims, {});
}

function userOf(issuer: ReturnType<typeof pairOf>, userKey: string, { name, subjects }: Admitted): Promise<string> {
  const permissions = { pub: permissionOf(subjects.publish), sub: permissionOf(subjects.subscribe) };
  return encodeUser(name, userKey, issuer, permissions, { aud: ACCOUNT, algorithm: Algorithms.v2 });
}

/** Only these subjects. The server reads an empty list of allowed ones as no limit at all. */
const permissionOf = (allow: readonly string[]) => ({ allow: [...allow], deny: allow.length === 0 ? ['>'] : [] });
