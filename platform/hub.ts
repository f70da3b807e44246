import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HubApiError } from '@huggingface/hub';
import { Failure, UsageError } from '../contract/failure.ts';
import type { ReasonName } from '../contract/reasons.ts';
import { redact } from './redact.ts';

/** A dataset repository of the Hugging Face Hub. The library takes a while to load, so it is loaded at the first call. */

export interface HubFile {
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 of a file in LFS; null for one in git itself. */
  readonly sha256: string | null;
  /** Id of the file's git blob. */
  readonly gitId: string;
}

export interface HubChange {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface HubState {
  /** Access of readers: free, by agreement to the terms, or by the decision of a person. */
  readonly gated: false | 'auto' | 'manual';
  readonly isPrivate: boolean;
}

export interface HubSettings {
  /** Readers ask for access, and a person decides. */
  readonly gated?: 'manual';
  readonly visibility?: 'public';
}

export interface HubRepository {
  /** Such as hf://datasets/ORG/NAME. */
  readonly uri: string;
  /** The revision that is read; null for the newest. */
  readonly revision: string | null;
  /** Whether there is a token. */
  readonly mayWrite: boolean;
  /** ORG/NAME. */
  readonly name: string;
  /** The address of its page. */
  readonly page: string;
  /** Null when there is no such repository, or none that the token may see. */
  state(): Promise<HubState | null>;
  /** Makes it, private. */
  create(): Promise<void>;
  /** Changes who may read, in one step. */
  set(settings: HubSettings): Promise<void>;
  /** All files, by their paths. */
  files(): Promise<Map<string, HubFile>>;
  /** One commit: all changes or none. Content that the server has already is not sent again. */
  commit(title: string, changes: readonly HubChange[], removed: readonly string[]): Promise<void>;
  /** The content of a file, checked against its digest. */
  read(file: HubFile): Promise<Uint8Array>;
}

export interface HubOptions {
  /** An access token; without one only public repositories can be read. */
  readonly token?: string;
  /** Address of the Hub. */
  readonly endpoint?: string;
}

export const HUB = 'https://huggingface.co';
const FORM = 'hf://datasets/ORG/NAME';
const PART = '[A-Za-z0-9][A-Za-z0-9._-]{0,95}';
const URI = new RegExp(`^hf://datasets/(${PART}/${PART})(?:@([A-Za-z0-9._/-]{1,250}))?/?$`);

/** Whether a file has this content, by the digest that the Hub keeps of it. */
export function hasContent({ bytes, sha256, gitId }: HubFile, content: Uint8Array): boolean {
  if (bytes !== content.length) return false;
  if (sha256 !== null) return createHash('sha256').update(content).digest('hex') === sha256;
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex') === gitId;
}

/**
 * Names a repository; nothing is contacted yet.
 * @param uri with `@REVISION` at its end only for reading
 * @throws UsageError for a URI of another form, or what cannot be a token
 */
export function openHub(uri: string, { token, endpoint = HUB }: HubOptions): HubRepository {
  const [, name, revision] = URI.exec(uri) ?? [];
  if (name === undefined)
    throw new UsageError(`${JSON.stringify(redact(uri))} is not a dataset of the Hub; write ${FORM}`);
  if (token !== undefined && !/^hf_[\x21-\x7e]+$/.test(token))
    throw new UsageError(
      'the token of the Hub does not begin with hf_; make one at https://huggingface.co/settings/tokens',
    );
  const hubUrl = endpoint.replace(/\/+$/, '');
  const repo = { type: 'dataset', name } as const;
  const common = { hubUrl, fetch: retryingFetch, ...(token !== undefined && { accessToken: token }) };
  const rev = revision === undefined ? {} : { revision };
  const page = `${hubUrl}/datasets/${name}`;
  const calls = { uri: `hf://datasets/${name}`, hubUrl, token, page };
  return {
    uri: calls.uri,
    revision: revision ?? null,
    mayWrite: token !== undefined,
    name,
    page,
    state: () =>
      wrapped(calls, 'cannot be read', async ({ datasetInfo }) => {
        const { gated, private: isPrivate } = await datasetInfo({ name, ...common, ...rev });
        return { gated, isPrivate };
      }).catch((error: unknown) => {
        if (error instanceof Failure && error.reason === 'InputNotFound') return null;
        throw error;
      }),
    create: () =>
      wrapped(calls, 'cannot be created', async ({ createRepo }) => {
        if (token === undefined) throw missingToken();
        await createRepo({ repo, visibility: 'private', ...common, accessToken: token });
      }),
    set: (settings) =>
      wrapped(calls, 'cannot be set up', async ({ HubApiError }) => {
        const response = await retryingFetch(`${hubUrl}/api/datasets/${name}/settings`, {
          method: 'PUT',
          headers: {
            'Content-Type': 'application/json',
            ...(token !== undefined && { Authorization: `Bearer ${token}` }),
          },
          body: JSON.stringify(settings),
        });
        if (response.ok) return;
        const { status, statusText } = response;
        throw new HubApiError(page, status, undefined, statusText);
      }),
    files: () =>
      wrapped(calls, 'cannot be listed', async ({ listFiles }) => {
        const found = new Map<string, HubFile>();
        for await (const { type, path, size, oid, lfs } of listFiles({ repo, recursive: true, ...common, ...rev }))
          if (type === 'file')
            found.set(path, { path, bytes: lfs?.size ?? size, sha256: lfs?.oid ?? null, gitId: oid ?? '' });
        return found;
      }),
    commit: (title, changes, removed) =>
      wrapped(calls, 'cannot be written', async ({ commit }) => {
        if (token === undefined) throw missingToken();
        const added = changes.map(({ path, bytes }) => ({
          operation: 'addOrUpdate' as const,
          path,
          content: new Blob([bytes as Uint8Array<ArrayBuffer>]),
        }));
        const gone = removed.map((path) => ({ operation: 'delete' as const, path }));
        // Plain LFS uploads: what arrived is known by its SHA-256, which is all that a later push compares.
        await commit({ title, repo, operations: [...added, ...gone], useXet: false, ...common });
      }),
    read: (file) =>
      wrapped(calls, `cannot be read (${file.path})`, async ({ downloadFile }) => {
        const blob = await downloadFile({ repo, path: file.path, xet: false, ...common, ...rev });
        if (!blob) throw new Failure('InputNotFound', `${calls.uri}/${file.path} is missing; run the command again`);
        // Before a byte of it is read: another file may be there by now, of any size.
        const content = blob.size === file.bytes ? new Uint8Array(await blob.arrayBuffer()) : null;
        if (content && hasContent(file, content)) return content;
        throw new Failure(
          'DatasetDamaged',
          `${calls.uri}/${file.path} is not what the Hub lists by its digest; try again`,
          {
            retryable: true,
          },
        );
      }),
  };
}

export const missingToken = (): UsageError =>
  new UsageError('no token of the Hub is given; set HF_TOKEN, or name a file that holds it with --token-file');

interface Calls {
  readonly uri: string;
  readonly hubUrl: string;
  readonly token: string | undefined;
  readonly page: string;
}

/** Runs a call of the library, and turns what it throws into a Failure without secrets. */
async function wrapped<T>(
  { uri, hubUrl, token, page }: Calls,
  problem: string,
  call: (library: typeof import('@huggingface/hub')) => Promise<T>,
): Promise<T> {
  const library = await import('@huggingface/hub');
  try {
    return await call(library);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const status = error instanceof library.HubApiError ? (error as HubApiError).statusCode : null;
    const { reason, fix } = meaningOf(status, page);
    throw new Failure(reason, redact(`${uri} ${problem}: ${describeCause(error)}, from ${hubUrl}${fix}`, [token]));
  }
}

function meaningOf(status: number | null, page: string): { reason: ReasonName; fix: string } {
  if (status === 401 || status === 403)
    return {
      reason: 'CredentialsRejected',
      fix: `; check the token: it needs the right to write there, or to read a private dataset; if the dataset is gated, request access at ${page}`,
    };
  if (status === 404) return { reason: 'InputNotFound', fix: '; correct the name, or set HF_TOKEN if it is private' };
  if (status === null || status === 408 || status === 429 || status >= 500)
    return { reason: 'StoreUnavailable', fix: '; run the command again to resume' };
  return { reason: 'StoreRefused', fix: '' };
}

/** One line: what the Hub answered, or why it was not reached. */
function describeCause(error: unknown): string {
  const { message, cause } = error as Error & { cause?: { code?: string; message?: string } };
  const reason = cause?.code ?? cause?.message;
  return `${message}${reason === undefined ? '' : ` (${reason})`}`.replace(/\s+/g, ' ').slice(0, 500);
}

const ATTEMPTS = 5;
/** Seconds to wait at most, whatever the server asks for: the command can be run again. */
const LONGEST = 30;

/** `fetch` that repeats a request after a lost connection, throttling or a fault of the server. */
const retryingFetch: typeof fetch = async (input, init) => {
  for (let attempt = 1; ; attempt++) {
    const last = attempt === ATTEMPTS;
    const answer = await fetch(input, init).catch((error: Error) => {
      // Without a cause nothing was sent: the address is wrong.
      if (last || init?.signal?.aborted || error.cause === undefined) throw error;
      return null;
    });
    if (answer !== null && (last || !(answer.status === 429 || answer.status >= 500))) return answer;
    await answer?.body?.cancel();
    const asked = Number(answer?.headers.get('Retry-After') ?? Number.NaN);
    await sleep(1000 * Math.min(LONGEST, Number.isFinite(asked) ? asked : 2 ** (attempt - 2)));
  }
};
