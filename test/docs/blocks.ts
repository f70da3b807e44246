import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { REPO } from '../support/cli.ts';

/** The fenced blocks of the pages. A test that asks for those of a page checks every one. */

/** Name of the language of a block that names none. */
const PLAIN = 'plain';

const FENCE = /^([ \t]*)```([a-z]*)\n(.*?)^\1```$/gms;

interface Block {
  readonly language: string;
  readonly text: string;
}

async function allBlocks(page: string): Promise<Block[]> {
  const text = await readFile(join(REPO, page), 'utf8');
  return [...text.matchAll(FENCE)].map(([, indent, language, block]) => ({
    language: language || PLAIN,
    text: block!.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }));
}

/** The blocks of a page in one language, in order. */
export async function blocksOf(page: string, language: string): Promise<string[]> {
  const blocks = (await allBlocks(page)).filter((block) => block.language === language);
  if (blocks.length === 0) throw new Error(`${page} has no block in ${language}`);
  return blocks.map(({ text }) => text);
}
