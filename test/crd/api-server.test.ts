import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseDataset } from '../../contract/validate/parse.ts';
import { waitForDefinitions } from '../../testbed/definitions.ts';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';
import { callApi, MERGE } from '../../testbed/servers/control-plane-client.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { documentWith, linesOf } from '../support/spec.ts';
import { sampleStatus } from '../support/status.ts';
import {
  applyDataset,
  eventually,
  faultsOf,
  pathOf,
  startWithDefinition,
  succeeds,
  tryDataset,
} from './definition-server.ts';
import { QUOTAS_REFUSED } from './refused-quotas.ts';
import { SECTIONS_REFUSED } from './refused-sections.ts';
import { ACCEPTED, CLASSIFIER, REFUSED_BY_PARSE_ONLY } from './verdicts.ts';

const skip = await missingForServers();

describe('SyntheticDataset on a real API server', { skip }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startWithDefinition();
  });
  after(() => plane?.stop());

  it('is established', async () => {
    const output = await waitForDefinitions(plane, 'crd', '--all');
    assert.match(output, /syntheticdatasets\.cohortfarm\.dev condition met/);
  });

  describe('takes, as the command line does,', () => {
    for (const { name, changes } of ACCEPTED) {
      it(name, async () => {
        const document = documentWith(changes);
        const answer = await applyDataset(plane, document, true);
        assert.ok(answer.code === 200 || answer.code === 201, faultsOf(answer).join('\n'));
        // What the API server has filled in is what the command line fills in.
        assert.deepEqual(answer.body.spec, JSON.parse(JSON.stringify(parseDataset(document).spec)));
      });
    }
  });

  describe('refuses, as the command line does,', () => {
    for (const { name, changes, causes } of [...QUOTAS_REFUSED, ...SECTIONS_REFUSED]) {
      it(name, async () => {
        const document = documentWith(changes);
        assert.notDeepEqual(
          linesOf(() => parseDataset(document)),
          [],
        );
        const answer = await tryDataset(plane, document);
        assert.equal(answer.code, 422, answer.body.message);
        const faults = faultsOf(answer);
        for (const [field, message] of causes) {
          const found = faults.some((fault) => fault.startsWith(`${field}: `) && message.test(fault));
          assert.ok(found, `${field} ${message} is not in\n${faults.join('\n')}`);
        }
      });
    }
    it('a field that there is not', async () => {
      const answer = await tryDataset(plane, documentWith({ 'spec.sede': 8 }));
      assert.equal(answer.code, 400);
      assert.match(answer.body.message!, /unknown field "spec\.sede"/);
    });
  });

  describe('leaves to the operator to refuse', () => {
    for (const { name, changes } of REFUSED_BY_PARSE_ONLY) {
      it(name, async () => {
        const document = documentWith(changes);
        linesOf(() => parseDataset(document));
        const answer = await applyDataset(plane, document, true);
        assert.ok(answer.code < 300, faultsOf(answer).join('\n'));
      });
    }
  });

  describe('once created', () => {
    const classifier = (name: string, classes: string[]) => ({ ...CLASSIFIER, name, classes });
    const quality = { gates: [classifier('a', ['female', 'male']), classifier('b', ['male', 'female'])] };
    const changed = (changes: object) => documentWith({ 'spec.quality': structuredClone(quality), ...changes });
    before(async () => {
      const answer = await applyDataset(plane, changed({}));
      assert.equal(answer.code, 201, answer.body.message);
    });

    // Parts of a section, and what is only there in one of the two versions.
    const FIXED: Readonly<Record<string, unknown>> = {
      'spec.quota.minPerCell': 1,
      'spec.quality.gates.0.minProbability': 0.6,
      'spec.quality.gates.0.appliesTo': ['female'],
      'spec.output.shard.samples': 6,
      'spec.seed': 8,
      'spec.quota.samples': 17,
      'spec.prompt.template': '{sex} {age} {impression}',
      'spec.model.sampling.steps': 21,
      'spec.quality.maxAttempts': 9,
      'spec.quality.gates': quality.gates.toReversed(),
      'spec.quality.gates.1.classes': ['female', 'male'],
      'spec.output.image.quality': 90,
    };
    for (const [path, value] of Object.entries(FIXED)) {
      it(`keeps its ${path}`, async () => {
        const answer = await applyDataset(plane, changed({ [path]: value }));
        assert.equal(answer.code, 422);
        const field = path.split('.').slice(0, 2).join('.');
        assert.deepEqual(faultsOf(answer).length, 1, faultsOf(answer).join('\n'));
        assert.match(faultsOf(answer)[0]!, new RegExp(`^${field}: .*decides the images and cannot change`));
      });
    }

    it('lets the rest change, and what means the same stay', async () => {
      const changes = {
        'spec.workers': { replicas: 3 },
        'spec.suspend': true,
        'spec.training': { stages: [{ name: 'pretrain', type: 'Pretrain' }] },
        'spec.ttlSecondsAfterFinished': 60,
        'spec.deletionPolicy': 'Delete',
        'spec.quality.maxAttempts': 8,
        'spec.quota.axes.sex.values': ['male', 'female'],
      };
      const answer = await applyDataset(plane, changed(changes));
      assert.equal(answer.code, 200, answer.body.message);
      assert.equal((answer.body.spec!.workers as { replicas: number }).replicas, 3);
      assert.equal(answer.body.spec!.deletionPolicy, 'Delete');
    });

    it('A26: lets places, credentials, pins and the handling of the result change', async () => {
      const sha256 = 'a'.repeat(64);
      const changes = {
        'spec.quality.onExhausted': 'Shortfall',
        'spec.quality.keepRejected': 3,
        'spec.quality.gates.0.modelUri': 's3://moved/gates/a',
        'spec.quality.gates.1.sha256': sha256,
        'spec.model.uri': 's3://moved/model',
        'spec.model.sha256': sha256,
        'spec.model.executionProvider': 'cuda',
        'spec.model.trainedOn': [{ dataset: 'mimic-cxr-jpg', split: 'train' }],
        'spec.quality.gates.0.trainedOn': [{ dataset: 'chexpert' }],
        'spec.output.uri': 's3://moved/small',
        'spec.output.s3': { endpoint: 'https://minio.example', credentialsSecretRef: { name: 'renamed' } },
      };
      for (const [path, value] of Object.entries(changes)) {
        const answer = await applyDataset(plane, changed({ [path]: value }));
        assert.equal(answer.code, 200, `${path}: ${faultsOf(answer).join('\n')}`);
      }
      const back = await applyDataset(plane, changed({}));
      assert.equal(back.code, 200, back.body.message);
      const spec = back.body.spec as unknown as { quality: { onExhausted: string }; output: { s3?: object } };
      assert.deepEqual([spec.quality.onExhausted, spec.output.s3], ['Fail', undefined]);
    });

    it('A26: lets the files that a quota reads move, and nothing else of it change', async () => {
      const columns = { sex: { name: 'Sex' }, age: { name: 'Age' } };
      const quota = (cohort: object) =>
        changed({ 'metadata.name': 'with-cohort', 'spec.quota.allocation': { strategy: 'Complement', cohort } });
      const cohort = { uri: 's3://real/a.csv', columns };
      assert.equal((await applyDataset(plane, quota(cohort))).code, 201);
      assert.equal((await applyDataset(plane, quota({ ...cohort, uri: 's3://moved/a.csv' }))).code, 200);
      const other = await applyDataset(plane, quota({ ...cohort, columns: { sex: { name: 'Gender' } } }));
      assert.equal(other.code, 422);
      assert.match(faultsOf(other)[0]!, /^spec\.quota: .*decides the images and cannot change/);
    });

    it('lets the dataset that one extends move, but not begin or end to be extended', async () => {
      const extending = (manifest: string) => changed({ 'metadata.name': 'with-parent', 'spec.extends': { manifest } });
      assert.equal((await applyDataset(plane, extending('s3://cohorts/one/dataset.json'))).code, 201);
      assert.equal((await applyDataset(plane, extending('s3://moved/one/dataset.json'))).code, 200);
      for (const document of [
        changed({ 'metadata.name': 'with-parent' }),
        changed({ 'spec.extends': { manifest: 's3://c/one/dataset.json' } }),
      ]) {
        const answer = await applyDataset(plane, document);
        assert.equal(answer.code, 422);
        assert.match(faultsOf(answer)[0]!, /^spec\.extends: .*decides the images and cannot change/);
      }
    });

    it('takes a status apart from the spec, and none that has no form', async () => {
      const before = (await callApi(plane, pathOf('small'))).body.metadata!.generation;
      const status = sampleStatus();
      const patch = (body: unknown) =>
        callApi(plane, pathOf('small', '/status'), { method: 'PATCH', contentType: MERGE, body });
      const answer = await patch({ status, spec: { seed: 99 } });
      assert.equal(answer.code, 200, answer.body.message);
      assert.deepEqual(answer.body.status, status);
      assert.equal(answer.body.spec!.seed, 7);
      assert.equal(answer.body.metadata!.generation, before);
      const refused = await patch({ status: { percent: 101 } });
      assert.equal(refused.code, 422);
      assert.match(faultsOf(refused)[0]!, /^status\.percent: .*less than or equal to 100/);
    });

    it('shows where it stands in kubectl get, by its short name and among all', async () => {
      const [head, row] = (await plane.kubectl('get', 'sds')).trim().split('\n');
      assert.deepEqual(head!.split(/\s+/), ['NAME', 'READY', 'REASON', 'ACCEPTED', 'WANTED', 'PERCENT', 'RATE', 'AGE']);
      assert.deepEqual(row!.split(/\s+/).slice(0, 7), ['small', 'Unknown', 'Generating', '6', '16', '37', '1.5']);
      assert.match(await plane.kubectl('get', 'all'), /syntheticdataset\.cohortfarm\.dev\/small/);
    });
  });

  it('is explained by kubectl', async () => {
    // The description of the API is published a moment after the definition.
    await eventually(() => succeeds(plane.kubectl('explain', 'sds')));
    const quota = await plane.kubectl('explain', 'sds.spec.quota');
    assert.match(quota, /How many images of whom, with what findings/);
    assert.match(quota, /minPerCell\s+<integer>\s+No allowed cell gets fewer/);
    assert.match(quota, /axes\s+<map\[string\]Object> -required-/);
    const strategy = await plane.kubectl('explain', 'sds.spec.quota.allocation.strategy');
    assert.match(strategy, /ENUM:\s+Balanced\s+Marginals/);
    assert.match(await plane.kubectl('explain', 'sds.status.conditions'), /what to do about it/);
  });
});
