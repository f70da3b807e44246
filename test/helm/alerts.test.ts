import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { CHART } from '../../testbed/servers/helm.ts';
import { promtool } from '../../testbed/servers/promtool.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';

/** Prometheus' own rule engine says when each alert fires, with what words, and when it does not. */

const run = promisify(execFile);
const FILE = join(CHART, 'files/alerts.yaml');

interface Rule {
  readonly alert: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Samples a minute apart, in the notation of promtool. */
type Series = Readonly<Record<string, string>>;

interface Case {
  readonly alert: string;
  readonly fires: Series;
  /** When it does, and before that it does not. */
  readonly after: string;
  readonly summary: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Series that look like it and are not. */
  readonly silent: Series;
}

const own = { namespace: 'ns', dataset: 'a' };
const of = (name: string, more = '') => `cohortfarm_${name}{namespace="ns",dataset="a"${more}}`;
const ready = (reason: string) => of('dataset_condition', `,type="Ready",status="False",reason="${reason}"`);
const stalled = (status: string) => of('dataset_condition', `,type="Stalled",status="${status}",reason="PodsRefused"`);
const stage = (state: string) => of('stage_state', `,stage="pretrain",state="${state}"`);
const ALWAYS = 'x600';

const CASES: readonly Case[] = [
  {
    alert: 'CohortFarmNoLeader',
    fires: { 'cohortfarm_leader{pod="a"}': `0${ALWAYS}`, 'cohortfarm_leader{pod="b"}': `0${ALWAYS}` },
    after: '5m',
    summary: 'No replica of the CohortFarm operator leads',
    silent: {
      'cohortfarm_leader{pod="a"}': `0${ALWAYS}`,
      'cohortfarm_leader{pod="b"}': `1${ALWAYS}`,
      'cohortfarm_leader{namespace="waits",pod="c"}': `0${ALWAYS}`,
      'cohortfarm_claims_refused{namespace="waits",pod="c"}': `1${ALWAYS}`,
    },
  },
  {
    alert: 'CohortFarmTwoLeaders',
    fires: { 'cohortfarm_leader{pod="a"}': `1${ALWAYS}`, 'cohortfarm_leader{pod="b"}': `1${ALWAYS}` },
    after: '5m',
    summary: 'More than one replica of the CohortFarm operator says that it leads',
    // Two installations, each with its leader.
    silent: {
      'cohortfarm_leader{namespace="a",job="x",pod="a"}': `1${ALWAYS}`,
      'cohortfarm_leader{namespace="b",job="x",pod="b"}': `1${ALWAYS}`,
    },
  },
  {
    alert: 'CohortFarmClassTaken',
    // Not also NoLeader: another installation leads.
    fires: { 'cohortfarm_leader{pod="a"}': `0${ALWAYS}`, 'cohortfarm_claims_refused{pod="a"}': `1${ALWAYS}` },
    after: '10m',
    summary: 'Another installation of CohortFarm looks after datasets of the same class',
    silent: { 'cohortfarm_leader{pod="a"}': `1${ALWAYS}`, 'cohortfarm_claims_refused{pod="a"}': `0${ALWAYS}` },
  },
  {
    alert: 'CohortFarmReconcilesFail',
    fires: {
      'cohortfarm_reconcile_total{result="error"}': '0+30x600',
      'cohortfarm_reconcile_total{result="success"}': '0+30x600',
    },
    after: '16m',
    summary: "50% of the operator's reconciles fail",
    silent: {
      'cohortfarm_reconcile_total{result="error"}': '0+1x600',
      'cohortfarm_reconcile_total{result="success"}': '0+30x600',
    },
  },
  {
    alert: 'CohortFarmApiCallsFail',
    fires: {
      'cohortfarm_kube_requests_total{code="forbidden"}': '0+10x600',
      'cohortfarm_kube_requests_total{code="200"}': '0+30x600',
    },
    after: '16m',
    summary: "25% of the operator's calls to the API server fail",
    silent: {
      'cohortfarm_kube_requests_total{code="notFound"}': '0+10x600',
      'cohortfarm_kube_requests_total{code="200"}': '0+30x600',
    },
  },
  {
    alert: 'CohortFarmLooksLate',
    fires: { 'cohortfarm_workqueue_depth{pod="a"}': `500${ALWAYS}` },
    after: '15m',
    summary: 'Datasets wait long for the CohortFarm operator',
    silent: { 'cohortfarm_workqueue_depth{pod="a"}': `50${ALWAYS}` },
  },
  {
    alert: 'CohortFarmAcceptanceLow',
    fires: { [of('images_accepted_total')]: '0+1x600', [of('images_rejected_total', ',gate="age"')]: '0+99x600' },
    after: '31m',
    summary: 'Gates reject more than nine of ten images of ns/a',
    labels: own,
    silent: { [of('images_accepted_total')]: '0+20x600', [of('images_rejected_total', ',gate="age"')]: '0+80x600' },
  },
  {
    alert: 'CohortFarmDatasetStalled',
    fires: { [stalled('True')]: `1${ALWAYS}` },
    after: '15m',
    summary: 'ns/a waits for a person: PodsRefused',
    labels: { ...own, reason: 'PodsRefused' },
    silent: { [stalled('False')]: `1${ALWAYS}` },
  },
  {
    alert: 'CohortFarmNoProgress',
    fires: { [of('images_per_second')]: `0${ALWAYS}`, [ready('Generating')]: `1${ALWAYS}` },
    after: '60m',
    summary: 'Workers of ns/a have accepted no image for an hour',
    labels: own,
    silent: { [of('images_per_second')]: `0${ALWAYS}`, [ready('AwaitingAdmission')]: `1${ALWAYS}` },
  },
  {
    alert: 'CohortFarmStageFailed',
    fires: { [stage('Failed')]: `1${ALWAYS}`, [stage('Running')]: `0${ALWAYS}` },
    after: '10m',
    summary: 'Training stage pretrain of ns/a fails',
    labels: { ...own, stage: 'pretrain' },
    silent: { [stage('Failed')]: `0${ALWAYS}`, [stage('Running')]: `1${ALWAYS}` },
  },
  {
    // 8 GPUs, half of whose time is lost: 240 seconds a minute.
    alert: 'CohortFarmGpuTimeRejected',
    fires: { [of('gpu_seconds_rejected_total')]: '0+240x600' },
    after: '190m',
    summary: '12h 40m 0s of GPU time went into rejected images of ns/a',
    labels: own,
    silent: { [of('gpu_seconds_rejected_total')]: '0+60x600' },
  },
];

/** A minute before it is due nothing fires. */
const tooEarly = (after: string): string => `${Math.floor(Number.parseInt(after, 10) / 2)}m`;

describe('the alerts', { skip: await missingForServers() }, async () => {
  const rules: Rule[] = parse(await readFile(FILE, 'utf8')).groups.flatMap((group: { rules: Rule[] }) => group.rules);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-alerts-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const judge = async (alert: string, series: Series, expected: readonly object[]) => {
    const file = join(folder, `${alert}-${expected.length}.json`);
    const test = {
      interval: '1m',
      input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
      alert_rule_test: expected,
    };
    await writeFile(file, JSON.stringify({ rule_files: [FILE], evaluation_interval: '1m', tests: [test] }));
    await run(await promtool(), ['test', 'rules', file]).catch(({ stdout, stderr }) => assert.fail(stdout + stderr));
  };

  it('are all tested', () => {
    assert.deepEqual(
      CASES.map(({ alert }) => alert),
      rules.map(({ alert }) => alert),
    );
  });

  for (const { alert, fires, after, summary, labels = {}, silent } of CASES) {
    it(`${alert} fires after ${after}, and says so`, async () => {
      const rule = rules.find((one) => one.alert === alert)!;
      const firing = {
        exp_labels: { ...rule.labels, ...labels },
        exp_annotations: { ...rule.annotations, summary },
      };
      await judge(alert, fires, [
        { eval_time: tooEarly(after), alertname: alert, exp_alerts: [] },
        { eval_time: after, alertname: alert, exp_alerts: [firing] },
      ]);
    });

    it(`${alert} is silent where nothing is wrong`, async () => {
      await judge(alert, silent, [{ eval_time: '590m', alertname: alert, exp_alerts: [] }]);
    });
  }
});
