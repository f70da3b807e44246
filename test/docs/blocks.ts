import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPO } from '../support/cli.ts';

/** The fenced blocks of the pages. A test that asks for those of a page checks all of them; blocks.test.ts looks for the calls. */

const run = promisify(execFile);

/** Name of the language of a block that names none. */
export const PLAIN = 'plain';

const FENCE = /^([ \t]*)```([a-z]*)\n(.*?)^\1```$/gms;

interface Block {
  readonly language: string;
  readonly text: string;
}

export async function allBlocks(page: string): Promise<Block[]> {
  const text = await readFile(join(REPO, page), 'utf8');
  return [...text.matchAll(FENCE)].map(([, indent, language, block]) => ({
    language: language || PLAIN,
    text: block!.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }));
}

/**
 * The blocks of a page in one language, in order.
 * @param count how many a test knows that takes them one by one: one more would be left out
 */
export async function blocksOf(page: string, language: string, count?: number): Promise<string[]> {
  const blocks = (await allBlocks(page)).filter((block) => block.language === language);
  if (blocks.length === 0) throw new Error(`${page} has no block in ${language}`);
  if (count !== undefined && blocks.length !== count)
    throw new Error(`${page} has ${blocks.length} blocks in ${language}; the test runs ${count}: let it run them all`);
  return blocks.map(({ text }) => text);
}

/** Every page of the repository, from its root. */
export async function allPages(): Promise<string[]> {
  const { stdout } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
    cwd: REPO,
  });
  return stdout.trim().split('\n');
}
