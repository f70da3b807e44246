import { Command } from 'commander';
import { VERSION } from '../platform/version.ts';
import { addAudit } from './commands/audit.ts';
import { addBrowse } from './commands/browse.ts';
import { addCheckData } from './commands/check-data.ts';
import { addCompareCohorts } from './commands/compare-cohorts.ts';
import { addCompletion } from './commands/completion.ts';
import { addDoctor } from './commands/doctor.ts';
import { addExplain } from './commands/explain.ts';
import { addExport } from './commands/export.ts';
import { addFeatures } from './commands/features.ts';
import { addInit } from './commands/init.ts';
import { addModel } from './commands/model.ts';
import { addPlan } from './commands/plan.ts';
import { addPull } from './commands/pull.ts';
import { addPush } from './commands/push.ts';
import { addReplay } from './commands/replay.ts';
import { addReport } from './commands/report.ts';
import { addRun } from './commands/run.ts';
import { addSign } from './commands/sign.ts';
import { addStatus, addTop } from './commands/status.ts';
import { addTrain } from './commands/train.ts';
import { addVerify } from './commands/verify.ts';
import { examplesText } from './examples.ts';

/** The command line. Exit codes: 0 done, 1 a check failed, 2 bad usage or spec, 3 shortfall, 75 try again, 78 never. */

const COMMANDS = [
  addInit,
  addExplain,
  addPlan,
  addRun,
  addModel,
  addTrain,
  addAudit,
  addCheckData,
  addFeatures,
  addCompareCohorts,
  addVerify,
  addSign,
  addExport,
  addPush,
  addPull,
  addReplay,
  addReport,
  addBrowse,
  addStatus,
  addTop,
  addDoctor,
  addCompletion,
];

export function createProgram(): Command {
  const program = new Command('cohortfarm')
    .description('Grows demographically balanced synthetic imaging cohorts.')
    .version(VERSION)
    .showHelpAfterError('(add --help for the options)')
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes:\n  0 done   1 a check failed   2 bad usage or spec   3 a shortfall\n  75 try again   78 will never work this way',
    );
  for (const add of COMMANDS) add(program);
  for (const command of program.commands) {
    command.exitOverride().addHelpText('after', examplesText(command.name()));
    for (const below of command.commands) below.exitOverride();
  }
  return program;
}
