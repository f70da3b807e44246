#!/usr/bin/env node
import { CommanderError } from 'commander';
import { describeError, exitCodeOf } from '../contract/failure.ts';
import { EXIT } from '../contract/names.ts';
import { createProgram } from './program.ts';
import { plain } from './status/text.ts';

/** Runs the command line. */

// A reader that has seen enough, such as `head`, is not an error: the own commands of a shell stop in silence, too.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.done);
});

try {
  await createProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  else {
    // Messages may quote what anyone has written, such as the names in a tar file.
    process.stderr.write(`${describeError(error).split('\n').map(plain).join('\n')}\n`);
    process.exitCode = exitCodeOf(error);
  }
}
