import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { QUEUE_AUDIENCE } from '../contract/cluster.ts';
import { calloutConfig, makeCalloutKeys } from '../platform/queue/callout.ts';
import { REPO } from '../test/support/cli.ts';
import type { ControlPlane } from './servers/control-plane.ts';
import { callApi } from './servers/control-plane-client.ts';
import { serverFolder } from './servers/process.ts';

/** The program that answers NATS who its clients are, as a process with the rights that the chart gives it. */

export interface QueueKeys {
  /** For the server. */
  readonly config: string;
  /** Begins to answer the server; the accounts of the chart must be there. */
  start(plane: ControlPlane, place: Place): Promise<Authenticator>;
}

interface Place {
  readonly system: string;
  readonly release: string;
  readonly natsUrl: string;
}

export interface Authenticator {
  /** File with a token of the operator's account. */
  readonly operatorToken: string;
  /** Ends it at once; connections that are there stay. */
  stop(): Promise<void>;
}

const DAY_SECONDS = 86_400;

export async function makeQueueKeys(): Promise<QueueKeys> {
  const folder = await serverFolder('authenticator');
  const keys = makeCalloutKeys();
  await writeFile(join(folder, 'keys.json'), JSON.stringify(keys));
  return {
    config: calloutConfig(keys),
    async start(plane, { system, release, natsUrl }) {
      const operatorToken = join(folder, 'token');
      await writeFile(operatorToken, await tokenOf(plane, system, release));
      const account = await plane.serviceAccount(system, `${release}-nats`);
      const KUBECONFIG = await plane.writeKubeconfig('authenticator', account);
      const operator = `system:serviceaccount:${system}:${release}`;
      const program = [join(REPO, 'operator/authenticator.ts'), 'serve', folder, operator];
      // It does not outlive this process, however that ends.
      const child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, ...program], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { PATH: process.env.PATH, HOME: '/nonexistent', KUBECONFIG, COHORTFARM_NATS_URL: natsUrl },
      });
      await begun(child);
      return {
        operatorToken,
        async stop() {
          const ended = once(child, 'exit');
          if (child.exitCode === null && child.kill('SIGKILL')) await ended;
          await rm(folder, { recursive: true, force: true });
        },
      };
    },
  };
}

async function begun(child: ChildProcess): Promise<void> {
  let said = '';
  const answering = new Promise<void>((resolve, reject) => {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('"answering"')) resolve();
    });
    child.once('exit', () => reject(new Error(`the authenticator ended: ${said}`)));
  });
  await answering;
}

async function tokenOf(plane: ControlPlane, namespace: string, account: string): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
  const spec = { audiences: [QUEUE_AUDIENCE], expirationSeconds: DAY_SECONDS };
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
  const answer = await callApi<{ status?: { token?: string }; message?: string }>(plane, path, {
    method: 'POST',
    body,
  });
  const token = answer.body.status?.token;
  if (token === undefined) throw new Error(`no token for ${account}: ${answer.body.message}`);
  return token;
}
