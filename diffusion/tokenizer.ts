import { Tokenizer as BpeTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { ModelError } from './errors.ts';
import { exists, readJson, readText } from './files.ts';

/**
 * The CLIP tokenizer: byte-level BPE over lower-cased text, begin and end tokens, padding to a fixed length. Source: A.
 * Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021); transformers,
 * CLIPTokenizerFast (convert_slow_tokenizer.py, CLIPConverter).
 */
export interface Tokenizer {
  /** Length of every encoded prompt. */
  readonly length: number;
  /** Ids of one prompt: begin, as much of the prompt as fits, end, padding. */
  encode(prompt: string): Int32Array;
}

const token = z.union([z.string(), z.looseObject({ content: z.string(), normalized: z.boolean().optional() })]);
const specials = {
  bos_token: token.nullish(),
  eos_token: token.nullish(),
  unk_token: token.nullish(),
  pad_token: token.nullish(),
};
const specialTokensMap = z.looseObject(specials);
const addedToken = z.looseObject({
  content: z.string(),
  lstrip: z.boolean().optional(),
  rstrip: z.boolean().optional(),
  normalized: z.boolean().optional(),
  special: z.boolean().optional(),
});
const tokenizerConfig = z.looseObject({
  ...specials,
  model_max_length: z.number().min(3).nullish(),
  added_tokens_decoder: z.record(z.string().regex(/^\d+$/), addedToken).nullish(),
});
const vocabulary = z.record(z.string(), z.int().min(0));
const tokenizerJson = z.looseObject({
  model: z.looseObject({ vocab: vocabulary, merges: z.array(z.union([z.string(), z.array(z.string()).length(2)])) }),
});

type Config = z.infer<typeof tokenizerConfig>;
type Merges = z.infer<typeof tokenizerJson>['model']['merges'];

const VOCABULARY_LIMIT = 64 * 2 ** 20;

/**
 * @param dir the model folder
 * @param longest tokens that the text encoder takes
 * @throws ModelError that names the file at fault
 */
export async function loadTokenizer(dir: string, longest: number): Promise<Tokenizer> {
  const config = await readJson(dir, 'tokenizer/tokenizer_config.json', tokenizerConfig);
  const map = (await exists(dir, 'tokenizer/special_tokens_map.json'))
    ? await readJson(dir, 'tokenizer/special_tokens_map.json', specialTokensMap)
    : {};
  const { vocab, merges } = await readVocabulary(dir);
  const length = Math.min(config.model_max_length ?? Infinity, longest);
  return buildTokenizer({ vocab, merges, config: { ...config, ...map }, length });
}

/** vocab.json and merges.txt, or what transformers 5 writes instead of them. */
async function readVocabulary(dir: string): Promise<{ vocab: Record<string, number>; merges: Merges }> {
  if (await exists(dir, 'tokenizer/vocab.json')) {
    const vocab = await readJson(dir, 'tokenizer/vocab.json', vocabulary, VOCABULARY_LIMIT);
    const lines = (await readText(dir, 'tokenizer/merges.txt', VOCABULARY_LIMIT)).split('\n');
    return { vocab, merges: lines.filter((line) => line.includes(' ') && !line.startsWith('#version')) };
  }
  return (await readJson(dir, 'tokenizer/tokenizer.json', tokenizerJson, VOCABULARY_LIMIT)).model;
}

export interface TokenizerParts {
  readonly vocab: Record<string, number>;
  readonly merges: Merges;
  /** tokenizer_config.json, overridden by special_tokens_map.json where both name a token. */
  readonly config: Config;
  readonly length: number;
}

export function buildTokenizer({ vocab, merges, config, length }: TokenizerParts): Tokenizer {
  const added = addedTokens(vocab, config);
  const idOf = (content: string): number => added.find((entry) => entry.content === content)!.id;
  const { bos, eos, unk, pad } = specialsOf(config);
  const bpe = new BpeTokenizer(
    {
      added_tokens: added,
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'NFC' },
          { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
          { type: 'Lowercase' },
        ],
      },
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: WORDS }, behavior: 'Removed', invert: true },
          { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
        ],
      },
      model: { type: 'BPE', vocab, merges, unk_token: unk, end_of_word_suffix: '</w>' },
      post_processor: null,
      decoder: null,
    },
    {},
  );
  const [begin, end, padding] = [idOf(bos), idOf(eos), idOf(pad)];
  return {
    length,
    encode(prompt) {
      const ids = bpe.encode(withoutFinalSigma(prompt), { add_special_tokens: false }).ids.slice(0, length - 2);
      const padded = new Int32Array(length).fill(padding);
      padded.set([begin, ...ids, end]);
      return padded;
    },
  };
}

const WORDS = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

/**
 * The reference lower-cases character by character, JavaScript whole strings: there a capital sigma that ends a word becomes
 * another letter. It is the only character whose lower case depends on its neighbours.
 */
const withoutFinalSigma = (text: string): string => text.replaceAll('Σ', 'σ');

const contentOf = (value: z.infer<typeof token> | null | undefined, otherwise: string): string =>
  typeof value === 'string' ? value : (value?.content ?? otherwise);

function specialsOf(config: Config): Record<'bos' | 'eos' | 'unk' | 'pad', string> {
  return {
    bos: contentOf(config.bos_token, '<|startoftext|>'),
    eos: contentOf(config.eos_token, '<|endoftext|>'),
    unk: contentOf(config.unk_token, '<|endoftext|>'),
    pad: contentOf(config.pad_token, '<|endoftext|>'),
  };
}

interface Added extends z.infer<typeof addedToken> {
  readonly id: number;
}

/** Tokens that are cut out of the text before the BPE: those listed, and the special ones. */
function addedTokens(vocab: Record<string, number>, config: Config): Added[] {
  const listed = Object.entries(config.added_tokens_decoder ?? {}).map(([id, entry]) => ({ ...entry, id: Number(id) }));
  const { bos, eos, unk, pad } = specialsOf(config);
  for (const content of [bos, eos, unk, pad]) {
    if (listed.some((entry) => entry.content === content)) continue;
    const id = vocab[content];
    if (id === undefined) {
      throw new ModelError(`tokenizer/vocab.json lacks the special token ${JSON.stringify(content)}`);
    }
    // A padding token that is none of the others is matched in the text as written, the others in the lower-cased text.
    listed.push({ content, id, special: true, normalized: content !== pad || [bos, eos, unk].includes(pad) });
  }
  return listed;
}
