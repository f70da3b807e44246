import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ENV } from '../contract/cluster.ts';
import { EXIT } from '../contract/names.ts';
import { createKube } from '../kube/client.ts';
import { loadConfig } from '../kube/config.ts';
import { createTransport } from '../kube/transport.ts';
import { createLogger } from '../platform/log.ts';
import { answerCallouts, type CalloutKeys, calloutConfig, makeCalloutKeys } from '../platform/queue/callout.ts';
import { createQueueAccess } from './queue-access.ts';

/**
 * Decides who may use the chart's NATS server, as a program beside it: `node operator/authenticator.ts keys FOLDER FOLDER`
 * makes keys and the server's part of them before it starts, `serve FOLDER USER` answers it.
 */

const KEYS_FILE = 'keys.json';
const CONFIG_FILE = 'auth.conf';
/** The server in the same pod. */
const BESIDE = 'nats://127.0.0.1:4222';

const [command, ...args] = process.argv.slice(2);
if (command === 'keys' && args.length === 2) await makeKeys(args[0]!, args[1]!);
else if (command === 'serve' && args.length === 2) await serve(args[0]!, args[1]!);
else {
  process.stderr.write('usage: authenticator.ts keys KEYS_FOLDER CONFIG_FOLDER | serve KEYS_FOLDER OPERATOR_USER\n');
  process.exit(EXIT.usage);
}

async function makeKeys(keysFolder: string, configFolder: string): Promise<void> {
  const keys = makeCalloutKeys();
  await writeWhole(keysFolder, KEYS_FILE, JSON.stringify(keys));
  await writeWhole(configFolder, CONFIG_FILE, calloutConfig(keys));
}

/** So that the server never reads half of it. */
async function writeWhole(folder: string, name: string, text: string): Promise<void> {
  const temporary = join(folder, `.${name}`);
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, join(folder, name));
}

async function serve(keysFolder: string, operator: string): Promise<void> {
  const log = createLogger({ name: 'authenticator', level: 'info' });
  const url = process.env[ENV.natsUrl] ?? BESIDE;
  const keys = JSON.parse(await readFile(join(keysFolder, KEYS_FILE), 'utf8')) as CalloutKeys;
  const kube = createKube({ transport: createTransport(loadConfig(), 'cohortfarm-authenticator'), timeoutMs: 5000 });
  const callouts = await answerCallouts({ url, keys, log, admit: createQueueAccess({ kube, operator }) });
  log.info({ url, operator }, 'answering');
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void callouts.close().finally(() => process.exit(EXIT.done)));
  }
}
