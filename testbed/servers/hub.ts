import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A server on the loopback address that speaks the API of the Hugging Face Hub for dataset repositories, as its JavaScript
 * and Python libraries call it. It keeps in memory what it is sent, checks every LFS object against its SHA-256, and commits
 * nothing that refers to an object that never arrived.
 */
export interface HubServer {
  readonly url: string;
  /** The one token that may write, and read what is private. */
  readonly token: string;
  readonly env: Readonly<Record<string, string>>;
  /** Requests in order: `METHOD path`. */
  readonly requests: readonly string[];
  /** SHA-256 of LFS objects that arrived, once for each upload. */
  readonly uploads: readonly string[];
  repository(name: string): HubRepositoryState | undefined;
  /** Called before each request is served; throwing answers 500. */
  intercept: ((request: IncomingMessage) => Promise<void> | void) | null;
  stop(): Promise<void>;
}

interface StoredFile {
  readonly content: Buffer;
  readonly isLfs: boolean;
}

export interface HubRepositoryState {
  isPrivate: boolean;
  gated: false | string;
  /** From the first on. */
  readonly commits: { readonly id: string; readonly title: string; readonly files: ReadonlyMap<string, StoredFile> }[];
}

/** Content from this size on is sent in parts of it. */
const PART = 64 * 1024;
/** Entries of a page of a listing. */
const PAGE = 20;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const sha1 = (...parts: (Uint8Array | string)[]): string => {
  const hash = createHash('sha1');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};
