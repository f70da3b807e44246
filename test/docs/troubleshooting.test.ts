import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { REASONS, type Reason } from '../../contract/reasons.ts';
import { REPO } from '../support/cli.ts';

const PAGE = 'docs/troubleshooting.md';
const text = await readFile(join(REPO, PAGE), 'utf8');
/** Text of each entry by its heading. */
const entries = new Map(
  text
    .split(/^### /m)
    .slice(1)
    .map((part) => {
      const [name, ...lines] = part.split(/\n/);
      return [name!, lines.join('\n').split(/^## /m)[0]!.trim()] as const;
    }),
);

describe(PAGE, () => {
  it('has an entry for each reason that a condition can have, and for no other', () => {
    assert.deepEqual([...entries.keys()].sort(), Object.keys(REASONS).sort());
  });

  for (const [name, { stalls, retries }] of Object.entries<Reason>(REASONS)) {
    it(`says of ${name} what it means${stalls ? ' and what to do' : ''}`, () => {
      const entry = entries.get(name) ?? '';
      assert.ok(entry.split(/\*\*Do:\*\*/)[0]!.length > 20, 'what it means');
      if (stalls) assert.match(entry, /^\*\*Do:\*\* ./m);
      assert.equal(/does not try again by itself/.test(entry), !retries, 'whether the operator tries again');
    });
  }
});
