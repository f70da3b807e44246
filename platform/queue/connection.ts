import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Authenticator,
  connect,
  credsAuthenticator,
  type NatsConnection,
  tokenAuthenticator,
} from '@nats-io/transport-node';
import { QueueError } from './errors.ts';
import { wrapQueueError } from './failures.ts';
import type { QueueOptions } from './types.ts';

/** A connection to NATS that is made again for as long as it is wanted. */

const RETRY_MS = 500;
const MAX_RETRY_MS = 2000;
/** A server that says nothing for so long, twice, is taken for gone. */
const PING_MS = 10_000;

export class ReconnectingConnection {
  /** For messages. */
  readonly url: string;
  readonly #options: QueueOptions;
  #connection: NatsConnection | null = null;
  #problem: QueueError | null;
  #closed = false;
  #changed = Promise.withResolvers<void>();
  readonly #ended: Promise<void>;

  /** @throws QueueError (terminal) for a URL that is none, or that holds a password */
  constructor(options: QueueOptions) {
    this.url = checkedUrl(options.url);
    this.#options = options;
    this.#problem = new QueueError('retryable', `NATS at ${this.url} has not been reached yet`);
    this.#ended = this.#keep();
  }

  get connected(): boolean {
    return this.#problem === null;
  }

  get problem(): string | null {
    return this.#problem?.message ?? null;
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * The live connection.
   * @throws QueueError: retryable when there is none within so many milliseconds, terminal at once when it was refused
   */
  async connection(patience: number): Promise<NatsConnection> {
    const deadline = Date.now() + patience;
    for (;;) {
      if (this.#closed) throw this.#problem ?? new QueueError('retryable', 'the connection was closed here');
      if (this.#problem === null && this.#connection) return this.#connection;
      const left = deadline - Date.now();
      if (this.#problem && (left <= 0 || !this.#problem.retryable)) throw this.#problem;
      await Promise.race([this.#changed.promise, sleep(Math.min(left, 1000), undefined, { ref: true })]);
    }
  }

  /** Resolves at the next change between connected and not. */
  changed(): Promise<void> {
    return this.#changed.promise;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#connection?.close().catch(() => {});
    this.#set(new QueueError('retryable', `the connection to NATS at ${this.url} was closed here`));
    await this.#ended;
  }

  #set(problem: QueueError | null): void {
    this.#problem = problem;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** The client itself comes back from lost connections; this connects when there was none yet, or the client gave up. */
  async #keep(): Promise<void> {
    for (let wait = RETRY_MS; !this.#closed; wait = Math.min(MAX_RETRY_MS, wait * 2)) {
      try {
        this.#connection = await connect(clientOptions(this.url, this.#options));
        wait = RETRY_MS;
        if (this.#closed) {
          await this.#connection.close(); // Its status would never end.
          return;
        }
        this.#set(null);
        await this.#follow(this.#connection);
        if (!this.#closed) this.#set(this.#lost());
      } catch (error) {
        this.#set(this.#refused(error));
      }
      if (!this.#closed) await Promise.race([sleep(wait), this.#changed.promise]);
    }
  }

  #lost(): QueueError {
    return new QueueError('retryable', `the connection to NATS at ${this.url} was lost; check that NATS runs`);
  }

  /** A token may be refused because the API server cannot check it now: no reason to fail for good. */
  #refused(error: unknown): QueueError {
    const { token } = this.#options;
    if (token === undefined || (error as Error).name !== 'AuthorizationError') {
      return wrapQueueError(error, 'connect to NATS', this.url);
    }
    const fix = 'see the log of the container "authenticator" beside NATS';
    return new QueueError('retryable', `NATS at ${this.url} refuses the token in ${token}: ${fix}`);
  }

  async #follow(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') this.#set(this.#lost());
      else if (status.type === 'reconnect') this.#set(null);
      else if (status.type === 'error' && this.#problem !== null) {
        this.#set(this.#refused(status.error));
      }
    }
  }
}

function checkedUrl(text: string): string {
  const servers = text.split(',').map((server) => server.trim());
  for (const server of servers) {
    const url = URL.canParse(server) ? new URL(server) : undefined;
    if (!url || !/^(nats|tls):$/.test(url.protocol) || url.hostname === '') {
      throw new QueueError('terminal', 'the URL of NATS must look like nats://host:4222 (or tls://)');
    }
    if (url.username !== '' || url.password !== '') {
      throw new QueueError('terminal', 'the URL of NATS must hold no password: use a credentials file');
    }
  }
  return servers.join(',');
}

function clientOptions(
  url: string,
  { credentials, token, name, inboxPrefix }: QueueOptions,
): Parameters<typeof connect>[0] {
  return {
    servers: url.split(','),
    maxReconnectAttempts: -1,
    reconnectTimeWait: RETRY_MS,
    reconnectJitter: RETRY_MS,
    ignoreAuthErrorAbort: true,
    timeout: 5000,
    pingInterval: PING_MS,
    maxPingOut: 2,
    ...(name !== undefined && { name }),
    ...(url.includes('tls://') && { tls: {} }),
    ...(inboxPrefix !== undefined && { inboxPrefix }),
    ...authenticatorOf(url, credentials, token),
  };
}

function authenticatorOf(url: string, credentials?: string, token?: string): { authenticator?: Authenticator } {
  if (credentials !== undefined) return { authenticator: credsAuthenticator(fileReader(credentials, url)) };
  if (token === undefined) return {};
  const read = fileReader(token, url);
  return { authenticator: tokenAuthenticator(() => Buffer.from(read()).toString().trim()) };
}

/** Reads the file at each connection, so that a renewed one is used; while it cannot be read the last one counts. */
function fileReader(path: string, url: string): () => Uint8Array {
  let last: Uint8Array;
  const read = (): Uint8Array => {
    try {
      last = readFileSync(path);
    } catch (cause) {
      if (!last) {
        const code = (cause as NodeJS.ErrnoException).code;
        throw new QueueError('terminal', `the credentials file ${path} for NATS at ${url} cannot be read (${code})`);
      }
    }
    return last;
  };
  read();
  return read;
}
