import type { ReasonName } from '../../contract/reasons.ts';
import type { StoreErrorKind } from './errors.ts';

/** The meaning of an error code of S3 or of the network to a user, and what to do about it. */
export interface Meaning {
  kind: StoreErrorKind;
  /** The reason of the condition; absent where the server refuses or is unreachable. */
  reason?: ReasonName;
  says: string;
  fix: string;
}

const PERMISSION_FIX =
  'grant s3:GetObject, s3:PutObject, s3:DeleteObject on the prefix and s3:ListBucket on the bucket to these credentials';
const KEY_FIX = 'check the access key and the secret key, and that they belong to this endpoint';
const CLOCK_FIX = "set this machine's clock (for example with chrony or systemd-timesyncd)";
const RELOGIN_FIX = 'renew the credentials';

/** S3's own error codes and the client's error names. Expired credentials may be renewed while pods restart: retryable. */
export const S3_MEANINGS: Record<string, Meaning> = {
  NoSuchBucket: {
    kind: 'terminal',
    reason: 'BucketNotFound',
    says: 'the bucket does not exist',
    fix: 'create it, or correct its name or the endpoint',
  },
  InvalidBucketName: {
    kind: 'terminal',
    reason: 'BucketNotFound',
    says: 'the bucket name is not valid',
    fix: 'correct it',
  },
  AccessDenied: { kind: 'terminal', reason: 'CredentialsRejected', says: 'access is denied', fix: PERMISSION_FIX },
  AllAccessDisabled: { kind: 'terminal', reason: 'CredentialsRejected', says: 'access is denied', fix: PERMISSION_FIX },
  InvalidAccessKeyId: {
    kind: 'terminal',
    reason: 'CredentialsRejected',
    says: 'the access key is unknown',
    fix: KEY_FIX,
  },
  XAdminUserNotFound: {
    kind: 'terminal',
    reason: 'CredentialsRejected',
    says: 'the access key is unknown',
    fix: KEY_FIX,
  }, // versitygw's name for it
  SignatureDoesNotMatch: {
    kind: 'terminal',
    reason: 'CredentialsRejected',
    says: 'the secret key is wrong',
    fix: KEY_FIX,
  },
  InvalidToken: {
    kind: 'terminal',
    reason: 'CredentialsRejected',
    says: 'the session token is not valid',
    fix: RELOGIN_FIX,
  },
  ExpiredToken: {
    kind: 'retryable',
    reason: 'CredentialsRejected',
    says: 'the session token has expired',
    fix: RELOGIN_FIX,
  },
  ExpiredTokenException: {
    kind: 'retryable',
    reason: 'CredentialsRejected',
    says: 'the session token has expired',
    fix: RELOGIN_FIX,
  },
  RequestTimeTooSkewed: { kind: 'terminal', says: "this machine's clock is wrong", fix: CLOCK_FIX },
  RequestExpired: { kind: 'terminal', says: "this machine's clock is wrong", fix: CLOCK_FIX },
  PermanentRedirect: {
    kind: 'terminal',
    says: 'the bucket is in another region',
    fix: "set the region to the bucket's",
  },
  AuthorizationHeaderMalformed: {
    kind: 'terminal',
    says: 'the region is wrong',
    fix: "set the region to the bucket's",
  },
  IllegalLocationConstraintException: {
    kind: 'terminal',
    says: 'the region is wrong',
    fix: "set the region to the bucket's",
  },
  OperationAborted: { kind: 'retryable', says: 'another request changes the same object', fix: 'try again' },
  InvalidPart: { kind: 'retryable', says: 'the server has lost a part of the upload', fix: 'try again' },
  NoSuchUpload: { kind: 'retryable', says: 'the upload was ended by something else', fix: 'try again' },
  ConditionIgnored: {
    kind: 'terminal',
    says: 'the server ignores conditional writes',
    fix: 'use a server with conditional writes (If-None-Match), as AWS S3 has: without them two workers overwrite each other',
  },
  NotImplemented: {
    kind: 'terminal',
    says: 'the server does not support the request',
    fix: 'use a server with conditional writes (If-None-Match), as AWS S3 has',
  },
  CredentialsProviderError: {
    kind: 'terminal',
    reason: 'CredentialsMissing',
    says: 'no credentials were found',
    fix: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, a role or a credentials Secret',
  },
};

const ENDPOINT_FIX = 'check the endpoint, and that the server runs and can be reached from here';

/** Node's network error codes. All retryable: servers, DNS records and certificates appear while pods restart. */
export const NETWORK_MEANINGS: Record<string, Meaning> = Object.fromEntries(
  Object.entries({
    ECONNREFUSED: 'nothing listens at the endpoint',
    ENOTFOUND: "the endpoint's host name is not known",
    EAI_AGAIN: "the endpoint's host name cannot be looked up now",
    ECONNRESET: 'the connection was cut',
    EPIPE: 'the connection was cut',
    EHOSTUNREACH: 'the endpoint cannot be reached',
    ENETUNREACH: 'the network cannot be reached',
    ETIMEDOUT: 'the server does not answer in time',
    TimeoutError: 'the server does not answer in time',
    RequestTimeout: 'the server waited too long for the request',
  }).map(([code, says]) => [code, { kind: 'retryable', says, fix: ENDPOINT_FIX }]),
);

export const BUSY: Meaning = { kind: 'retryable', says: 'the server is busy or failing', fix: 'try again later' };
export const DAMAGED: Meaning = {
  kind: 'retryable',
  says: 'the bytes were cut off or damaged on the way',
  fix: 'try again; if it stays, check the network and proxies',
};
/** The server received other bytes than were sent. */
for (const code of ['BadDigest', 'XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch', 'IncompleteBody'])
  S3_MEANINGS[code] = DAMAGED;
export const TLS: Meaning = {
  kind: 'terminal',
  says: 'no trusted TLS connection can be made',
  fix: "use https:// only where the server speaks it, and add the server's CA with NODE_EXTRA_CA_CERTS",
};
export const NOT_S3: Meaning = {
  kind: 'terminal',
  says: 'what answers at the endpoint is not an S3 server',
  fix: 'set the endpoint to the S3 API, not to a console, a web page or a proxy log-in',
};
export const NO_REGION: Meaning = {
  kind: 'terminal',
  says: 'no region is set',
  fix: 'set the region or AWS_REGION',
};
