import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { UsageError } from '../contract/failure.ts';
import { HUB, type HubRepository, openHub } from '../platform/hub.ts';

/** Reaching the Hugging Face Hub from the command line: HF_TOKEN or a file, and HF_ENDPOINT as its own tools read it. */

export interface HubFlags {
  readonly tokenFile?: string;
}

export const addHubOptions = (command: Command): Command =>
  command.option('--token-file <file>', 'holds the access token of the Hub; default: the variable HF_TOKEN');

/** The repository that a URI names. @throws UsageError for a URI, token or endpoint of another form */
export async function hubAt(uri: string, { tokenFile }: HubFlags): Promise<HubRepository> {
  const token = tokenFile === undefined ? process.env.HF_TOKEN?.trim() : await readToken(tokenFile);
  const endpoint = parseEndpoint(process.env.HF_ENDPOINT || HUB);
  return openHub(uri, { endpoint, ...(token && { token }) });
}

/** The address is printed and sent to servers, so it carries no secret; the token has a place of its own. */
function parseEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && /^https?:$/.test(url.protocol) && url.href === url.origin + url.pathname) return url.href;
  throw new UsageError(
    'HF_ENDPOINT is not the address of a Hub; write https://HOST, without user, password or query, and the token into HF_TOKEN',
  );
}

async function readToken(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new UsageError(`--token-file: ${file} cannot be read (${cause.code}); give a file that holds the token`, {
      cause,
    });
  });
  if (text.trim() === '') throw new UsageError(`--token-file: ${file} is empty; write the token of the Hub into it`);
  return text.trim();
}
