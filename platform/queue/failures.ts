import { JetStreamApiError } from '@nats-io/jetstream';
import { Failure } from '../../contract/failure.ts';
import { redact } from '../redact.ts';
import { QueueError, type QueueErrorKind } from './errors.ts';

/** Errors of the NATS client, what they mean to a user, and what to do about them. */

interface Meaning {
  readonly kind: QueueErrorKind;
  readonly says: string;
  readonly fix: string;
}

const REACH = 'check that NATS runs, its URL, and that it can be reached from here';

/** By the name of the client's error class; names, not classes, since the client does not export all of them. */
const BY_NAME: Readonly<Record<string, Meaning>> = {
  AuthorizationError: {
    kind: 'terminal',
    says: 'the credentials are refused',
    fix: 'give the file of a user that this server knows',
  },
  UserAuthenticationExpiredError: {
    kind: 'terminal',
    says: 'the credentials have expired',
    fix: 'renew the credentials file',
  },
  PermissionViolationError: {
    kind: 'terminal',
    says: 'the user may not do this',
    fix: 'let it publish to $JS.API.>, $JS.ACK.> and cohortfarm.>, and subscribe to cohortfarm.> and _INBOX.>',
  },
  TimeoutError: { kind: 'retryable', says: 'the server does not answer in time', fix: REACH },
  JetStreamNotEnabled: {
    kind: 'retryable',
    says: 'no server answers there',
    fix: 'start NATS with JetStream (--jetstream); a stream that is missing is made by the operator',
  },
  StreamNotFoundError: {
    kind: 'retryable',
    says: 'the stream is not there',
    fix: 'the operator makes it; check that it runs',
  },
  ConsumerNotFoundError: {
    kind: 'retryable',
    says: 'the consumer is not there',
    fix: 'the operator makes it; check that it runs',
  },
};

const UNREACHABLE: Meaning = { kind: 'retryable', says: 'it cannot be reached', fix: REACH };
const NO_ROOM: Meaning = {
  kind: 'retryable',
  says: 'JetStream has no room left',
  fix: 'give NATS more storage or remove old datasets',
};

/** JetStream's codes for limits of the account, the server or the disk. */
const ROOM_CODES: readonly number[] = [10002, 10023, 10028, 10047, 10077];

function meaningOf(error: Error): Meaning | undefined {
  if (error instanceof JetStreamApiError && ROOM_CODES.includes(error.code)) return NO_ROOM;
  const known = BY_NAME[error.name];
  if (known) return known;
  if (error instanceof JetStreamApiError) return undefined;
  if (/max_payload/.test(error.message)) {
    return {
      kind: 'terminal',
      says: 'the message is too large for it',
      fix: 'raise max_payload of NATS, or use fewer cells',
    };
  }
  return UNREACHABLE;
}

/** A QueueError that says what was tried at which server, what happened, and the fix. */
export function wrapQueueError(error: unknown, action: string, url: string): QueueError {
  if (error instanceof QueueError) return error;
  if (error instanceof Failure && !error.retryable) {
    return new QueueError('terminal', error.message, { reason: error.reason, cause: error });
  }
  const found = error instanceof Error ? error : new Error(String(error));
  const meaning = meaningOf(found);
  const text = redact(found.message);
  const cause = Object.assign(new Error(text), { name: found.name });
  if (!meaning) return new QueueError('terminal', `cannot ${action} at ${url}: ${text}`, { cause });
  return new QueueError(meaning.kind, `cannot ${action} at ${url}: ${meaning.says} (${text}): ${meaning.fix}`, {
    cause,
  });
}

/** True when a stream or a consumer is missing. */
export const isMissing = (error: unknown): boolean =>
  error instanceof Error && /^(Stream|Consumer)NotFoundError$/.test(error.name);

/** True when a message has no receiver: JetStream is off, or no stream has that subject. */
export const isNobody = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === 'JetStreamNotEnabled' || error.name === 'NoRespondersError' || /no responders/i.test(error.message));
