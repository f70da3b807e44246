import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { allocate } from '../../contract/plan/allocate.ts';
import { makePlan } from '../../contract/plan/plan.ts';
import { parseDataset } from '../../contract/validate/parse.ts';
import { readCsv } from '../../platform/csv.ts';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';
import { APPLY, callApi } from '../../testbed/servers/control-plane-client.ts';
import { goModuleFolder } from '../../testbed/servers/go-files.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { applyDataset, eventually, faultsOf, startWithDefinition, succeeds } from '../crd/definition-server.ts';
import { dataFile } from '../data/shared.ts';
import { runCli } from '../support/cli.ts';
import { evaluationOf, metricsOf } from '../support/evaluation.ts';
import { INPUTS } from '../support/spec.ts';
import { EXAMPLES, readExample } from './files.ts';

const skip = await missingForServers();
const files = (await readdir(EXAMPLES)).filter((name) => name.endsWith('.yaml'));

describe('every example', { skip }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startWithDefinition();
  });
  after(() => plane?.stop());

  for (const name of files) {
    it(`${name} is taken by the API server, and read as the command line reads it`, async () => {
      const document = await readExample(name);
      const answer = await applyDataset(plane, document, true);
      assert.ok(answer.code < 300, faultsOf(answer).join('\n'));
      assert.deepEqual(answer.body.spec, JSON.parse(JSON.stringify(parseDataset(document).spec)));
    });
  }

  it('names a queue that the objects for Kueue make, as its own definitions have them', async () => {
    const kueue = await goModuleFolder({ folder: 'kueue', module: 'sigs.k8s.io/kueue' });
    const objects = parseAllDocuments(await readFile(join(EXAMPLES, 'cluster/kueue.yaml'), 'utf8')).map((one) =>
      one.toJS(),
    );
    for (const kind of ['resourceflavors', 'clusterqueues', 'localqueues']) {
      const file = join(kueue, `config/components/crd/bases/kueue.x-k8s.io_${kind}.yaml`);
      await plane.kubectl('apply', '--server-side', '-f', file);
    }
    await plane.kubectl('create', 'namespace', 'radiology');
    for (const object of objects) {
      const path = `/apis/${object.apiVersion}${object.metadata.namespace ? `/namespaces/${object.metadata.namespace}` : ''}`;
      const url = `${path}/${object.kind.toLowerCase()}s/${object.metadata.name}?fieldManager=test&fieldValidation=Strict`;
      const apply = async () => callApi(plane, url, { method: 'PATCH', contentType: APPLY, body: object });
      await eventually(async () => (await apply()).code !== 404);
      const answer = await apply();
      assert.ok(answer.code < 300, JSON.stringify(answer.body));
    }
    const { workers } = parseDataset(await readExample('kueue-spot.yaml')).spec;
    assert.ok(objects.some(({ kind, metadata }) => kind === 'LocalQueue' && metadata.name === workers.queueName));
  });

  it('names a runtime of Kubeflow Trainer that can be installed', async () => {
    const trainer = await goModuleFolder({ folder: 'trainer', module: 'github.com/kubeflow/trainer/v2' });
    await plane.kubectl('apply', '--server-side', '-k', join(trainer, 'manifests/base/crds'));
    await eventually(() => succeeds(plane.kubectl('get', 'clustertrainingruntimes')));
    const runtime = join(EXAMPLES, 'cluster/kubeflow-runtime.yaml');
    await plane.kubectl('apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', runtime);
    const { metadata } = parse(await readFile(runtime, 'utf8'));
    const { stages } = parseDataset(await readExample('kubeflow-trainer.yaml')).spec.training!;
    for (const { runtimeRef } of stages) assert.deepEqual(runtimeRef, { name: metadata.name });
  });
});

describe("RoentGen-v2's grid", () => {
  it('is 565,000 images, the same for each of 448 cells to within one', async () => {
    const { stdout, code } = await runCli(['plan', '-f', 'examples/roentgen-v2.yaml', '--json'], {
      AWS_PROFILE: 'none',
    });
    assert.equal(code, 0);
    const { samples, cells } = JSON.parse(stdout) as { samples: number; cells: { samples: number }[] };
    assert.equal(samples, 565_000);
    assert.equal(cells.length, 2 * 4 * 4 * 14);
    assert.deepEqual([...new Set(cells.map((cell) => cell.samples))].sort(), [1261, 1262]);
  });
});

describe('the complement of NIH ChestX-ray14', () => {
  it('finds the columns and values that it names in the real table', async (t) => {
    const file = 'nih-cxr14-metadata/Data_Entry_2017_v2020.csv.gz';
    const bytes = dataFile(file, t);
    if (!bytes) return;
    const dataset = parseDataset(await readExample('nih-complement.yaml'));
    const gateDigests = dataset.spec.quality.gates.map(() => '0'.repeat(64));
    const { allocation } = makePlan(dataset, { ...INPUTS, gateDigests, cohort: readCsv(bytes, file) });
    assert.equal(allocation.cohort!.rows, 112_120);
    assert.equal(allocation.cohort!.outside, 38_078);
    assert.deepEqual(allocation.cohort!.unknownAxes, ['race']);
  });
});

describe('the second round of the demo', () => {
  it('extends what the demo publishes, and reads what it measures', async () => {
    const [demo, loop] = await Promise.all(
      ['demo.yaml', 'loop.yaml'].map(async (n) => parseDataset(await readExample(n))),
    );
    const { spec } = loop!;
    const { output, training, quota, seed } = demo!.spec;
    assert.equal(spec.seed, seed);
    assert.equal(spec.extends!.manifest, `${output.uri}/dataset.json`);
    const { uri, model } = spec.quota.allocation.evaluation!;
    assert.equal(uri, `${output.uri}/training/evaluate/metrics.json`);
    assert.ok(training!.stages.some(({ name }) => name === model));
    // The evaluation groups by the ages of the demo's own quota, and has its findings as labels.
    const groups = quota.axes.sex!.values!.flatMap((sex) => quota.axes.age!.bins!.map((age) => `${sex},${age}`));
    const rates = Object.fromEntries(groups.map((group, i) => [group, [i === 0 ? 60 : 20, 80] as const]));
    const labels = Object.fromEntries(quota.axes.finding!.values!.map((finding) => [finding, rates]));
    const evaluation = metricsOf(evaluationOf(['sex', 'age'], labels, { model: model! }));
    const { quotas, misses } = allocate(spec.quota, { evaluation });
    assert.ok(misses!.cells.every((cell) => cell !== null));
    // 0.645 / 0.375 = 1.72 times as many in young women: 4.37 of 96 images against 2.54.
    assert.deepEqual([Math.min(...quotas), Math.max(...quotas)], [2, 4]);
  });
});
