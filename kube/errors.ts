import { redact } from '../platform/redact.ts';

/**
 * What a failed call means.
 * `noSuchKind`: the API server does not know the kind (its definition is not installed); `conflict`: another writer was faster;
 * `gone`: a resource version or a page that it no longer keeps; `unavailable`: no answer, or "not now".
 */
export type KubeErrorKind =
  | 'notFound'
  | 'noSuchKind'
  | 'conflict'
  | 'invalid'
  | 'forbidden'
  | 'unauthorized'
  | 'gone'
  | 'unavailable';

interface Details {
  /** The API server's word, such as `AlreadyExists`, or the network's, such as `ECONNREFUSED`. */
  readonly reason: string;
  readonly message: string;
  readonly retryAfterSeconds?: number | undefined;
  readonly fields?: readonly string[] | undefined;
  readonly causes?: readonly string[] | undefined;
  readonly cause?: unknown;
}

/** Every failure of a call. The message says what was called and what the API server answered; it holds no headers. */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly kind: KubeErrorKind;
  readonly reason: string;
  /** Pause that the API server asks for. */
  readonly retryAfterSeconds: number | undefined;
  /** Fields that the API server finds fault with. */
  readonly fields: readonly string[];
  /** The API server's words for the causes, such as `NamespaceTerminating`. */
  readonly causes: readonly string[];

  constructor(kind: KubeErrorKind, details: Details) {
    super(details.message, 'cause' in details ? { cause: details.cause } : undefined);
    this.kind = kind;
    this.reason = details.reason;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.fields = details.fields ?? [];
    this.causes = details.causes ?? [];
  }
}

export const isKubeError = (error: unknown, ...kinds: readonly KubeErrorKind[]): error is KubeError =>
  error instanceof KubeError && (kinds.length === 0 || kinds.includes(error.kind));

/** True when the same call may well succeed a moment later, without anybody's help. */
export const isTransient = (error: unknown): boolean => isKubeError(error, 'unavailable', 'conflict', 'gone');

/** True when nothing can be made in the namespace any more, since it is being deleted. */
export const isNamespaceGoing = (error: unknown): boolean =>
  isKubeError(error, 'forbidden') && error.causes.includes('NamespaceTerminating');

/** An HTTP answer that is not a success. */
export interface Refusal {
  readonly code: number;
  /** The body: a Status in JSON, or plain text from a proxy in between. */
  readonly text: string;
  readonly retryAfter?: string | undefined;
}

/** The parts of a Status that say why. */
interface Status {
  readonly reason?: string;
  readonly message?: string;
  readonly code?: number;
  readonly details?: {
    readonly name?: string;
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly reason?: string; readonly field?: string }[];
  };
}

/** Longest text of an answer that goes into a message. */
const MAX_TEXT = 600;

/** @param action what was tried, such as `apply Job default/a` */
export function refusalError(action: string, { code, text, retryAfter }: Refusal): KubeError {
  const status = statusOf(text);
  const reason = status.reason || `HTTP${code}`;
  return new KubeError(kindOfCode(code, status), {
    reason,
    message: `cannot ${action}: ${brief(status.message ?? text)} (${code} ${reason})`,
    retryAfterSeconds: status.details?.retryAfterSeconds ?? secondsOf(retryAfter),
    fields: status.details?.causes?.flatMap(({ field }) => field ?? []),
    causes: status.details?.causes?.flatMap(({ reason }) => reason ?? []),
  });
}

/** For an ERROR event of a watch, whose object is a Status. */
export function statusError(action: string, status: unknown): KubeError {
  const code = (status as Status | null)?.code ?? 500;
  return refusalError(action, { code, text: JSON.stringify(status) });
}

/** For a call without an answer; any other error than ours comes from the network or its time limit. */
export function networkError(action: string, cause: unknown): KubeError {
  if (cause instanceof KubeError) return cause;
  const error: NodeJS.ErrnoException = cause instanceof Error ? cause : new Error(String(cause));
  const { name, code, message } = error;
  const reason = name === 'TimeoutError' ? 'Timeout' : (code ?? name);
  return new KubeError('unavailable', { reason, message: `cannot ${action}: ${brief(message)} (${reason})`, cause });
}

function kindOfCode(code: number, status: Status): KubeErrorKind {
  // A Status names the object that is missing; a path that is not served is answered in plain text.
  if (code === 404) return status.details?.name === undefined ? 'noSuchKind' : 'notFound';
  if (code === 409) return 'conflict';
  if (code === 410) return 'gone';
  if (code === 401) return 'unauthorized';
  if (code === 403) return 'forbidden';
  if (code === 408 || code === 429 || code >= 500) return 'unavailable';
  return 'invalid';
}

function statusOf(text: string): Status {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Status) : {};
  } catch {
    return {};
  }
}

/** One line. Of a long text the beginning and the end: some answers show the whole object before they say why. */
function brief(text: string): string {
  const line = redact(text).replace(/\s+/g, ' ').trim() || 'no reason given';
  if (line.length <= MAX_TEXT) return line;
  const half = MAX_TEXT / 2 - 2;
  return `${line.slice(0, half)} … ${line.slice(-half)}`;
}

/** Retry-After in its form of seconds; API servers send no dates. */
function secondsOf(retryAfter: string | undefined): number | undefined {
  return retryAfter !== undefined && /^\d+$/.test(retryAfter) ? Number(retryAfter) : undefined;
}
