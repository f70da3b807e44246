import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify, stripVTControlCharacters } from 'node:util';
import { parse } from 'yaml';
import type { Finding } from '../../cli/doctor/finding.ts';
import { type ControlPlane, startControlPlane } from '../../testbed/servers/control-plane.ts';
import { type S3Server, startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { startWithDefinition } from '../crd/definition-server.ts';
import { type Outcome, REPO, runCli } from '../support/cli.ts';
import { writeSmallDemo } from '../support/demo.ts';

/** F10: what a new user does first. */

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cohortfarm-first-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const NO_CLUSTER = (): NodeJS.ProcessEnv => ({ KUBECONFIG: '', HOME: folder });

describe('F10: init', () => {
  const init = (...args: string[]): Promise<Outcome> => runCli(['init', ...args]);

  for (const from of ['phantom', 'roentgen-v2', 'nih']) {
    it(`writes a resource from ${from} that the command line accepts`, async () => {
      const file = join(folder, `${from}.yaml`);
      const { code, stdout, stderr } = await init('-f', file, '--from', from, '--name', 'mine', '--samples', '1000');
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^Wrote .+ Next:\n {2}cohortfarm plan -f /);
      const { metadata, spec } = parse(await readFile(file, 'utf8'));
      assert.deepEqual([metadata.name, spec.quota.samples], ['mine', 1000]);
      // Models in a bucket that is not there are a remark; tables, which decide the plan, are not.
      if (from !== 'nih')
        assert.equal((await runCli(['plan', '-f', file], { AWS_EC2_METADATA_DISABLED: 'true' })).code, 0);
    });
  }

  it('leaves a file that is there, and names every value that it cannot take', async () => {
    const file = join(folder, 'kept.yaml');
    assert.equal((await init('-f', file)).code, 0);
    const before = await readFile(file, 'utf8');
    const again = await init('-f', file, '--samples', '8');
    assert.deepEqual([again.code, again.stderr], [2, `--file: ${file} is there already; choose another with --file\n`]);
    assert.equal(await readFile(file, 'utf8'), before);
    assert.match(
      (await init('-f', join(folder, 'a'), '--samples', 'many')).stderr,
      /^--samples: "many" is not a number/,
    );
    assert.match((await init('-f', join(folder, 'b'), '--name', 'Not Valid')).stderr, /metadata\.name: /);
    assert.match((await init('--from', 'x')).stderr, /Allowed choices are phantom, roentgen-v2, nih/);
  });

  it('asks on a terminal for what no option says', async () => {
    const file = join(folder, 'asked.yaml');
    const command = `'${process.execPath}' cli/main.ts init -f '${file}' --name asked`;
    const terminal = spawn('script', ['-qec', command, '/dev/null'], { cwd: REPO, stdio: ['pipe', 'pipe', 'inherit'] });
    let shown = '';
    const answers: readonly (readonly [RegExp, string])[] = [
      [/begin with .*\[phantom\]: $/, '\n'],
      [/images \[.*\]: $/, '32\n'],
      [/Output, .*: $/, 's3://cohorts/asked\n'],
    ];
    let given = 0;
    terminal.stdout.on('data', (chunk) => {
      shown += stripVTControlCharacters(String(chunk));
      if (answers[given]?.[0].test(shown)) terminal.stdin.write(answers[given++]![1]);
    });
    const [code] = await once(terminal, 'close');
    assert.equal(code, 0, shown);
    const { metadata, spec } = parse(await readFile(file, 'utf8'));
    assert.deepEqual([metadata.name, spec.quota.samples, spec.output.uri], ['asked', 32, 's3://cohorts/asked']);
  });
});

describe('F10: explain', () => {
  it('describes a field, what is below it, and what there is in place of one that there is not', async () => {
    const { stdout } = await runCli(['explain', 'spec.quality.maxAttempts']);
    assert.match(stdout, /^spec\.quality\.maxAttempts {2}\(integer; at least 1, at most \d+; default 8\)\n\n {2}\w/);
    const gates = await runCli(['explain', 'sds.spec.quality.gates[0]']);
    assert.match(gates.stdout, /\n {2}name +string .*\(required\)/);
    assert.match(gates.stdout, /\n {2}modelUri +string +Folder .*; not for Novelty/);
    assert.equal((await runCli(['explain', 'quality.gates'])).stdout, gates.stdout);
    assert.match((await runCli(['explain'])).stdout, /^spec {2}\(object\)(.|\n)*\n {2}quota +object/);
    assert.match((await runCli(['explain', 'spec.quota.axes.sex.values'])).stdout, /\(list of strings; at most/);
    const wrong = await runCli(['explain', 'spec.quota.axs']);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /^spec\.quota has no field "axs"; it has samples, axes, /);
  });
});

