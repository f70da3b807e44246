import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { ModelError } from './errors.ts';
import { buildTokenizer, loadTokenizer, type TokenizerParts } from './tokenizer.ts';

/** A vocabulary of all bytes, with and without the end-of-word mark, a few merges and the special tokens. */
const BYTES = [...Array(256).keys()].map((byte) => {
  const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  if (printable) return String.fromCharCode(byte);
  // The others take the next free code points from 256 on, in order.
  const before = byte <= 32 ? byte : byte <= 160 ? byte - 94 : 67;
  return String.fromCharCode(256 + before);
});
const MERGES = ['m a', 'ma l', 'mal e</w>', 'o l', 'ol d</w>'];
const TOKENS = [...BYTES, ...BYTES.map((byte) => `${byte}</w>`), ...MERGES.map((merge) => merge.replace(' ', ''))];
const SPECIALS = ['<|startoftext|>', '<|endoftext|>'];
const NAMES = [...TOKENS, ...SPECIALS];
const vocab = Object.fromEntries(NAMES.map((token, id) => [token, id]));
const [BEGIN, END] = SPECIALS.map((token) => vocab[token]!) as [number, number];

const parts = (config: TokenizerParts['config'] = {}, length = 12): TokenizerParts => ({
  vocab,
  merges: MERGES,
  config,
  length,
});

/** Tokens between begin and padding, as text. */
function tokens(prompt: string, config: TokenizerParts['config'] = {}): string[] {
  const ids = [...buildTokenizer(parts(config, 32)).encode(prompt)];
  return ids.slice(1, ids.indexOf(END)).map((id) => NAMES[id]!);
}

test('a prompt becomes begin, merged words, end and padding', () => {
  const ids = [...buildTokenizer(parts()).encode('Old  MALE')];
  assert.deepEqual(ids, [BEGIN, vocab['old</w>'], vocab['male</w>'], ...Array(9).fill(END)]);
});

test('what is too long is cut, begin and end stay', () => {
  const ids = [...buildTokenizer(parts({}, 5)).encode('male '.repeat(50))];
  assert.deepEqual(ids, [BEGIN, ...Array(3).fill(vocab['male</w>']), END]);
});

test('every text gives ids of the vocabulary, of the set length', () => {
  const tokenizer = buildTokenizer(parts());
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const ids = [...tokenizer.encode(text)];
      assert.equal(ids.length, 12);
      assert.equal(ids[0], BEGIN);
      assert.ok(ids.includes(END) && ids.every((id) => id >= 0 && id <= END));
    }),
  );
});

test('text is prepared as the reference does', () => {
  assert.deepEqual(tokens('a\u0085b'), ['a</w>', 'b</w>'], 'U+0085 is white space');
  assert.deepEqual(tokens('\ufeff'), tokens('\ufeff a').slice(0, -1), 'U+FEFF is not');
  assert.notDeepEqual(tokens('\ufeff'), []);
  assert.deepEqual(tokens('ΟΔΟΣ'), tokens('οδοσ'), 'a final sigma is a sigma');
  assert.deepEqual(tokens('e\u0301'), tokens('é'), 'composed');
  assert.deepEqual(tokens("it's 12"), ['i', 't</w>', "'", 's</w>', '1</w>', '2</w>']);
});

test('special tokens in the text are found in any case', () => {
  const ids = [...buildTokenizer(parts()).encode('a<|StartOfText|>b')];
  assert.deepEqual(ids.slice(0, 5), [BEGIN, vocab['a</w>'], BEGIN, vocab['b</w>'], END]);
});

test('a padding token of its own is cut out of the text as written', () => {
  const tokenizer = buildTokenizer(parts({ pad_token: '!' }, 8));
  const pad = vocab['!']!;
  assert.deepEqual([...tokenizer.encode('a!!b')], [BEGIN, vocab['a</w>'], pad, pad, vocab['b</w>'], END, pad, pad]);
  assert.deepEqual(tokens('a!!'), ['a</w>', '!', '!</w>'], 'elsewhere it is text');
});

test('a special token that the vocabulary lacks is named', () => {
  assert.throws(
    () => buildTokenizer(parts({ pad_token: '<|pad|>' })),
    (error: Error) => {
      assert.ok(error instanceof ModelError);
      assert.match(error.message, /"<\|pad\|>"/);
      return true;
    },
  );
});

test('a folder may hold vocab.json and merges.txt or tokenizer.json; special_tokens_map.json wins', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-tokenizer-'));
  t.after(() => rm(dir, { recursive: true }));
  await mkdir(join(dir, 'tokenizer'));
  const write = (name: string, text: string): Promise<void> => writeFile(join(dir, 'tokenizer', name), text);
  await write('tokenizer_config.json', JSON.stringify({ model_max_length: 1e30, pad_token: '<|endoftext|>' }));
  await write('special_tokens_map.json', JSON.stringify({ pad_token: { content: '!' } }));
  await write('tokenizer.json', JSON.stringify({ model: { vocab, merges: MERGES.map((merge) => merge.split(' ')) } }));
  const expected = [BEGIN, vocab['male</w>'], END, vocab['!'], vocab['!']];
  assert.deepEqual([...(await loadTokenizer(dir, 5)).encode('male')], expected);
  await write('vocab.json', JSON.stringify(vocab));
  await write('merges.txt', `#version: 0.2\n${MERGES.join('\n')}\n`);
  assert.deepEqual([...(await loadTokenizer(dir, 5)).encode('male')], expected);
});
