import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WHERE } from '../../browse/wire.ts';
import { describeError, isRetryable, UsageError } from '../../contract/failure.ts';
import type { PlannedQuality } from '../../contract/plan/identity.ts';
import { followSource, openSource } from '../../dataset/read/open.ts';
import type { Where } from '../../dataset/read/select.ts';
import type { Source } from '../../dataset/read/source.ts';
import type { Reference } from '../../dataset/reference.ts';
import { installedFile } from '../../platform/files.ts';
import { redact } from '../../platform/redact.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { type Answer, BadRequestError, json, NotFoundError, problem, send } from './answer.ts';
import { datasetView } from './dataset-view.ts';
import { createGallery } from './gallery.ts';
import { admit, newToken } from './guard.ts';
import { createLikeness } from './likeness.ts';
import { createRejectedImages } from './rejected.ts';
import { readTraining } from './training.ts';

/** The server of `cohortfarm browse`: read-only, for anyone who knows the URL. */

export interface BrowseOptions {
  readonly store: ObjectStore;
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly replayCommand: (key: string) => string;
  /** Real images to compare with. */
  readonly reference?: Reference | null;
}

export interface BrowseServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Opens the dataset and serves it. @throws Failure when there is none, or the system's error when the port is taken */
export async function startBrowseServer(options: BrowseOptions): Promise<BrowseServer> {
  const { store, host, port } = options;
  const first = await openSource(store, Date.now);
  assertSameEncoder(first, options.reference ?? null);
  const source = followSource(store, first, Date.now);
  const routes = routesOf(options, source);
  const token = newToken();
  const server = createServer(async (request, response) => {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const admission = admit(request, token, host);
    const answer =
      'status' in admission
        ? problem(admission.status, admission.error)
        : await answerTo(routes, admission.path, admission.query, gone.signal);
    send(response, answer, { isHead: request.method === 'HEAD' });
  });
  server.listen(port, host);
  await once(server, 'listening');
  const { port: actual } = server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  return { url: `http://${name}:${actual}/${token}/`, close: () => closeServer(server) };
}

/** @throws UsageError when distances between the two would mean nothing */
function assertSameEncoder({ wanted }: Source, reference: Reference | null): void {
  const encoder = wanted.plan ? (wanted.plan.quality as PlannedQuality | undefined)?.encoder : wanted.encoder;
  const isUnknown = encoder === undefined && !wanted.plan && wanted.dataset.spec.quality.encoder !== undefined;
  if (!reference || isUnknown || encoder === reference.description.encoder.sha256) return;
  throw new UsageError(
    `--reference: it was made with encoder ${reference.description.encoder.sha256}, the dataset with ${encoder ?? 'none'}; make it again with the encoder of the dataset`,
  );
}

async function closeServer(server: Server): Promise<void> {
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
}

/** @param gone aborted once the page has closed the request */
type Route = (query: URLSearchParams, gone: AbortSignal) => Promise<Answer> | Answer;

/** Every path below the token. */
function routesOf(
  { store, replayCommand, reference = null }: BrowseOptions,
  source: () => Promise<Source>,
): ReadonlyMap<string, Route> {
  const rejected = createRejectedImages(store, source);
  const gallery = createGallery({ store, source, replayCommand, keptOf: rejected.keptOf });
  const likeness = createLikeness({ store, source, recordOf: gallery.recordOf, reference });
  gallery.warm();
  return new Map<string, Route>([
    ['/', asset('index.html', 'text/html; charset=utf-8')],
    ['/page.js', asset('page.js', 'text/javascript; charset=utf-8')],
    ['/page.css', asset('page.css', 'text/css; charset=utf-8')],
    ['/icon.svg', asset('icon.svg', 'image/svg+xml')],
    [
      '/api/dataset',
      async () => {
        const [dataset, stages] = await Promise.all([source(), readTraining(store)]);
        return json(await datasetView(dataset, { uri: store.uri, training: stages }));
      },
    ],
    ['/api/samples', async (query) => json(await gallery.page(whereOf(query, await source()), pageOf(query)))],
    ['/api/sample', async (query) => json(await gallery.detail(query.get('key') ?? ''))],
    ['/api/near', async (query, gone) => json(await likeness.near(query.get('key') ?? '', gone))],
    ['/api/map', async (query, gone) => json(await likeness.map(whereOf(query, await source()), gone))],
    ['/api/suspicious', async (query, gone) => json(await likeness.suspicious(whereOf(query, await source()), gone))],
    ['/api/rejected', async (query) => json(await rejected.page(whereOf(query, await source()), afterOf(query)))],
    ['/api/rejected/one', async (query) => json(await rejected.one(query.get('id') ?? ''))],
    ['/thumbnail', async (query) => jpeg(await gallery.thumbnail(query.get('key') ?? ''))],
    ['/image', async (query) => image(await gallery.image(query.get('key') ?? ''))],
    ['/rejected/thumbnail', async (query) => jpeg(await rejected.thumbnail(query.get('id') ?? ''))],
    ['/rejected/image', async (query) => image(await rejected.image(query.get('id') ?? ''))],
  ]);
}

/** A file of the built page; read once, at the start. */
function asset(name: string, type: string): Route {
  const body = readFileSync(installedFile(`browse/dist/${name}`));
  return () => ({ status: 200, type, body });
}

const jpeg = (body: Uint8Array): Answer => ({ status: 200, type: 'image/jpeg', body, lasts: true });

const image = ({ image: body, format }: { image: Uint8Array; format: 'jpeg' | 'png' }): Answer => ({
  status: 200,
  type: `image/${format}`,
  body,
  lasts: true,
});

function whereOf(query: URLSearchParams, { wanted }: Source): Where {
  const where = [...query].flatMap(([name, value]) =>
    name.startsWith(WHERE) ? [[name.slice(WHERE.length), value]] : [],
  );
  const axes = wanted.cells[0]?.axes ?? {};
  const unknown = where.find(([axis]) => !Object.hasOwn(axes, axis!));
  if (unknown) throw new BadRequestError(`there is no axis ${JSON.stringify(unknown[0]!.slice(0, 40))}`);
  return Object.fromEntries(where);
}

const MAX_PAGE = 1e9;

function pageOf(query: URLSearchParams): number {
  const text = query.get('page') ?? '0';
  const page = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(page <= MAX_PAGE)) throw new BadRequestError('page must be a whole number from 0');
  return page;
}

function afterOf(query: URLSearchParams): string {
  const after = query.get('after') ?? '';
  if (!/^(\d{1,7}\/\d{1,7})?$/.test(after)) throw new BadRequestError('after must be CELL/PLACE');
  return after;
}

async function answerTo(
  routes: ReadonlyMap<string, Route>,
  path: string,
  query: URLSearchParams,
  gone: AbortSignal,
): Promise<Answer> {
  const route = routes.get(path);
  if (!route) return problem(404, 'there is nothing here');
  try {
    return await route(query, gone);
  } catch (error) {
    const status =
      error instanceof NotFoundError ? 404 : error instanceof BadRequestError ? 400 : isRetryable(error) ? 503 : 502;
    const text = status < 500 && error instanceof Error ? error.message : describeError(error);
    return problem(status, redact(text.split('\n')[0]!));
  }
}
