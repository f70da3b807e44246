#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { describeError, exitCodeOf } from '../contract/failure.ts';
import { EXIT } from '../contract/names.ts';
import { VERSION } from '../platform/version.ts';
import { addAudit } from './commands/audit.ts';
import { addBrowse } from './commands/browse.ts';
import { addModel } from './commands/model.ts';
import { addPlan } from './commands/plan.ts';
import { addReplay } from './commands/replay.ts';
import { addReport } from './commands/report.ts';
import { addRun } from './commands/run.ts';
import { addStatus, addTop } from './commands/status.ts';
import { addTrain } from './commands/train.ts';
import { addVerify } from './commands/verify.ts';
import { examplesText } from './examples.ts';
import { plain } from './status/text.ts';

/** The command line. Exit codes: 0 done, 1 a check failed, 2 bad usage or spec, 3 shortfall, 75 try again, 78 never. */

const program = new Command('cohortfarm')
  .description('Grows demographically balanced synthetic imaging cohorts.')
  .version(VERSION)
  .showHelpAfterError('(add --help for the options)')
  .exitOverride()
  .addHelpText(
    'after',
    '\nExit codes:\n  0 done   1 a check failed   2 bad usage or spec   3 a shortfall\n  75 try again   78 will never work this way',
  );
for (const add of [
  addPlan,
  addRun,
  addModel,
  addTrain,
  addAudit,
  addVerify,
  addReplay,
  addReport,
  addBrowse,
  addStatus,
  addTop,
])
  add(program);
for (const command of program.commands) {
  command.exitOverride().addHelpText('after', examplesText(command.name()));
  for (const below of command.commands) below.exitOverride();
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  else {
    // Messages may quote what anyone has written, such as the names in a tar file.
    process.stderr.write(`${describeError(error).split('\n').map(plain).join('\n')}\n`);
    process.exitCode = exitCodeOf(error);
  }
}
