import { buildTokenizer, type Tokenizer } from '../../diffusion/tokenizer.ts';
import { parityTest, readBytes, readGolden, Worst } from './goldens.ts';

/** The tokenizer of a configuration of the reference results, over the real vocabulary. */
function tokenizerOf(configDir: string): Tokenizer {
  const config = {
    ...readGolden(`${configDir}/tokenizer_config.json`),
    ...readGolden(`${configDir}/special_tokens_map.json`),
  };
  const merges = new TextDecoder()
    .decode(readBytes('model-a/tokenizer/merges.txt'))
    .split('\n')
    .slice(1)
    .filter(Boolean);
  return buildTokenizer({ vocab: readGolden('model-a/tokenizer/vocab.json'), merges, config, length: 77 });
}

for (const [field, configDir] of [
  ['sd21', 'model-a/tokenizer'],
  ['sd21', 'tokenizer/sd21-base-original-config'],
  ['sd1', 'tokenizer/sd1-config'],
] as const) {
  parityTest(`token ids equal those of transformers (${configDir})`, (report) => {
    const tokenizer = tokenizerOf(configDir);
    const worst = new Worst();
    for (const { id, prompt, ...ids } of readGolden('tokenizer/cases.json').cases) {
      const wrong = tokenizer.encode(prompt).reduce((count, value, i) => count + Number(value !== ids[field][i]), 0);
      worst.see('ids', `${id} ${JSON.stringify(prompt)}`, wrong, 0);
    }
    worst.finish(report);
  });
}
