import { EXPORTER_ENVIRONMENT } from '../cli/model/exporter.ts';
import { TRAINER_ENVIRONMENT, virtualPython } from '../cli/train/venv.ts';
import { kubeflowParts } from './controllers/kubeflow.ts';
import { KUEUE } from './controllers/kueue.ts';
import { KWOK } from './kwok.ts';
import { etcdTool, kubernetesTool } from './servers/control-plane-tools.ts';
import { helmTool } from './servers/helm.ts';
import { luaTool } from './servers/lua.ts';
import { natsTool } from './servers/nats.ts';
import { promtoolTool } from './servers/promtool.ts';
import { VERSITYGW } from './servers/s3.ts';
import { goTool } from './servers/tools.ts';

/**
 * Builds the large things that tests need while the first tests run already, one after another and in the order in which they are
 * needed. A test that comes to one first waits for it. What cannot be built here says so in the test that needs it.
 */

const build = (tool: Parameters<typeof goTool>[0]) => () => goTool(tool);

const STEPS: readonly (() => Promise<unknown>)[] = [
  build(natsTool),
  build(VERSITYGW),
  build(etcdTool),
  ...(['kube-apiserver', 'kubectl', 'kube-controller-manager', 'kube-scheduler', 'kubelet'] as const).map((name) =>
    build(kubernetesTool(name)),
  ),
  () => virtualPython(TRAINER_ENVIRONMENT),
  build(KWOK),
  ...(['2.2.0', '2.0.0'] as const).flatMap((version) => kubeflowParts(version).map(({ tool }) => build(tool))),
  build(KUEUE.tool),
  build(luaTool),
  build(helmTool),
  () => virtualPython(EXPORTER_ENVIRONMENT),
  build(promtoolTool),
];

// Once the tests have ended, however they did, nothing is waited for.
const tests = process.ppid;
const watch = setInterval(() => process.ppid === tests || process.kill(0, 'SIGTERM'), 1000);
for (const step of STEPS) await step().catch(() => {});
clearInterval(watch);
