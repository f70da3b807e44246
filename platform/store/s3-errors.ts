import { redact } from '../redact.ts';
import { StoreError } from './errors.ts';
import type { S3Options } from './s3-client.ts';
import { BUSY, DAMAGED, type Meaning, NETWORK_MEANINGS, NO_REGION, NOT_S3, S3_MEANINGS, TLS } from './s3-meanings.ts';

/** The call and its target, for the message. */
export interface S3Call {
  action: string;
  object: string;
  options: S3Options;
}

/** For an answer of status 200 that lacks what every S3 answer has, such as a web page. */
export function notS3Answer(): Error {
  return Object.assign(new Error('the answer has no S3 headers'), { name: 'NotS3Answer' });
}

/** True for an absent object, said by an S3 server: an absent bucket and a page that is not found are other errors. */
export function isNoSuchKey(error: unknown): boolean {
  return factsOf(error).name === 'NoSuchKey';
}

/** True for a refusal of HEAD, whose answers have no body to say why. */
export function isBareAnswer(error: unknown): boolean {
  return [301, 400, 403, 404].includes(factsOf(error).status ?? 0);
}

/** True for the answer to HEAD when the object, the bucket or the whole S3 server is missing. */
export function isBareNotFound(error: unknown): boolean {
  return factsOf(error).name === 'NotFound';
}

/** True when a conditional write found an object of that name. */
export function isPreconditionFailed(error: unknown): boolean {
  const { name, status } = factsOf(error);
  return name === 'PreconditionFailed' || status === 412;
}

/**
 * A StoreError that names the object, what happened and the fix. Its cause is a bare copy: the S3 client's own errors carry
 * the request, with signatures and tokens, in their fields.
 */
export function wrapS3Error(error: unknown, call: S3Call): StoreError {
  if (error instanceof StoreError) return error;
  const facts = factsOf(error);
  const meaning = meaningOf(facts);
  const { accessKeyId, secretAccessKey, sessionToken } = call.options.credentials ?? {};
  const clean = (text: string) => redact(text, [accessKeyId, secretAccessKey, sessionToken]);
  const cause = Object.assign(new Error(clean(facts.message)), { name: facts.name, status: facts.status });
  const place = call.options.endpoint === undefined ? '' : ` at ${call.options.endpoint}`;
  const label = [facts.status, facts.code || facts.name].filter(Boolean).join(' ');
  const message =
    meaning === undefined
      ? `cannot ${call.action} ${call.object}${place}: ${facts.message} (${label})`
      : `cannot ${call.action} ${call.object}${place}: ${meaning.says} (${label}): ${meaning.fix}`;
  const kind = meaning?.kind ?? 'terminal';
  const isDamaged = CHECKSUM.test(facts.message);
  return new StoreError(kind, clean(message), { cause, reason: meaning?.reason, isDamaged });
}

interface Facts {
  name: string;
  code: string;
  status: number | undefined;
  message: string;
}

function factsOf(error: unknown): Facts {
  if (!(error instanceof Error)) return { name: 'Error', code: '', status: undefined, message: String(error) };
  const { code, $metadata } = error as Error & { code?: unknown; $metadata?: { httpStatusCode?: number } };
  return {
    name: error.name,
    code: typeof code === 'string' ? code : '',
    status: $metadata?.httpStatusCode,
    message: error.message,
  };
}

/** As the S3 client says it of what it has received whole. */
const CHECKSUM = /checksum mismatch/i;

function meaningOf({ name, code, status = 0, message }: Facts): Meaning | undefined {
  const known = S3_MEANINGS[name] ?? NETWORK_MEANINGS[name] ?? NETWORK_MEANINGS[code];
  if (known !== undefined) return known;
  if (status === 501) return S3_MEANINGS.NotImplemented;
  if (status >= 500 || status === 408 || status === 429 || name === 'ConditionalRequestConflict') return BUSY;
  if (name === 'BrokenBodyError' || CHECKSUM.test(message)) return DAMAGED;
  if (/^(NotS3Answer|NotFound)$/.test(name) || /deserialization error/i.test(message)) return NOT_S3;
  if (status === 403) return S3_MEANINGS.AccessDenied;
  if (status === 301) return S3_MEANINGS.PermanentRedirect;
  if (message === 'Region is missing') return NO_REGION;
  if (/^(CERT_|ERR_SSL|ERR_TLS|EPROTO|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(code)) return TLS;
  return undefined;
}
