import { startWithDefinition } from '../../test/crd/definition-server.ts';
import { startKwok } from '../../testbed/kwok.ts';
import { startNats } from '../../testbed/servers/nats.ts';
import { datasetNamed, kubeOf, watchJobs } from './objects.ts';
import { startReports } from './reports.ts';

/** Simulated nodes. */
export const NODES = 50;

/** A control plane whose pods run on simulated nodes, a queue, and workers that report. */
export async function startCluster() {
  const [plane, nats] = await Promise.all([startWithDefinition({ controllers: true }), startNats()]);
  const kwok = await startKwok(plane, NODES);
  const kube = kubeOf(plane);
  const reports = await startReports(nats.url);
  const jobs = await watchJobs(plane);
  return {
    plane,
    nats,
    kube,
    reports,
    jobs,
    /** Applies a dataset whose workers report once their Job is there. */
    async grow(name: string): Promise<void> {
      const { metadata } = await kube.apply(datasetNamed(name));
      void jobs.seen(`${name}-workers-1`).then(() => reports.begin(metadata.uid, name));
    },
    /** Stops all of it; the operator has to have ended. */
    async stop(): Promise<void> {
      await reports.close();
      jobs.close();
      await kwok.stop();
      await Promise.all([plane.stop(), nats.stop()]);
    },
  };
}
