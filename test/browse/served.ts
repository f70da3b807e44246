import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { startCli } from '../support/cli.ts';

/** `cohortfarm browse` as a user starts it. */

export interface Served {
  /** As printed. */
  readonly url: string;
  stop(): Promise<void>;
}

export async function serve(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Served> {
  const { process: child, outcome } = startCli(['browse', ...args], env);
  const lines = createInterface({ input: child.stdout! });
  const [url] = (await Promise.race([once(lines, 'line'), outcome.then(() => [undefined])])) as [string | undefined];
  if (url === undefined) throw new Error(`cohortfarm browse ended: ${(await outcome).stderr}`);
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      await outcome;
    },
  };
}
