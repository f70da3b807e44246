import { EXIT } from '../contract/names.ts';
import { loadConfig } from '../kube/config.ts';
import { createTransport } from '../kube/transport.ts';
import { createLogger } from '../platform/log.ts';
import { readConfig } from './config.ts';
import { startOperator } from './operator.ts';

/** The operator as a program: `node operator/main.ts`, configured by environment variables (see config.ts). */

const { config, kubeConfig } = configuration();
const log = createLogger({ name: 'operator', level: config.logLevel });
const operator = await startOperator({
  config,
  transport: () => createTransport(kubeConfig, 'cohortfarm-operator'),
  log,
  // At once: what is under way must not be finished beside a new leader. The pod starts again and stands by.
  onLost: () => process.exit(EXIT.tryAgain),
});

let stopping = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    operator.stop().then(
      () => process.exit(EXIT.done),
      (error: Error) => {
        log.error({ stack: error.stack }, error.message);
        process.exit(EXIT.tryAgain);
      },
    );
  });
}

/** Ends the process with one line for each thing that is missing or wrong. */
function configuration() {
  try {
    return { config: readConfig(process.env), kubeConfig: loadConfig() };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(EXIT.usage);
  }
}
