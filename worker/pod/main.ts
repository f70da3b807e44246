import { writeFileSync } from 'node:fs';
import { ENV } from '../../contract/cluster.ts';
import { exitCodeOf, StoppedError, UsageError } from '../../contract/failure.ts';
import { EXIT } from '../../contract/names.ts';
import type { Outcome } from '../../contract/schema/outcome.ts';
import { unlessAborted } from '../../platform/abort.ts';
import { createLogger, type LoggerOptions } from '../../platform/log.ts';
import { cleanUp } from './cleanup.ts';
import { outcomeOf } from './outcome.ts';
import { publishDataset } from './publish.ts';
import { readGpus, readPlanDigest, readQueueSettings, readSettings, readThreads } from './settings.ts';
import { workInPod } from './work.ts';

/**
 * The program of our pods: `node worker/pod/main.ts work|publish|cleanup`. Configured by the environment (contract/cluster.ts);
 * its log goes to stderr, its outcome to a file, and its exit code says whether trying again can help.
 */

const [role = ''] = process.argv.slice(2);
let log = createLogger({ name: role || 'pod', level: levelOf(process.env[ENV.logLevel]) });

function levelOf(text: string | undefined): NonNullable<LoggerOptions['level']> {
  return (['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const).find((level) => level === text) ?? 'info';
}

async function run(stop: AbortSignal): Promise<Outcome> {
  if (!['work', 'publish', 'cleanup'].includes(role)) {
    throw new UsageError(`${JSON.stringify(role)} is not a role; write work, publish or cleanup`);
  }
  const settings = await readSettings(process.env);
  const { name, namespace } = settings.dataset.metadata;
  log = log.child({ namespace, dataset: name, uid: settings.uid, pod: settings.pod });
  const context = { ...settings, log };
  // These two may be killed anywhere and run again.
  if (role === 'publish') {
    const reported = process.env[ENV.natsUrl] ? { queue: readQueueSettings(process.env) } : {};
    return unlessAborted(publishDataset({ ...context, ...reported }), stop);
  }
  if (role === 'cleanup') return unlessAborted(cleanUp(context, readPlanDigest(process.env)), stop);
  const [queue, gpus] = [readQueueSettings(process.env), readGpus(process.env)];
  const threads = (engines: number) => readThreads(process.env, engines);
  return workInPod({ ...context, queue, gpus, threads, stop });
}

/** Written at once: nothing may come between the outcome and the end. */
function end(outcome: Outcome, exitCode: number): void {
  log.info({ reason: outcome.reason, exitCode }, outcome.message);
  const file = process.env[ENV.outcomeFile];
  try {
    if (file) writeFileSync(file, JSON.stringify(outcome));
  } catch (err) {
    log.error({ err }, 'the outcome cannot be written');
  }
  process.exit(exitCode);
}

function fail(err: unknown): void {
  log.error({ err }, 'failed');
  end(outcomeOf(err), exitCodeOf(err));
}

const stopping = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    log.info({ signal }, 'stopping');
    stopping.abort(new StoppedError(`stopped by ${signal}; the next pod resumes from what is stored`));
  });
}
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

// A program that ends without its outcome has failed.
process.exitCode = EXIT.tryAgain;
run(stopping.signal).then((outcome) => end(outcome, EXIT.done), fail);
