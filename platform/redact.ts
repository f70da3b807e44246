/** Replacement for a secret in a message. */
const REDACTED = '[redacted]';

/**
 * Shapes of secrets that S3 clients, URLs and HTTP headers carry. Each keeps its name and loses its value. None reaches over a
 * quote or a backslash, and a quoted name wants a quoted value, so that a line of JSON stays JSON.
 */
const SHAPES: readonly [RegExp, string][] = [
  [/\b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{12,}\b/g, REDACTED],
  [/(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s"'<>\\]+/gi, `$1${REDACTED}`],
  [named('x-amz-security-token|x-auth-token|authorization|cookie', '[^"\'\\\\\\r\\n]+'), `$1${REDACTED}`],
  [/\bAWS4-HMAC-SHA256\b[^"'\\\r\n<]*/g, REDACTED],
  [/\b(Signature=)[^&\s"'<>\\]+/g, `$1${REDACTED}`],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/g, `$1 ${REDACTED}`],
  [/(\/\/)[^/\s@"'<>\\]+@/g, `$1${REDACTED}@`],
  [
    named('secret_?access_?key|session_?token|access_?key_?id|password|client_?secret', '[^\\s"\',}&\\\\]+'),
    `$1${REDACTED}`,
  ],
];

/** Matches `name: value`, `name=value` and `"name": "value"`; its first group is all but the value. */
function named(names: string, value: string): RegExp {
  return new RegExp(`((?:${names})(?:["']\\s*[:=]\\s*["']|\\s*[:=]\\s*))${value}`, 'gi');
}

/** Environment variables that hold secrets which may be echoed anywhere. */
const SECRET_VARIABLES = ['AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_ACCESS_KEY_ID'];
/** Shorter values are too likely to be a part of ordinary text. */
const MIN_SECRET_LENGTH = 6;

/**
 * The text without secrets: the given values, those of the AWS environment variables, and whatever has the shape of a key,
 * a token, a signature or a password in a URL.
 */
export function redact(
  text: string,
  secrets: readonly (string | undefined)[] = [],
  env: NodeJS.ProcessEnv = process.env,
): string {
  let clean = text;
  for (const secret of [...secrets, ...SECRET_VARIABLES.map((name) => env[name])]) {
    if (secret === undefined || secret.length < MIN_SECRET_LENGTH) continue;
    clean = clean.replaceAll(secret, REDACTED).replaceAll(encodeURIComponent(secret), REDACTED);
  }
  for (const [shape, replacement] of SHAPES) clean = clean.replace(shape, replacement);
  return clean;
}
