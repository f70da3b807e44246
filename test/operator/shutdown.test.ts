import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createKube } from '../../kube/client.ts';
import { createTransport, type Transport } from '../../kube/transport.ts';
import type { Kube, KubeObject } from '../../kube/types.ts';
import { readConfig } from '../../operator/config.ts';
import { startOperator } from '../../operator/operator.ts';
import { createLogger } from '../../platform/log.ts';
import { until } from '../../testbed/replica.ts';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';
import { type NatsServer, startNats } from '../../testbed/servers/nats.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { startWithDefinition } from '../crd/definition-server.ts';
import { documentWith } from '../support/spec.ts';
import { configOf } from './access.ts';

const NAMESPACE = 'default';

describe('an operator that is stopped', { skip: await missingForServers() }, () => {
  let plane: ControlPlane;
  let nats: NatsServer;
  let kube: Kube;
  before(async () => {
    [plane, nats] = await Promise.all([startWithDefinition(), startNats()]);
    kube = createKube({ transport: createTransport(configOf(plane)) });
  });
  after(async () => {
    await nats?.stop();
    await plane?.stop();
  });

  it('A27: gives the lease back at once, also while its Events cannot be written, and ends soon', async () => {
    let held = 0;
    /** Holds every Event until the caller gives up. */
    const transport = (): Transport => {
      const send = createTransport(configOf(plane));
      return (call) => {
        if (call.method !== 'POST' || !call.path.includes('/events')) return send(call);
        held++;
        const { promise, reject } = Promise.withResolvers<never>();
        call.signal.addEventListener('abort', () => reject(call.signal.reason));
        return promise;
      };
    };
    const config = readConfig({
      COHORTFARM_POD_NAMESPACE: NAMESPACE,
      COHORTFARM_POD_NAME: 'operator-0',
      COHORTFARM_NATS_URL: nats.url,
      COHORTFARM_WORKER_IMAGE: 'cohortfarm:test',
      COHORTFARM_TRAINER_IMAGE: 'cohortfarm-trainer:test',
      COHORTFARM_HTTP_HOST: '127.0.0.1',
      COHORTFARM_HTTP_PORT: '0',
    });
    const log = createLogger({ name: 'operator', level: 'silent' });
    const operator = await startOperator({ config, transport, log, onLost: assert.fail });
    const metadata = { name: 'small', namespace: NAMESPACE };
    await kube.apply(documentWith({ metadata, 'spec.output.uri': 's3://bucket/small' }) as KubeObject);
    await until('an Event is on its way', async () => held > 0);
    const stopped = operator.stop().then(() => true);
    const lease = () =>
      kube.get<KubeObject & { spec: { holderIdentity: string } }>({
        kind: 'Lease',
        namespace: NAMESPACE,
        name: 'cohortfarm',
      });
    await until('the lease is free', async () => (await lease())?.spec.holderIdentity === '', 3000);
    await until(
      'it has ended',
      () => Promise.race([stopped, new Promise<false>((resolve) => setTimeout(resolve, 100, false))]),
      10_000,
    );
  });
});