describe('F10: doctor', { skip: await missingForServers() }, () => {
  let s3: S3Server;
  let plane: ControlPlane;
  const findings = async (args: readonly string[], env: NodeJS.ProcessEnv) => {
    const { code, stdout, stderr } = await runCli(['doctor', '--json', ...args], { ...NO_CLUSTER(), ...env });
    assert.ok(code === 0 || code === 1, stderr);
    return { code, found: new Map((JSON.parse(stdout) as Finding[]).map((one) => [one.name, one])) };
  };

  before(async () => {
    [s3, plane] = await Promise.all([startS3Server(), startWithDefinition()]);
    await s3.createBucket('cohorts');
  });
  after(() => Promise.all([s3?.stop(), plane?.stop()]));

  it('finds a machine, a bucket and a cluster that will do', async () => {
    const flags = ['--endpoint', s3.options.endpoint!, '--region', 'us-east-1', '--path-style'];
    const env = { KUBECONFIG: plane.kubeconfig, ...s3.env };
    const { code, found } = await findings(['s3://cohorts/try', ...flags], env);
    assert.equal(code, 0, JSON.stringify([...found.values()]));
    for (const name of ['Node', 'Sampling', 'Bucket', 'Cluster', 'CohortFarm'])
      assert.equal(found.get(name)!.state, 'ok', name);
    for (const name of ['Kueue', 'Trainer']) assert.equal(found.get(name)!.state, 'absent', name);
    assert.match(found.get('Cluster')!.message, /^Kubernetes v1\.\d+/);
  });

  it('says what to fix of a bucket that is not there, and of a cluster without CohortFarm or without an answer', async () => {
    const flags = ['--endpoint', s3.options.endpoint!, '--region', 'us-east-1', '--path-style'];
    const bare = await startControlPlane();
    const bucket = await findings(['s3://missing/try', ...flags], { KUBECONFIG: bare.kubeconfig, ...s3.env });
    await bare.stop();
    assert.equal(bucket.code, 1);
    assert.deepEqual([bucket.found.get('Bucket')!.state, bucket.found.get('CohortFarm')!.state], ['fix', 'fix']);
    assert.match(bucket.found.get('Bucket')!.message, /missing/);
    assert.match(bucket.found.get('CohortFarm')!.message, /install the chart/);
    const closed = join(folder, 'kubeconfig');
    const config = await readFile(plane.kubeconfig, 'utf8');
    await writeFile(closed, config.replace(/https:\/\/127\.0\.0\.1:\d+/, 'https://127.0.0.1:1'));
    const gone = await findings([], { KUBECONFIG: closed });
    assert.match(gone.found.get('Cluster')!.message, /ECONNREFUSED.*check the context/);
  });

  it('colours its marks on a terminal, and not where NO_COLOR is set', async () => {
    const show = async (env: NodeJS.ProcessEnv): Promise<string> => {
      const command = `'${process.execPath}' cli/main.ts doctor`;
      // Node takes a terminal under CI for one without colours.
      const { CI: _ci, NO_COLOR: _none, ...own } = process.env;
      const options = { cwd: REPO, env: { ...own, ...NO_CLUSTER(), TERM: 'xterm', ...env } };
      return (await promisify(execFile)('script', ['-qec', command, '/dev/null'], options)).stdout;
    };
    assert.ok((await show({})).includes('\u001b[32mok'));
    const plain = await show({ NO_COLOR: '1' });
    assert.equal(stripVTControlCharacters(plain), plain);
  });

  it('F10: run, plan and train take --endpoint, --region and --path-style, as verify does', async () => {
    const file = await writeSmallDemo(folder, (spec) => {
      spec.quota.samples = 32;
    });
    const uri = 's3://cohorts/flags';
    const flags = ['--endpoint', s3.options.endpoint!, '--region', 'us-east-1', '--path-style'];
    const grown = await runCli(['run', '-f', file, '-o', uri, '--workers', '1', ...flags], s3.env);
    assert.equal(grown.code, 0, grown.stderr);
    assert.equal((await runCli(['verify', uri, ...flags], s3.env)).code, 0);
    for (const command of ['plan', 'train']) {
      const { stdout } = await runCli([command, '--help']);
      for (const flag of flags.filter((word) => word.startsWith('--')))
        assert.ok(stdout.includes(flag), `${command} ${flag}`);
    }
  });
});

describe('a reader that has seen enough', () => {
  it('ends the command in silence', async () => {
    const command = `'${process.execPath}' cli/main.ts plan -f examples/demo.yaml --prompts 192 | head -1`;
    const { stdout, stderr } = await promisify(execFile)('bash', ['-o', 'pipefail', '-c', command], { cwd: REPO });
    assert.match(stdout, /^age /);
    assert.equal(stderr, '');
  });
});
