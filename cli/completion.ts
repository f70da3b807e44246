import type { Command, Option } from 'commander';

/** Completion scripts of the shells, from the commands and options that there are. Values without choices are files. */

const names = ({ short, long }: Option): string[] => [short, long].filter((name) => name !== undefined);
const takesValue = ({ required, optional }: Option): boolean => required || optional;

/** The options of a command and of those below it. */
function optionsOf(command: Command): readonly Option[] {
  const all = [command, ...command.commands].flatMap((one) => one.createHelp().visibleOptions(one));
  return [...new Map(all.map((option) => [option.flags, option])).values()];
}

/** The words that can follow a command: the commands below it, or the choices of its argument. */
const choicesOf = ({ commands, registeredArguments }: Command): readonly string[] =>
  commands.length > 0 ? commands.map((below) => below.name()) : (registeredArguments[0]?.argChoices ?? []);

/** The first sentence, which fits on a line of a menu. */
const brief = (text: string): string => text.split(/[.;:](?:\s|$)/)[0]!;
/** A word of a POSIX shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

export function bashCompletion(program: Command): string {
  const { commands } = program;
  const values = commands.flatMap((command) =>
    optionsOf(command)
      .filter(takesValue)
      .map((option) => {
        const patterns = names(option).map((name) => `"${command.name()} ${name}"`);
        return `    ${patterns.join(' | ')}) words=${quoted((option.argChoices ?? []).join(' '))} ;;`;
      }),
  );
  const options = commands.map((command) => {
    const long = optionsOf(command).map((option) => option.long ?? option.short!);
    return `        ${command.name()}) words=${quoted(long.join(' '))} ;;`;
  });
  const choices = commands
    .filter((command) => choicesOf(command).length > 0)
    .map((command) => `        ${command.name()}) words=${quoted(choicesOf(command).join(' '))} ;;`);
  // An empty answer leaves the word to the shell's own completion of file names (-o default).
  return `# Completion of cohortfarm for bash: source <(cohortfarm completion bash)
_cohortfarm() {
  local command=\${COMP_WORDS[1]} current=\${COMP_WORDS[COMP_CWORD]} words=''
  case "$command \${COMP_WORDS[COMP_CWORD - 1]}" in
${values.join('\n')}
    *)
      if [ "$COMP_CWORD" = 1 ]; then
        words=${quoted(commands.map((command) => command.name()).join(' '))}
      elif [[ $current == -* ]]; then
        case $command in
${options.join('\n')}
        esac
      else
        case $command in
${choices.join('\n')}
        esac
      fi ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _cohortfarm cohortfarm kubectl-cohortfarm
`;
}

export function zshCompletion({ commands }: Command): string {
  const menu = commands.map((command) => quoted(`${command.name()}:${brief(command.description())}`));
  const cases = commands.map((command) => {
    const options = optionsOf(command).map(zshOption);
    const choices = choicesOf(command);
    const rest = choices.length > 0 ? `':choice:(${choices.join(' ')})'` : `'*:file:_files'`;
    return `    ${command.name()}) _arguments ${[...options, rest].join(' ')} ;;`;
  });
  return `#compdef cohortfarm kubectl-cohortfarm
# Completion of cohortfarm for zsh: cohortfarm completion zsh > "\${fpath[1]}/_cohortfarm"
_cohortfarm() {
  local -a commands
  commands=(${menu.join(' ')})
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
if [ "\${funcstack[1]}" = _cohortfarm ]; then _cohortfarm "$@"; else compdef _cohortfarm cohortfarm kubectl-cohortfarm; fi
`;
}

/** One specification of _arguments for all names of an option. */
function zshOption(option: Option): string {
  const about = `[${brief(option.description).replace(/[[\]\\:]/g, '\\$&')}]`;
  const value = option.argChoices ? `(${option.argChoices.join(' ')})` : '_files';
  const spec = quoted(`${about}${takesValue(option) ? `:value:${value}` : ''}`);
  const [first, second] = names(option);
  return second === undefined ? `${first}${spec}` : `'(${first} ${second})'{${first},${second}}${spec}`;
}

export function fishCompletion({ commands }: Command): string {
  const lines = commands.flatMap((command) => {
    const within = `-n ${fishQuoted(`__fish_seen_subcommand_from ${command.name()}`)}`;
    const choices = choicesOf(command);
    return [
      `-n __fish_use_subcommand -f -a ${command.name()} -d ${fishQuoted(brief(command.description()))}`,
      ...(choices.length > 0 ? [`${within} -f -a ${fishQuoted(choices.join(' '))}`] : []),
      ...optionsOf(command).map((option) => {
        const keys = [option.short && `-s ${option.short.slice(1)}`, option.long && `-l ${option.long.slice(2)}`];
        const values = option.argChoices ? `-x -a ${fishQuoted(option.argChoices.join(' '))}` : '-r';
        const words = [within, ...keys, takesValue(option) && values, `-d ${fishQuoted(brief(option.description))}`];
        return words.filter(Boolean).join(' ');
      }),
    ];
  });
  const head = '# Completion of cohortfarm for fish: cohortfarm completion fish | source\n';
  return head + lines.map((line) => `complete -c cohortfarm ${line}\n`).join('');
}

const fishQuoted = (text: string): string => `'${text.replace(/['\\]/g, '\\$&')}'`;
