import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { unpackedPackages } from '../../testbed/real/packages.ts';
import { runCli } from '../support/cli.ts';

/** The completions, asked as the shells themselves ask them. */

const run = promisify(execFile);

/** The word at the end is what is being typed; what comes back are the words that it can become. */
const CASES: readonly { readonly typed: string; readonly words: readonly string[] }[] = [
  { typed: 'pl', words: ['plan'] },
  { typed: 'run --ver', words: ['--verify'] },
  { typed: 'init --from ', words: ['nih', 'phantom', 'roentgen-v2'] },
  { typed: 'model ex', words: ['export', 'export-gate'] },
  { typed: 'completion ', words: ['bash', 'fish', 'zsh'] },
  { typed: 'plan --file data', words: ['dataset.yaml'] },
];

/** Types a line and some tabs into a second zsh on a pseudo-terminal: each tab puts in the next word that fits. */
const ASK_ZSH = `
module_path=($ZSH_MODULES)
zmodload zsh/zpty
rm -f words; : > words
zpty -b inner "$1" -f -i
type() { zpty -w inner "$1" }
type 'module_path=($ZSH_MODULES); fpath=($ZSH_FUNCTIONS $ZSH_FUNCTIONS/**/*(/))'
type 'autoload -Uz compinit; compinit -u -D; source ./_cohortfarm.zsh'
type 'tab() { zle menu-complete; local line=(\${(z)BUFFER}); print -r -- $line[-1] >> words }; zle -N tab; bindkey "^I" tab'
zpty -w -n inner "$2"
for i in {1..$3}; do zpty -w -n inner $'\\t'; done
for i in {1..100}; do
  [ $(wc -l < words) -ge $3 ] && break
  zpty -r -t inner output || sleep 0.1
done
cat words
`;

describe('F1: completion', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-completion-'));
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { stdout, code } = await runCli(['completion', shell]);
      assert.equal(code, 0);
      await writeFile(join(folder, `_cohortfarm.${shell}`), stdout);
    }
    await writeFile(join(folder, 'dataset.yaml'), '');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** The words that a shell answers; a description may follow each after a tab. */
  const answer = async (program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string[]> => {
    const { stdout } = await run(program, args, { cwd: folder, env: { ...process.env, HOME: folder, ...env } });
    const words = stdout.split(/\r?\n/).map((line) => line.split('\t')[0]!.trim());
    return words.filter((word) => word !== '').sort();
  };

  for (const { typed, words } of CASES) {
    it(`bash: cohortfarm ${typed}`, async () => {
      const line = ['cohortfarm', ...typed.split(' ')];
      // With -o default, readline completes file names itself where the function finds nothing.
      const script = `source _cohortfarm.bash
        COMP_WORDS=(${line.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${line.length - 1}
        _cohortfarm; [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
        printf '%s\\n' "\${COMPREPLY[@]}"; complete -p cohortfarm kubectl-cohortfarm >&2`;
      assert.deepEqual(await answer('bash', ['--norc', '-c', script]), words);
    });

    it(`fish: cohortfarm ${typed}`, async () => {
      const root = await unpackedPackages('fish', ['fish', 'fish-common', 'libpcre2-32-0']);
      const libraries = join(root, 'usr/lib', `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`);
      // Fish looks for its functions where its package would be installed.
      const functions = join(root, 'usr/share/fish/functions');
      const script = `set -p fish_function_path ${functions}; source _cohortfarm.fish; complete -C 'cohortfarm ${typed}'`;
      const env = { LD_LIBRARY_PATH: libraries };
      assert.deepEqual(await answer(join(root, 'usr/bin/fish'), ['--no-config', '-c', script], env), words);
    });

    it(`zsh: cohortfarm ${typed}`, async () => {
      const root = await unpackedPackages('zsh', ['zsh', 'zsh-common']);
      const libraries = join(root, 'usr/lib', `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/zsh/5.9`);
      await writeFile(join(folder, 'ask.zsh'), ASK_ZSH);
      const env = { ZSH_FUNCTIONS: join(root, 'usr/share/zsh/functions'), ZSH_MODULES: libraries };
      const zsh = join(root, 'bin/zsh');
      assert.deepEqual(
        await answer(zsh, ['-f', 'ask.zsh', zsh, `cohortfarm ${typed}`, String(words.length)], env),
        words,
      );
    });
  }
});
