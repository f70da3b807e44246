import { type Logger, pino } from 'pino';
import { redact } from './redact.ts';

export type { Logger } from 'pino';

export interface LoggerOptions {
  /** Which program speaks, such as "worker". */
  name: string;
  /** 'info' by default. */
  level?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
}

/** One line of the log on its way out; stderr by default. */
export type LogSink = { write(line: string): void };

/**
 * A logger that writes one JSON object a line to stderr, so that stdout stays a program's answer. Lines are written at once:
 * what was logged before a crash is there. Secrets are removed by field name and, in the finished line, by shape.
 */
export function createLogger({ name, level = 'info' }: LoggerOptions, sink?: LogSink): Logger {
  const options = {
    name,
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: secretPaths(), censor: '[redacted]' },
    hooks: { streamWrite: (line: string) => redact(line) },
  };
  return pino(options, sink ?? pino.destination({ fd: 2, sync: true }));
}

/** Fields that hold secrets, at the top and one level down, in the spellings of the AWS client and of Kubernetes Secrets. */
function secretPaths(): string[] {
  const fields = [
    'credentials',
    'accessKeyId',
    'secretAccessKey',
    'sessionToken',
    'authorization',
    'password',
    'token',
  ];
  return fields.flatMap((field) => [field, `*.${field}`]);
}
