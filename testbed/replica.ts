import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { REPO } from '../test/support/cli.ts';

/** A replica of the operator as a process of its own, as a pod would run it. */
export interface Replica {
  readonly process: ChildProcess;
  /** Its log lines so far. */
  readonly log: () => readonly LogLine[];
  /** Resolves once it serves /healthz. */
  readonly port: Promise<number>;
  /** Status and body. */
  get(path: string): Promise<[number, string]>;
  /** Sends the signal and waits for the end; returns the exit code, or the signal. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string>;
  /** Resolves with the exit code, or the signal, whenever it ends. */
  readonly ended: Promise<number | string>;
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface ReplicaOptions {
  readonly kubeconfig: string;
  readonly natsUrl: string;
  readonly name: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Flags with which a pod of the chart runs Node. */
function installedFlags(): string[] {
  const objects = parseAllDocuments(readFileSync(join(REPO, 'manifests/base/cohortfarm.yaml'), 'utf8'));
  const deployment = objects.map((one) => one.toJS()).find(({ kind }) => kind === 'Deployment');
  const [, ...command] = deployment.spec.template.spec.containers[0].command as string[];
  return command.slice(0, -1);
}

/** It does not outlive this process, however that ends. */
export function startReplica({ kubeconfig, natsUrl, name, env = {} }: ReplicaOptions): Replica {
  const command = [process.execPath, ...installedFlags(), join(REPO, 'operator/main.ts')];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: '/nonexistent',
      KUBECONFIG: kubeconfig,
      COHORTFARM_NATS_URL: natsUrl,
      COHORTFARM_WORKER_IMAGE: 'cohortfarm:test',
      COHORTFARM_TRAINER_IMAGE: 'cohortfarm-trainer:test',
      COHORTFARM_POD_NAME: name,
      COHORTFARM_HTTP_HOST: '127.0.0.1',
      COHORTFARM_HTTP_PORT: '0',
      COHORTFARM_LOG_LEVEL: 'debug',
      ...env,
    },
  });
  const lines: LogLine[] = [];
  const port = Promise.withResolvers<number>();
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
  ended.then(() => port.reject(new Error(`${name} ended: ${lines.map(({ msg }) => msg).join('\n')}`)));
  port.promise.catch(() => undefined);
  let rest = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    for (const part of parts) {
      const line = parsed(part);
      lines.push(line);
      if (line.msg === 'standing by') port.resolve(line.port as number);
    }
  });
  return {
    process: child,
    log: () => lines,
    port: port.promise,
    get: async (path) => {
      const answer = await fetch(`http://127.0.0.1:${await port.promise}${path}`);
      return [answer.status, await answer.text()];
    },
    end: async (signal) => {
      child.kill(signal);
      return ended;
    },
    ended,
  };
}

const parsed = (text: string): LogLine => {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { level: 'raw', msg: text };
  }
};

/** Waits for what takes a while. */
export async function until<T>(
  what: string,
  look: () => Promise<T | null | undefined | false>,
  ms = 20_000,
): Promise<T> {
  for (const deadline = Date.now() + ms; Date.now() < deadline; await sleep(50)) {
    const found = await look();
    if (found) return found;
  }
  throw new Error(`within ${ms} ms it did not happen that ${what}`);
}
