import { Argument, type Command } from 'commander';
import { bashCompletion, fishCompletion, zshCompletion } from '../completion.ts';

/** `cohortfarm completion SHELL`: prints what completes the command in a shell. */

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

const HOW = `
To load it in each new shell:
  bash  echo 'source <(cohortfarm completion bash)' >> ~/.bashrc
  zsh   cohortfarm completion zsh > "\${fpath[1]}/_cohortfarm"
  fish  cohortfarm completion fish > ~/.config/fish/completions/cohortfarm.fish`;

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('Print the completion of commands and options for a shell.')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SHELLS)))
    .addHelpText('after', HOW)
    .action((shell: keyof typeof SHELLS) => {
      process.stdout.write(SHELLS[shell](program));
    });
}