const pointerOf = (content: Buffer): Buffer =>
  Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(content)}\nsize ${content.length}\n`);
const gitId = ({ content, isLfs }: StoredFile): string => {
  const blob = isLfs ? pointerOf(content) : content;
  return sha1(`blob ${blob.length}\0`, blob);
};

class Answer extends Error {
  readonly status: number;
  readonly code: string | undefined;
  constructor(status: number, message: string, code?: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export async function startHubServer(): Promise<HubServer> {
  const token = `hf_${randomBytes(16).toString('hex')}`;
  const state: State = { token, repositories: new Map(), objects: new Map(), parts: new Map(), uploads: [], url: '' };
  const requests: string[] = [];
  const hub = { intercept: null as HubServer['intercept'] };
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    serve(state, hub, request, response).catch((error: unknown) => {
      const { status, message, code } = error instanceof Answer ? error : new Answer(500, String(error));
      if (response.headersSent) return response.destroy();
      response.writeHead(status, { 'Content-Type': 'application/json', ...(code && { 'X-Error-Code': code }) });
      response.end(JSON.stringify({ error: message }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(hub, {
    url: state.url,
    token,
    env: { HF_ENDPOINT: state.url, HF_TOKEN: token },
    requests,
    uploads: state.uploads,
    repository: (name: string) => state.repositories.get(name),
    stop: () => stop(server),
  });
}

function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

interface State {
  readonly token: string;
  readonly repositories: Map<string, HubRepositoryState>;
  readonly objects: Map<string, Buffer>;
  readonly parts: Map<string, Map<number, Buffer>>;
  readonly uploads: string[];
  url: string;
}

interface Call {
  readonly state: State;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly match: readonly string[];
  readonly body: Buffer;
}

const REPO = '([^/]+/[^/]+)';
const ROUTES: readonly (readonly [string, RegExp, (call: Call) => void | Promise<void>])[] = [
  ['POST', /^\/api\/repos\/create$/, createRepository],
  ['PUT', new RegExp(`^/api/datasets/${REPO}/settings$`), changeSettings],
  ['POST', new RegExp(`^/api/datasets/${REPO}/preupload/([^/]+)$`), preupload],
  ['POST', new RegExp(`^/api/datasets/${REPO}/commit/([^/]+)$`), commit],
  ['POST', new RegExp(`^/api/datasets/${REPO}/paths-info/([^/]+)$`), pathsInfo],
  ['GET', new RegExp(`^/api/datasets/${REPO}/tree/([^/]+)(?:/(.*))?$`), tree],
  ['GET', new RegExp(`^/api/datasets/${REPO}(?:/revision/([^/]+))?$`), info],
  ['POST', new RegExp(`^/datasets/${REPO}\\.git/info/lfs/objects/batch$`), lfsBatch],
  ['PUT', /^\/lfs\/([0-9a-f]{64})$/, lfsPut],
  ['PUT', /^\/lfs\/([0-9a-f]{64})\/parts\/(\d+)$/, lfsPutPart],
  ['POST', /^\/lfs\/([0-9a-f]{64})\/complete$/, lfsComplete],
  ['GET', new RegExp(`^/datasets/${REPO}/resolve/([^/]+)/(.+)$`), resolveFile],
  ['HEAD', new RegExp(`^/datasets/${REPO}/resolve/([^/]+)/(.+)$`), resolveFile],
];

async function serve(
  state: State,
  { intercept }: Pick<HubServer, 'intercept'>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  await intercept?.(request);
  const url = new URL(request.url!, state.url);
  for (const [method, path, handle] of ROUTES) {
    const match = method === request.method && path.exec(url.pathname);
    if (!match) continue;
    const parts = match.slice(1).map((part) => decodeURIComponent(part ?? ''));
    return handle({ state, request, response, url, match: parts, body: Buffer.concat(chunks) });
  }
  throw new Answer(404, `no such page: ${request.method} ${url.pathname}`);
}

const json = ({ response }: Call, value: unknown, headers: Record<string, string> = {}): void => {
  response.writeHead(200, { 'Content-Type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
};

const mayWrite = ({ state, request }: Call): boolean => request.headers.authorization === `Bearer ${state.token}`;

function requireWriter(call: Call): void {
  if (!call.request.headers.authorization) throw new Answer(401, 'Invalid username or password.');
  if (!mayWrite(call)) throw new Answer(403, 'Forbidden: you must use a write token to upload to a repository.');
}

/** A repository that the caller may see: what is hidden looks as if it was not there. */
function repositoryOf(call: Call): HubRepositoryState {
  const found = call.state.repositories.get(call.match[0]!);
  if (!found || (found.isPrivate && !mayWrite(call)))
    throw new Answer(call.request.headers.authorization ? 404 : 401, 'Repository not found', 'RepoNotFound');
  return found;
}

function filesAt(repository: HubRepositoryState, revision: string) {
  const { commits } = repository;
  const found = ['main', 'HEAD', 'refs/heads/main', ''].includes(revision)
    ? commits.at(-1)
    : commits.find(({ id }) => id === revision);
  if (!found) throw new Answer(404, `Invalid rev id: ${revision}`, 'RevisionNotFound');
  return found;
}

function createRepository(call: Call): void {
  requireWriter(call);
  const { name, organization, visibility, type } = JSON.parse(call.body.toString());
  if (type !== 'dataset') throw new Answer(400, 'only datasets here');
  const id = `${organization}/${name}`;
  if (call.state.repositories.has(id)) throw new Answer(409, 'You already created this dataset repo');
  const repository: HubRepositoryState = { isPrivate: visibility === 'private', gated: false, commits: [] };
  const attributes = { content: Buffer.from('*.tar filter=lfs diff=lfs merge=lfs -text\n'), isLfs: false };
  addCommit(repository, 'initial commit', new Map([['.gitattributes', attributes]]));
  call.state.repositories.set(id, repository);
  json(call, { url: `${call.state.url}/datasets/${id}`, id });
}

function addCommit({ commits }: HubRepositoryState, title: string, files: ReadonlyMap<string, StoredFile>): string {
  const listing = [...files].map(([path, file]) => `${path} ${gitId(file)}`).join('\n');
  const id = sha1(`${commits.length}\n${title}\n${listing}`);
  commits.push({ id, title, files });
  return id;
}

function changeSettings(call: Call): void {
  requireWriter(call);
  const repository = repositoryOf(call);
  const { gated, visibility } = JSON.parse(call.body.toString());
  const isPrivate = visibility === undefined ? repository.isPrivate : visibility === 'private';
  if (gated && isPrivate) throw new Answer(400, 'A private repository cannot be gated');
  repository.isPrivate = isPrivate;
  if (gated !== undefined) repository.gated = gated;
  json(call, { private: isPrivate, gated: repository.gated });
}

/** As the Hub: by the ending, and large or binary content goes to LFS. */
function preupload(call: Call): void {
  requireWriter(call);
  repositoryOf(call);
  const { files } = JSON.parse(call.body.toString()) as { files: { path: string; size: number; sample: string }[] };
  const modeOf = ({ path, size, sample }: (typeof files)[number]): string =>
    /\.(tar|parquet|npy)$/.test(path) || size > 10 * 2 ** 20 || Buffer.from(sample, 'base64').includes(0)
      ? 'lfs'
      : 'regular';
  json(call, { files: files.map((file) => ({ path: file.path, uploadMode: modeOf(file) })) });
}

function lfsBatch(call: Call): void {
  requireWriter(call);
  repositoryOf(call);
  const { objects, transfers } = JSON.parse(call.body.toString()) as {
    objects: { oid: string; size: number }[];
    transfers: string[];
  };
  const { url } = call.state;
  const action = ({ oid, size }: { oid: string; size: number }) => {
    if (call.state.objects.has(oid)) return { oid, size };
    if (size <= PART || !transfers.includes('multipart'))
      return { oid, size, actions: { upload: { href: `${url}/lfs/${oid}` } } };
    const count = Math.ceil(size / PART);
    const parts = Array.from({ length: count }, (_, i) => [
      String(i + 1).padStart(5, '0'),
      `${url}/lfs/${oid}/parts/${i + 1}`,
    ]);
    const header = { ...Object.fromEntries(parts), chunk_size: String(PART) };
    return { oid, size, actions: { upload: { href: `${url}/lfs/${oid}/complete`, header } } };
  };
  json(call, { transfer: 'basic', objects: objects.map(action) });
}

/** Upload addresses need no token: on the Hub they are signed. */
function lfsPut(call: Call): void {
  store(call.state, call.match[0]!, call.body);
  call.response.writeHead(200).end();
}

function store({ objects, uploads }: State, oid: string, content: Buffer): void {
  if (sha256(content) !== oid) throw new Answer(400, `the content is not that of ${oid}`);
  objects.set(oid, content);
  uploads.push(oid);
}

function lfsPutPart(call: Call): void {
  const [oid, number] = call.match as [string, string];
  const parts = call.state.parts.get(oid) ?? new Map<number, Buffer>();
  parts.set(Number(number), call.body);
  call.state.parts.set(oid, parts);
  call.response.writeHead(200, { ETag: `"${sha1(call.body)}"` }).end();
}

function lfsComplete(call: Call): void {
  const [oid] = call.match as [string];
  const { parts } = JSON.parse(call.body.toString()) as { parts: { partNumber: number; etag: string }[] };
  const stored = call.state.parts.get(oid) ?? new Map<number, Buffer>();
  const pieces = parts.map(({ partNumber, etag }) => {
    const piece = stored.get(partNumber);
    if (!piece || etag !== `"${sha1(piece)}"`) throw new Answer(400, `part ${partNumber} of ${oid} is missing`);
    return piece;
  });
  store(call.state, oid, Buffer.concat(pieces));
  call.state.parts.delete(oid);
  json(call, {});
}

function commit(call: Call): void {
  requireWriter(call);
  const repository = repositoryOf(call);
  if (!call.request.headers['content-type']?.startsWith('application/x-ndjson')) throw new Answer(415, 'send ndjson');
  const lines = call.body.toString().split('\n').filter(Boolean);
  const files = new Map(repository.commits.at(-1)!.files);
  let title = '';
  for (const { key, value } of lines.map((line) => JSON.parse(line))) {
    if (key === 'header') title = value.summary;
    else if (key === 'file')
      files.set(value.path, { content: Buffer.from(value.content, value.encoding ?? 'utf8'), isLfs: false });
    else if (key === 'deletedFile') files.delete(value.path);
    else if (key === 'lfsFile') {
      const content = call.state.objects.get(value.oid);
      if (content?.length !== value.size)
        throw new Answer(400, `LFS object ${value.oid} of ${value.path} was not sent`);
      files.set(value.path, { content: content!, isLfs: true });
    } else throw new Answer(400, `unknown operation ${key}`);
  }
  const oid = addCommit(repository, title, files);
  json(call, { success: true, commitOid: oid, commitUrl: `${call.state.url}/commit/${oid}`, hookOutput: '' });
}

function entryOf(path: string, file: StoredFile) {
  const { content, isLfs } = file;
  const lfs = isLfs && { lfs: { oid: sha256(content), size: content.length, pointerSize: pointerOf(content).length } };
  return { type: 'file', path, size: content.length, oid: gitId(file), ...lfs };
}

/** Files and folders below a folder. */
function entries(files: ReadonlyMap<string, StoredFile>, folder: string, isRecursive: boolean) {
  const prefix = folder === '' ? '' : `${folder}/`;
  const found = new Map<string, object>();
  for (const [path, file] of files) {
    if (!path.startsWith(prefix)) continue;
    const parts = path.slice(prefix.length).split('/');
    for (let i = 1; i < (isRecursive ? parts.length : Math.min(2, parts.length)); i++) {
      const directory = prefix + parts.slice(0, i).join('/');
      found.set(directory, { type: 'directory', path: directory, oid: sha1(directory), size: 0 });
    }
    if (isRecursive || parts.length === 1) found.set(path, entryOf(path, file));
  }
  return [...found.values()];
}

function tree(call: Call): void {
  const [, revision, folder = ''] = call.match as [string, string, string];
  const { files, id } = filesAt(repositoryOf(call), revision);
  const all = entries(files, folder, call.url.searchParams.get('recursive')?.toLowerCase() === 'true');
  if (folder !== '' && all.length === 0) throw new Answer(404, `${folder} does not exist`, 'EntryNotFound');
  const from = Number(call.url.searchParams.get('cursor') ?? 0);
  const next = new URL(call.url);
  next.searchParams.set('cursor', String(from + PAGE));
  const more = from + PAGE < all.length ? { Link: `<${next}>; rel="next"` } : undefined;
  json(call, all.slice(from, from + PAGE), { 'X-Repo-Commit': id, ...more });
}

function pathsInfo(call: Call): void {
  const { files } = filesAt(repositoryOf(call), call.match[1]!);
  const form = new URLSearchParams(call.body.toString());
  const isJson = call.request.headers['content-type']?.includes('json');
  const paths: string[] = isJson ? [JSON.parse(call.body.toString()).paths].flat() : form.getAll('paths');
  const found = paths.flatMap((path) => {
    const file = files.get(path);
    if (file) return [entryOf(path, file)];
    const isFolder = [...files.keys()].some((key) => key.startsWith(`${path}/`));
    return isFolder ? [{ type: 'directory', path, oid: sha1(path), size: 0 }] : [];
  });
  json(call, found);
}

function info(call: Call): void {
  const repository = repositoryOf(call);
  const { id, files } = filesAt(repository, call.match[1] ?? '');
  const [name] = call.match as [string];
  json(call, {
    _id: sha1(name).slice(0, 24),
    id: name,
    author: name.split('/')[0],
    sha: id,
    lastModified: '2026-01-01T00:00:00.000Z',
    private: repository.isPrivate,
    gated: repository.gated,
    disabled: false,
    downloads: 0,
    likes: 0,
    tags: [],
    siblings: [...files.keys()].map((rfilename) => ({ rfilename })),
  });
}

function resolveFile(call: Call): void {
  const [, revision, path] = call.match as [string, string, string];
  const repository = repositoryOf(call);
  // The writer has access; no one else is granted it here.
  if (repository.gated && !mayWrite(call))
    throw new Answer(
      call.request.headers.authorization ? 403 : 401,
      `Access to dataset ${call.match[0]} is restricted and you are not in the authorized list.`,
      'GatedRepo',
    );
  const { files, id } = filesAt(repository, revision);
  const file = files.get(path);
  if (!file) throw new Answer(404, `${path} does not exist`, 'EntryNotFound');
  const { content, isLfs } = file;
  const etag = isLfs ? sha256(content) : gitId(file);
  const headers = { ETag: `"${etag}"`, 'X-Repo-Commit': id, 'Accept-Ranges': 'bytes' };
  const linked = isLfs && { 'X-Linked-ETag': `"${etag}"`, 'X-Linked-Size': String(content.length) };
  const range = /^bytes=(\d+)-(\d*)$/.exec(call.request.headers.range ?? '');
  const start = range ? Number(range[1]) : 0;
  const end = range?.[2] ? Math.min(content.length, Number(range[2]) + 1) : content.length;
  const span = range && { 'Content-Range': `bytes ${start}-${end - 1}/${content.length}` };
  const part = content.subarray(start, end);
  call.response.writeHead(range ? 206 : 200, { ...headers, ...linked, ...span, 'Content-Length': String(part.length) });
  call.response.end(call.request.method === 'HEAD' ? undefined : part);
}
