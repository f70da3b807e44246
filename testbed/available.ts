import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { missingForServers } from './servers/tools.ts';

const run = promisify(execFile);

/**
 * One line that says what is missing to run pods as processes of this machine, for `describe(name, {skip})`; false when all
 * is there. With CI set, what is missing is an error instead.
 */
export async function missingForPods(env: NodeJS.ProcessEnv = process.env): Promise<string | false> {
  const missing = await missingForServers(env);
  if (missing) return missing;
  const attempt = ['--mount', '--pid', '--fork', 'sh', '-c', 'mount -t tmpfs tmpfs /mnt && chroot / true'];
  return problemOf('these tests run pods as local processes, which needs root', attempt, env);
}

/** The same for controllers that need a network of their own. */
export async function missingForNetworks(env: NodeJS.ProcessEnv = process.env): Promise<string | false> {
  const needs =
    'these tests run controllers in network namespaces, which needs root and "ip" (apt-get install iproute2)';
  return problemOf(needs, ['--net', 'ip', 'link', 'set', 'lo', 'up'], env);
}

/** The message where `unshare` fails. @throws Error with CI set */
async function problemOf(needs: string, attempt: string[], env: NodeJS.ProcessEnv): Promise<string | false> {
  try {
    await run('unshare', attempt, { env });
    return false;
  } catch (cause) {
    const line = `${needs}: unshare says ${String((cause as { stderr?: string }).stderr).trim()}`;
    if (env.CI) throw new Error(line, { cause });
    return line;
  }
}
