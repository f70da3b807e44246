import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ENV, LABELS, MANAGED_BY } from '../../contract/cluster.ts';
import { claimOf } from '../../operator/claims.ts';
import { readConfig } from '../../operator/config.ts';
import { createMetrics } from '../../operator/metrics/metrics.ts';
import { CHART, helm, type Rendered, renderChart } from '../../testbed/servers/helm.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { anchorsOf } from '../support/anchors.ts';
import { REPO } from '../support/cli.ts';

const skip = await missingForServers();
const VALUES = (await readdir(join(CHART, 'ci'))).map((name) => join(CHART, 'ci', name));

const find = (objects: readonly Rendered[], kind: string, name: string): Rendered => {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  assert.ok(found, `${kind} ${name} is not rendered`);
  return found;
};
const kinds = (objects: readonly Rendered[]): Set<string> => new Set(objects.map(({ kind }) => kind));
const envOf = (objects: readonly Rendered[]): Record<string, string | undefined> => {
  const { env } = find(objects, 'Deployment', 'farm-cohortfarm').spec.template.spec.containers[0];
  return Object.fromEntries(env.map(({ name, value }: { name: string; value?: string }) => [name, value]));
};

describe('the chart', { skip }, () => {
  for (const file of VALUES) {
    it(`is well formed with ${file.slice(CHART.length + 1)}`, async () => {
      const said = await helm(['lint', '--strict', CHART, '--values', file]);
      assert.match(said, /1 chart\(s\) linted, 0 chart\(s\) failed/);
    });
  }

  it('gives operator and NATS what the restricted pod security standard asks for', async () => {
    const objects = await renderChart();
    for (const [kind, name] of [
      ['Deployment', 'farm-cohortfarm'],
      ['StatefulSet', 'farm-cohortfarm-nats'],
    ] as const) {
      const pod = find(objects, kind, name).spec.template.spec;
      assert.equal(pod.securityContext.runAsNonRoot, true);
      assert.equal(pod.containers[0].securityContext.readOnlyRootFilesystem, true);
      assert.deepEqual(pod.containers[0].securityContext.capabilities, { drop: ['ALL'] });
    }
  });

  it('keeps the definition when it is removed, unless told otherwise', async () => {
    const name = 'syntheticdatasets.cohortfarm.dev';
    const kept = find(await renderChart(), 'CustomResourceDefinition', name);
    assert.equal(kept.metadata.annotations?.['helm.sh/resource-policy'], 'keep');
    const loose = find(await renderChart('--set', 'crds.keep=false'), 'CustomResourceDefinition', name);
    assert.equal(loose.metadata.annotations, undefined);
    assert.deepEqual(loose.spec, kept.spec);
    assert.equal(kinds(await renderChart('--set', 'crds.install=false')).has('CustomResourceDefinition'), false);
  });

  it('looks after all namespaces by a ClusterRole, or after some by a Role in each', async () => {
    const whole = await renderChart('--set', 'rbac.aggregate=false');
    assert.ok(kinds(whole).has('ClusterRole'));
    assert.equal(envOf(whole).COHORTFARM_NAMESPACES, '');

    const some = ['--set', 'scope=Namespaced', '--set', 'watchNamespaces={a,b}', '--set', 'rbac.aggregate=false'];
    const narrow = await renderChart(...some);
    // No Role can allow to check tokens, which belong to no namespace.
    const tokens = { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] };
    const clusterWide = narrow.filter(({ kind }) => kind === 'ClusterRole');
    assert.deepEqual(
      clusterWide.map(({ rules }) => rules),
      [[tokens]],
    );
    const external = await renderChart(
      ...some,
      '--set',
      'nats.bundled=false',
      '--set',
      'nats.url=nats://elsewhere:4222',
    );
    assert.equal(kinds(external).has('ClusterRole'), false);
    assert.equal(kinds(external).has('ClusterRoleBinding'), false);
    const roles = narrow.filter(({ kind, metadata }) => kind === 'Role' && metadata.name === 'farm-cohortfarm');
    assert.deepEqual(roles.map(({ metadata }) => metadata.namespace).sort(), ['a', 'b']);
    assert.equal(envOf(narrow).COHORTFARM_NAMESPACES, 'a,b');
    const own = await renderChart('--set', 'scope=Namespaced');
    assert.equal(envOf(own).COHORTFARM_NAMESPACES, 'farm-system');
  });

  it('A25: gives the operator a class, where it is to have one, and its concurrency', async () => {
    const { COHORTFARM_CLASS, COHORTFARM_CONCURRENCY } = envOf(await renderChart());
    assert.deepEqual([COHORTFARM_CLASS, COHORTFARM_CONCURRENCY], [undefined, '16']);
    const other = envOf(await renderChart('--set', 'operator.class=research', '--set', 'operator.concurrency=32'));
    assert.deepEqual([other.COHORTFARM_CLASS, other.COHORTFARM_CONCURRENCY], ['research', '32']);
  });

  it('A25: lets the operator claim what it looks after for its class, by the names that it uses', async () => {
    const claimsOf = async (kind: string, ...values: string[]) => {
      const { rules } = find(await renderChart(...values), kind, 'farm-cohortfarm');
      return rules.find(({ resourceNames }: { resourceNames?: string[] }) => resourceNames).resourceNames;
    };
    const names = (operatorClass: string, ...places: (string | null)[]) =>
      places.map((place) => claimOf(operatorClass, place).name);
    assert.deepEqual(await claimsOf('ClusterRole'), names('', 'any', null));
    assert.deepEqual(await claimsOf('ClusterRole', '--set', 'operator.class=lab'), names('lab', 'any', null));
    assert.deepEqual(await claimsOf('Role', '--set', 'scope=Namespaced'), names('', 'any'));
  });

  it('F12: names an OpenLineage server, its key from a Secret, and opens the way to it', async () => {
    const egressOf = (objects: readonly Rendered[]) =>
      JSON.stringify(find(objects, 'NetworkPolicy', 'farm-cohortfarm-operator').spec.egress);
    const none = await renderChart();
    assert.deepEqual(
      Object.keys(envOf(none)).filter((name) => name.startsWith('OPENLINEAGE_')),
      [],
    );
    assert.doesNotMatch(egressOf(none), /5000/);
    const objects = await renderChart('--values', join(CHART, 'ci/external-values.yaml'));
    const { env } = find(objects, 'Deployment', 'farm-cohortfarm').spec.template.spec.containers[0];
    assert.deepEqual(
      env.filter(({ name }: { name: string }) => name.startsWith('OPENLINEAGE_')),
      [
        { name: 'OPENLINEAGE_URL', value: 'http://marquez.lineage.svc:5000' },
        { name: 'OPENLINEAGE_NAMESPACE', value: 'imaging' },
        { name: 'OPENLINEAGE_API_KEY', valueFrom: { secretKeyRef: { name: 'marquez', key: 'api-key' } } },
      ],
    );
    assert.match(egressOf(objects), /"kubernetes.io\/metadata.name":"lineage".*5000|5000.*"lineage"/);
    for (const [url, port] of [
      ['http://marquez:5000/some/path', 5000],
      ['https://marquez', 443],
      ['http://marquez/', 80],
      ['http://[fd00::1]', 80],
      ['http://[fd00::1]:8080', 8080],
    ] as const) {
      const { egress } = find(
        await renderChart('--set', `operator.lineage.url=${url}`),
        'NetworkPolicy',
        'farm-cohortfarm-operator',
      ).spec;
      const cidrs = [{ cidr: '0.0.0.0/0', except: ['169.254.0.0/16'] }, { cidr: '::/0' }];
      assert.deepEqual(egress.at(-1), {
        ports: [{ port, protocol: 'TCP' }],
        to: cidrs.map((ipBlock) => ({ ipBlock })),
      });
    }
    for (const url of ['user:pass@marquez', 'marquez:port', 'marquez:99999', 'm?apiKey=a', '[bad'])
      await assert.rejects(renderChart('--set', `operator.lineage.url=http://${url}`), /lineage\/url/, url);
  });

  it('uses another NATS server by URL and mounts its credentials, which it never holds itself', async () => {
    const objects = await renderChart('--values', join(CHART, 'ci/external-values.yaml'));
    assert.equal(kinds(objects).has('StatefulSet'), false);
    assert.equal(kinds(objects).has('Secret'), false);
    assert.equal(envOf(objects).COHORTFARM_NATS_URL, 'tls://nats.messaging.svc:4222');
    const { volumes } = find(objects, 'Deployment', 'farm-cohortfarm').spec.template.spec;
    assert.deepEqual(volumes[1], { name: 'nats', secret: { secretName: 'cohortfarm-nats' } });
  });

  it('H4: asks who the clients of its NATS server are, unless that has credentials of its own', async () => {
    const podOf = (objects: readonly Rendered[]) =>
      find(objects, 'StatefulSet', 'farm-cohortfarm-nats').spec.template.spec;
    const configOf = (objects: readonly Rendered[]) =>
      find(objects, 'ConfigMap', 'farm-cohortfarm-nats').data['nats.conf'];
    const asking = await renderChart();
    assert.match(configOf(asking), /^include \.\.\/nats-auth\/auth\.conf$/m);
    assert.equal(kinds(asking).has('Secret'), false);
    const { initContainers, containers, automountServiceAccountToken } = podOf(asking);
    assert.equal(automountServiceAccountToken, false);
    const mountsOf = ({ volumeMounts }: { volumeMounts: { name: string }[] }) => volumeMounts.map(({ name }) => name);
    assert.deepEqual(
      [...initContainers, ...containers].map((one) => [one.name, mountsOf(one)]),
      [
        ['keys', ['keys', 'auth']],
        ['nats', ['config', 'data', 'auth']],
        ['authenticator', ['keys', 'kube-api-access']],
      ],
    );
    for (const { securityContext } of [...initContainers, ...containers]) {
      assert.deepEqual(securityContext.capabilities, { drop: ['ALL'] });
    }
    const own = await renderChart('--set', 'nats.credentialsSecret=mine');
    assert.doesNotMatch(configOf(own), /include/);
    assert.equal(podOf(own).containers.length, 1);
    assert.equal(envOf(own).COHORTFARM_NATS_TOKEN, undefined);
  });

  it('H4: opens NATS to pods that report, of the listed namespaces, and its monitoring port to `helm test` alone', async () => {
    const ingressOf = async (...sets: string[]) =>
      find(await renderChart(...sets.flatMap((set) => ['--set-json', set])), 'NetworkPolicy', 'farm-cohortfarm-nats')
        .spec.ingress;
    const [clients, monitor] = await ingressOf('workers.namespaces=["a","b"]');
    const namespaceSelector = {
      matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: ['a', 'b'] }],
    };
    const role = { key: LABELS.role, operator: 'In', values: ['workers', 'publish', 'train'] };
    const own = { matchLabels: { [LABELS.managedBy]: MANAGED_BY }, matchExpressions: [role] };
    const ofTrainJobs = { matchExpressions: [{ key: LABELS.jobSet, operator: 'Exists' }] };
    assert.deepEqual(clients.from.slice(1), [
      { namespaceSelector, podSelector: own },
      { namespaceSelector, podSelector: ofTrainJobs },
    ]);
    assert.equal((await ingressOf('rbac.kubeflowTrainer=false'))[0].from.length, 2);
    assert.deepEqual(monitor.ports, [{ port: 'monitor', protocol: 'TCP' }]);
    assert.equal(monitor.from[0].podSelector.matchLabels['app.kubernetes.io/component'], 'test');
    const prometheus = { namespaceSelector: { matchLabels: { name: 'monitoring' } } };
    const opened = await ingressOf(`networkPolicy.natsMonitorFrom=[${JSON.stringify(prometheus)}]`);
    assert.deepEqual(opened[1].from, [prometheus]);
  });

  it('configures the operator with variables that it knows, all that it wants', async () => {
    const known = [...Object.values<string>(ENV), await readFile(join(REPO, 'operator/config.ts'), 'utf8')].join(' ');
    for (const file of VALUES) {
      const env = envOf(await renderChart('--values', file));
      const config = readConfig({ ...env, COHORTFARM_POD_NAME: 'farm-0', COHORTFARM_POD_NAMESPACE: 'farm-system' });
      assert.equal(config.lease.name, 'farm-cohortfarm');
      assert.equal(config.http.port, 8080, 'the port of the container and its Service');
      assert.equal(config.settings.pods.natsUrl, env.COHORTFARM_NATS_URL);
      assert.equal(config.settings.pods.trainerImage, env.COHORTFARM_TRAINER_IMAGE);
      const ours = Object.keys(env).filter((name) => name.startsWith('COHORTFARM_'));
      assert.deepEqual(
        ours.filter((name) => !known.includes(name)),
        [],
      );
    }
  });

  it('alerts and draws by metrics that the operator has', async () => {
    const told = await createMetrics(() => 0).text();
    const names = new Set([...told.matchAll(/^# TYPE (cohortfarm_\w+)/gm)].map((match) => match[1]!));
    const objects = await renderChart('--values', join(CHART, 'ci/monitoring-values.yaml'));
    const texts = [
      JSON.stringify(find(objects, 'PrometheusRule', 'farm-cohortfarm').spec),
      find(objects, 'ConfigMap', 'farm-cohortfarm-dashboard').data['cohortfarm.json'],
    ];
    for (const text of texts) {
      const used = [...text.matchAll(/cohortfarm_\w+?(?=_bucket\b|\b)/g)].map(([name]) => name);
      assert.ok(used.length > 5);
      assert.deepEqual(
        [...new Set(used)].filter((name) => !names.has(name)),
        [],
      );
    }
  });

  it('lets metrics keep the namespace of their dataset, which Prometheus would replace by that of the operator', async () => {
    const objects = await renderChart('--values', join(CHART, 'ci/monitoring-values.yaml'));
    const endpoints = [
      ...find(objects, 'ServiceMonitor', 'farm-cohortfarm').spec.endpoints,
      ...find(objects, 'PodMonitor', 'farm-cohortfarm').spec.podMetricsEndpoints,
    ];
    assert.deepEqual(
      endpoints.map(({ honorLabels }: { honorLabels?: boolean }) => honorLabels),
      [true, true],
    );
  });

  it('A27: keeps as many copies of a stream as it is told to, of an external NATS cluster', async () => {
    assert.equal(envOf(await renderChart()).COHORTFARM_STREAM_REPLICAS, undefined);
    const external = await renderChart(
      '--set',
      'nats.bundled=false',
      '--set',
      'nats.url=nats://n:4222',
      '--set',
      'nats.streamReplicas=3',
    );
    assert.equal(envOf(external).COHORTFARM_STREAM_REPLICAS, '3');
  });

  it('links each alert to a heading of the docs, wherever they are served', async () => {
    const rulesOf = async (...args: string[]): Promise<{ alert: string; annotations: Record<string, string> }[]> => {
      const objects = await renderChart('--set', 'metrics.prometheusRule.enabled=true', ...args);
      return find(objects, 'PrometheusRule', 'farm-cohortfarm').spec.groups[0].rules;
    };
    const docsUrl = 'https://git.example.org/farm/docs';
    const served = await rulesOf('--set', `metrics.prometheusRule.docsUrl=${docsUrl}/`);
    for (const [i, { alert, annotations }] of (await rulesOf()).entries()) {
      const url = annotations.runbook_url ?? '';
      const [page, anchor] = url.split('#') as [string, string?];
      assert.ok(anchor && anchorsOf(await readFile(join(REPO, page), 'utf8')).has(anchor), `${alert}: ${url}`);
      assert.equal(served[i]!.annotations.runbook_url, url.replace('docs', docsUrl));
    }
  });

  it('names images by registry, tag or digest; what one leaves out comes from the operator image', async () => {
    const imageOf = async (...sets: string[]) => {
      const objects = await renderChart(...sets.flatMap((set) => ['--set', set]));
      const { containers } = find(objects, 'Deployment', 'farm-cohortfarm').spec.template.spec;
      return [containers[0].image, envOf(objects).COHORTFARM_WORKER_IMAGE];
    };
    assert.deepEqual(await imageOf(), ['cohortfarm:0.1.0', 'cohortfarm:0.1.0']);
    const env = envOf(await renderChart('--set', 'image.registry=r.example/x'));
    assert.deepEqual(
      ['WORKER', 'CUDA', 'TRAINER'].map((name) => env[`COHORTFARM_${name}_IMAGE`]),
      ['', '-cuda', '-trainer'].map((name) => `r.example/x/cohortfarm${name}:0.1.0`),
      'B4: one registry is enough',
    );
    const digest = `sha256:${'a'.repeat(64)}`;
    assert.deepEqual(
      await imageOf('image.registry=r.example/x', `image.digest=${digest}`, 'workers.image.repository=cohortfarm-cuda'),
      [`r.example/x/cohortfarm@${digest}`, 'r.example/x/cohortfarm-cuda:0.1.0'],
    );
  });

  it('has no disruption budget for a single replica', async () => {
    assert.ok(kinds(await renderChart()).has('PodDisruptionBudget'));
    assert.equal(kinds(await renderChart('--set', 'operator.replicas=1')).has('PodDisruptionBudget'), false);
  });
});

describe('the schema of the values', { skip }, () => {
  const REFUSED: readonly [set: string, says: RegExp][] = [
    ['operator.replica=3', /'\/operator': additional properties 'replica' not allowed/],
    ['operator.replicas=many', /'\/operator\/replicas': got string, want integer/],
    ['operator.logLevel=loud', /'\/operator\/logLevel': value must be one of/],
    ['scope=Galaxy', /'\/scope': value must be one of 'Cluster', 'Namespaced'/],
    ['watchNamespaces={a}', /'\/watchNamespaces': maxItems: got 1, want 0/],
    ['nats.bundled=false', /'\/nats\/url': minLength/],
    ['nats.url=nats://elsewhere:4222', /'\/nats\/url': maxLength/],
    ['nats.url=nats://user:word@elsewhere:4222', /'\/nats\/url': .* does not match pattern/],
    ['nats.persistence.size=lots', /'\/nats\/persistence\/size': .* does not match pattern/],
    ['image.digest=latest', /'\/image\/digest': .* does not match pattern/],
    ['networkPolicy.s3.ports={http}', /'\/networkPolicy\/s3\/ports\/0': got string, want integer/],
    ['metrics.podMonitor.interval=often', /'\/metrics\/podMonitor\/interval': .* does not match pattern/],
    ['sope=Cluster', /additional properties 'sope' not allowed/],
  ];
  for (const [set, says] of REFUSED) {
    it(`refuses ${set}`, async () => {
      await assert.rejects(renderChart('--set', set), says);
    });
  }
});
