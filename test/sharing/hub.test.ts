import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { parquetReadObjects } from 'hyparquet';
import { parse } from 'yaml';
import { sha256 } from '../../contract/digest.ts';
import { PUBLICATION_ANNOTATIONS } from '../../contract/names.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { imageFault } from '../../dataset/provenance/credentials.ts';
import { contentOf, readShardSamples } from '../../dataset/shard/read.ts';
import { openStore } from '../../platform/store/store.ts';
import { type HubServer, startHubServer } from '../../testbed/servers/hub.ts';
import { blocksOf } from '../docs/blocks.ts';
import { combined, growDataset, readersDataset } from '../readers/fixture.ts';
import { readersPython } from '../readers/python.ts';
import { testKey, testSigner } from '../support/certificates.ts';
import { REPO, runCli, startCli } from '../support/cli.ts';
import { folderDigests } from '../support/folder.ts';
import { growSmall } from '../support/grown.ts';
import { missingPython } from '../support/venv.ts';

/** `cohortfarm push` and `pull`, against a server that speaks the Hub's API and checks what it is sent. */

const run = promisify(execFile);

const ACCESS = 'Who uses this data\ndoes not try to identify anyone.';
const MODEL_CARD = `---
license: other
license_name: "Phantom terms"
license_link: https://example.org/terms
extra_gated_prompt: "Only for credentialed people."
---
# A model
`;

describe('F6: push and pull', { skip: await missingPython() }, () => {
  let folder: string;
  let hub: HubServer;
  let manifest: Manifest;
  let model: string;
  const at = (name: string): string => join(folder, name);
  const cohort = (): string => at('cohort');
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-hub-'));
    hub = await startHubServer();
    const dataset = combined(readersDataset('jpeg', 90));
    dataset.metadata.annotations = { [PUBLICATION_ANNOTATIONS.accessTerms]: ACCESS };
    ({ manifest } = await growDataset(openStore(cohort()), dataset));
    model = at('model');
    await openStore(model).create('README.md', Buffer.from(MODEL_CARD), { contentType: 'text/markdown' });
  });
  after(async () => {
    await hub.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const push = (name: string, ...args: string[]) =>
    runCli(['push', cohort(), `hf://datasets/lab/${name}`, '--model', model, ...args], hub.env);
  const filesOf = (name: string) => hub.repository(`lab/${name}`)!.commits.at(-1)!.files;

  it('every object arrives with its digest, and pulled again it is the very dataset, which verifies', async () => {
    const { code, stdout, stderr } = await push('whole');
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /^Pushed: \d+ images; \d+ files sent \(\d\.\d MB\); http:\/\/127\.0\.0\.1:\d+\/datasets\/lab\/whole\n$/,
    );
    assert.match(stderr, /The repository is private; push again with --public to open it/);
    const published = await folderDigests(cohort());
    const remote = filesOf('whole');
    for (const [key, digest] of Object.entries(published)) {
      if (key.startsWith('_work/')) continue;
      const path = key === 'README.md' ? 'card.md' : key;
      assert.equal(sha256(remote.get(path)!.content), digest, path);
    }
    const parquet = [...remote.keys()].filter((path) => path.startsWith('data/'));
    assert.deepEqual(
      parquet,
      [0, 1, 2].map((i) => `data/train-0000${i}-of-00003.parquet`),
    );
    const pulled = await runCli(['pull', 'hf://datasets/lab/whole', at('pulled')], hub.env);
    assert.equal(pulled.code, 0, pulled.stderr);
    const { '_work/plan.json': _, ...objects } = published;
    assert.deepEqual(await folderDigests(at('pulled')), objects);
    await growSmall(openStore(at('small')));
    assert.equal((await runCli(['push', at('small'), 'hf://datasets/lab/small'], hub.env)).code, 0);
    assert.equal((await runCli(['pull', 'hf://datasets/lab/small', at('small-again')], hub.env)).code, 0);
    const verified = await runCli(['verify', at('small-again')]);
    assert.match(verified.stdout, /^Verified: 24 images in 3 shards/, verified.stderr);
  });

  it('F4: with a certificate each image of the Parquet files is signed, and the shards stay as they are', async () => {
    const { chain } = await testSigner();
    await writeFile(at('chain.pem'), chain.map(String).join(''));
    await writeFile(at('key.pem'), testKey());
    const key = ['--certificate', at('chain.pem'), '--key', at('key.pem')];
    const { code, stderr } = await push('signed', ...key);
    assert.equal(code, 0, stderr);
    const [unsigned, signed] = [filesOf('whole'), filesOf('signed')];
    for (const [path, { content }] of signed)
      assert.equal(
        sha256(content) === sha256(unsigned.get(path)!.content),
        !/^data\/|^README|^cohortfarm\.json/.test(path),
        path,
      );
    const parquet = signed.get('data/train-00000-of-00003.parquet')!.content;
    const rows = await parquetReadObjects({ file: new Uint8Array(parquet).buffer, utf8: false });
    assert.ok(rows.length > 10);
    for (const { image } of rows)
      assert.equal(
        await imageFault(image.bytes, Buffer.from(image.path).toString(), manifest, { certificate: chain[0]! }),
        null,
      );
    const again = await push('signed', ...key);
    assert.match(again.stdout, /; 0 files sent/);
    await writeFile(at('leaf.pem'), String(chain[0]));
    const other = await testSigner(2);
    await writeFile(at('other.pem'), other.chain.map(String).join(''));
    await writeFile(at('other-key.pem'), testKey(2));
    const refused: readonly (readonly [readonly string[], RegExp])[] = [
      [
        [],
        /are signed by the certificate with the SHA-256 \w{12} .*and no --certificate is given; give the same --cert/,
      ],
      [['--certificate', at('other.pem'), '--key', at('other-key.pem')], /and --certificate is \w{12}; give the same/],
      [['--certificate', at('leaf.pem'), '--key', at('key.pem')], /--certificate holds another chain after it/],
      [[...key, '--no-credentials'], /--certificate and --no-credentials contradict each other/],
    ];
    const { commits } = hub.repository('lab/signed')!;
    const before = commits.length;
    for (const [args, message] of refused) {
      const outcome = await push('signed', ...args);
      assert.equal(outcome.code, 2, outcome.stderr);
      assert.match(outcome.stderr, message);
    }
    assert.equal(commits.length, before, 'nothing is changed');
    assert.equal((await push('signed', '--no-credentials')).code, 0);
    for (const path of ['cohortfarm.json', 'data/train-00000-of-00003.parquet'])
      assert.deepEqual(filesOf('signed').get(path)!.content, unsigned.get(path)!.content);
    assert.equal((await push('signed', ...key)).code, 0);
    assert.deepEqual(filesOf('signed').get('data/train-00000-of-00003.parquet')!.content, parquet);
  });

  it('pushed again nothing is sent, and after a change only what differs', async () => {
    const [uploads, commits] = [hub.uploads.length, hub.repository('lab/whole')!.commits.length];
    const { stdout, code } = await push('whole');
    assert.equal(code, 0);
    assert.match(stdout, /; 0 files sent \(0\.0 MB\), 1\d were there before;/);
    assert.deepEqual([hub.uploads.length, hub.repository('lab/whole')!.commits.length], [uploads, commits]);
    const split = await push('whole', '--splits', 'train=0.7,test=0.3');
    assert.match(split.stdout, /; 4 files sent/, 'the card, and Parquet files under other names');
    const names = [...filesOf('whole').keys()].filter((path) => path.startsWith('data/'));
    assert.deepEqual(names, [
      'data/train-00000-of-00002.parquet',
      'data/train-00001-of-00002.parquet',
      'data/test-00000-of-00001.parquet',
    ]);
    assert.equal(hub.uploads.length, uploads, 'the Hub has their content already');
  });

  it('killed anywhere and run again it sends only the rest, and ends with the same tree', async () => {
    const expected = filesOf('whole');
    for (const kill of [1, 3, 8]) {
      const name = `killed-${kill}`;
      const args = ['push', cohort(), `hf://datasets/lab/${name}`, '--model', model, '--splits', 'train=0.7,test=0.3'];
      // Another server, so that no content is there before.
      const other = await startHubServer();
      const { process: child, outcome } = startCli(args, other.env);
      other.intercept = (request) => {
        if (request.url!.startsWith('/lfs/') && other.requests.filter((line) => line.includes('/lfs/')).length > kill)
          child.kill('SIGKILL');
      };
      assert.equal((await outcome).signal, 'SIGKILL');
      other.intercept = null;
      const before = [...other.uploads];
      const again = await runCli(args, other.env);
      assert.equal(again.code, 0, again.stderr);
      assert.equal(new Set(other.uploads).size, other.uploads.length, 'no object arrived twice');
      assert.ok(before.length < other.uploads.length);
      const { files } = other.repository(`lab/${name}`)!.commits.at(-1)!;
      const digests = (tree: typeof files) =>
        [...tree].filter(([path]) => path !== 'README.md').map(([path, { content }]) => `${path} ${sha256(content)}`);
      assert.deepEqual(digests(files).sort(), digests(expected).sort());
      await other.stop();
    }
  });

  it('with other splits no commit holds Parquet files of both', async () => {
    assert.equal((await push('resplit')).code, 0);
    const { commits } = hub.repository('lab/resplit')!;
    const before = commits.length;
    assert.equal((await push('resplit', '--splits', 'train=0.7,test=0.3')).code, 0);
    const later = commits.slice(before);
    assert.ok(later.length > 1, 'the card goes before the images');
    for (const { files } of later) {
      const parquet = [...files.keys()].filter((path) => path.startsWith('data/'));
      const stale = parquet.filter((path) => path.endsWith('-of-00003.parquet'));
      assert.deepEqual(stale, [], `beside ${parquet}`);
    }
  });

  it('dataset.json comes last: what is not whole is not pulled', async () => {
    hub.intercept = (request) => {
      if (/preupload/.test(request.url!) && hub.repository('lab/part')!.commits.length > 1) throw new Error('down');
    };
    const half = startCli(['push', cohort(), 'hf://datasets/lab/part'], hub.env);
    while (
      !hub.requests.some(
        (line) => line.includes('lab/part/preupload') && (hub.repository('lab/part')?.commits.length ?? 0) > 1,
      )
    )
      await sleep(20);
    half.process.kill('SIGTERM');
    await half.outcome;
    hub.intercept = null;
    const { code, stderr } = await runCli(['pull', 'hf://datasets/lab/part', at('part')], hub.env);
    assert.equal(code, 78);
    assert.match(
      stderr,
      /hf:\/\/datasets\/lab\/part holds no complete dataset of CohortFarm: dataset\.json is missing/,
    );
  });

  it('a pull that is interrupted is resumed, and takes nothing that is damaged or of another dataset', async (t: TestContext) => {
    const args = ['pull', 'hf://datasets/lab/whole', at('resumed')];
    const { process: child, outcome } = startCli(args, hub.env);
    hub.intercept = async (request) => {
      if (!request.url!.endsWith('wids.json')) return;
      while (!existsSync(at(`resumed/${manifest.shards[2]!.key}`))) await sleep(10);
      child.kill('SIGKILL');
    };
    await outcome;
    hub.intercept = null;
    const { stdout, stderr, code } = await runCli(args, hub.env);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^Pulled: \d+ images in \d+ objects \(\d+ of them before\); cohortfarm verify /);
    assert.deepEqual(await folderDigests(at('resumed')), await folderDigests(at('pulled')));
    await writeFile(at('resumed/wids.json'), 'x');
    const changed = await runCli(args, hub.env);
    assert.equal(changed.code, 78);
    assert.match(changed.stderr, /wids\.json has another content than this dataset's; pull to an empty place/);
    const [{ files }] = [hub.repository('lab/whole')!.commits.at(-1)!];
    const key = manifest.shards[1]!.key;
    const sound = files.get(key)!;
    const damaged = { content: Buffer.from(sound.content), isLfs: true };
    damaged.content[5000]! ^= 1;
    (files as Map<string, typeof sound>).set(key, damaged);
    t.after(() => (files as Map<string, typeof sound>).set(key, sound));
    const bad = await runCli(['pull', 'hf://datasets/lab/whole', at('bad')], hub.env);
    assert.equal(bad.code, 78);
    assert.match(bad.stderr, /small-000001\.tar is not the object that its manifest lists/);
    assert.ok(!(await readdir(at('bad'))).includes('dataset.json'));
  });

  it('what has another size than the manifest states is not downloaded', async () => {
    assert.equal((await push('sizes')).code, 0);
    const files = filesOf('sizes') as Map<string, { content: Buffer; isLfs: boolean }>;
    const downloads = () => hub.requests.filter((line) => line.startsWith('GET') && line.includes('lab/sizes/resolve'));
    for (const key of [manifest.shards[2]!.key, 'index.parquet']) {
      const sound = files.get(key)!;
      files.set(key, { content: Buffer.concat([sound.content, Buffer.alloc(4096)]), isLfs: true });
      const before = downloads().length;
      const { code, stderr } = await runCli(['pull', 'hf://datasets/lab/sizes', at('sizes')], hub.env);
      assert.equal(code, 78);
      assert.match(stderr, new RegExp(`${key} has \\d+ bytes, where its manifest states ${sound.content.length}`));
      assert.ok(
        downloads()
          .slice(before)
          .every((line) => line.includes('/dataset.json')),
        'only the manifest is read',
      );
      files.set(key, sound);
    }
  });

  it('Hugging Face datasets reads it by its card: columns of RoentGen-v2, splits, images byte for byte', async () => {
    const python = await readersPython();
    const env = {
      ...process.env,
      ...hub.env,
      HF_HOME: at('hf'),
      HF_HUB_DISABLE_XET: '1',
      HF_HUB_DISABLE_TELEMETRY: '1',
    };
    const script = join(import.meta.dirname, 'read_hub.py');
    const { stdout } = await run(python, [script, 'lab/whole'], { env, maxBuffer: 2 ** 25 });
    const { splits, features, rows, size } = JSON.parse(stdout);
    const accepted = manifest.shards.map((shard) => shard.accepted);
    assert.deepEqual(splits, { train: accepted[0]! + accepted[1]!, test: accepted[2] });
    const roentgen = ['image_id', 'image', 'text', 'gender', 'age', 'race', 'impression'];
    const findings = ['No Finding', 'Cardiomegaly', 'Edema', 'Effusion'];
    assert.deepEqual(Object.keys(features).slice(0, 11), [...roentgen, ...findings]);
    assert.match(features.image, /^Image/);
    assert.deepEqual(size, [64, 64]);
    const store = openStore(cohort());
    const wanted = [];
    for (const { key } of manifest.shards) {
      const shard = (await store.get(key))!;
      for (const sample of readShardSamples(shard))
        wanted.push({ sample, image: sha256(contentOf(shard, sample.image)) });
    }
    assert.equal(rows.length, wanted.length);
    assert.ok(wanted.some(({ sample }) => sample.record.sets!.finding!.length === 2));
    for (const [i, { sample, image }] of wanted.entries()) {
      const { record } = sample;
      const { image_id, text, gender, age, race, impression, seed, age_group, ...row } = rows[i];
      assert.deepEqual([image_id, row.image, text], [sample.key, image, record.prompt]);
      const sex = { female: 'F', male: 'M' }[record.axes.sex!];
      assert.deepEqual([gender, age, race, age_group], [sex, record.exact.age, record.axes.race, record.axes.age]);
      assert.deepEqual(
        [seed, `${age} year old ${race} ${record.axes.sex}. ${impression}`],
        [record.seed, record.prompt],
      );
      const found = findings.filter((name) => row[name] === 1).map((name) => name.toLowerCase().replace(' ', '-'));
      assert.deepEqual(found, record.sets!.finding);
    }
  });

  it('the card carries the terms of publisher and model, and the repository is gated before it is open', async () => {
    const { code, stderr } = await push('open', '--public');
    assert.equal(code, 0, stderr);
    const repository = hub.repository('lab/open')!;
    assert.deepEqual([repository.isPrivate, repository.gated], [false, 'manual']);
    const [, matter, body] = /^---\n(.*?)\n---\n(.*)$/s.exec(String(filesOf('open').get('README.md')!.content))!;
    const front = parse(matter!);
    assert.equal(
      front.extra_gated_prompt,
      `${ACCESS}\n\nThe images were sampled from ${model}, whose own terms of access are:\n\nOnly for credentialed people.`,
    );
    assert.match(body!, /its license is Phantom terms \(https:\/\/example\.org\/terms\)/);
    assert.match(body!, /load_dataset\("lab\/open", split="train"\)/);
    const { commits } = repository;
    assert.ok(
      commits[1]!.files.has('README.md') &&
        ![...commits[1]!.files.keys()].some((path) => /\.(tar|parquet)$/.test(path)),
    );
  });

  it('an open repository is gated before any image is there', async () => {
    await runCli(['push', cohort(), 'hf://datasets/lab/early', '--model', model], hub.env);
    const repository = hub.repository('lab/early')!;
    const { commits } = repository;
    repository.isPrivate = false;
    commits.length = 1;
    let gatedAt = -1;
    hub.intercept = (request) => {
      if (request.url!.endsWith('/settings')) gatedAt = commits.length;
    };
    assert.equal((await push('early', '--public')).code, 0);
    hub.intercept = null;
    assert.equal(repository.gated, 'manual');
    assert.equal(gatedAt, 2, 'after the card, before the shards');
  });

  it('nothing is opened while the terms of the model are not known', async () => {
    const name = 'hf://datasets/lab/terms';
    const repository = () => hub.repository('lab/terms')!;
    const card = () => String(filesOf('terms').get('README.md')!.content);
    assert.equal((await push('terms')).code, 0);
    await mkdir(at('bare'));
    const unread: readonly (readonly [readonly string[], RegExp])[] = [
      [['--model', at('gone')], /the terms of the model are not known: .*gone has no card \(README\.md\)/],
      [
        ['--model', at('bare')],
        /bare has no card \(README\.md\); name the folder of the model with --model, or give --no-model/,
      ],
      [['--model', 's3://models/gone', '--endpoint', 'http://127.0.0.1:1'], /the terms of the model are not known: /],
      [[], /the dataset names it by a relative path \(.*\); name the folder of the model with --model/],
      [['--model', model, '--no-model-terms'], /--model and --no-model-terms contradict each other/],
    ];
    for (const [args, message] of unread) {
      const { code, stderr } = await runCli(['push', cohort(), name, '--public', ...args], hub.env);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
      assert.ok(repository().isPrivate && card().includes('Only for credentialed people.'), 'nothing is changed');
    }
    const remark = await runCli(['push', cohort(), 'hf://datasets/lab/remark'], hub.env);
    assert.equal(remark.code, 0, remark.stderr);
    assert.match(remark.stderr, /the terms of the model are not known: .*--public needs --model/);
    await openStore(at('free')).create('README.md', Buffer.from('# A model\n'), { contentType: 'text/markdown' });
    for (const [i, args] of [['--model', at('free')], ['--no-model-terms']].entries()) {
      const { code, stderr } = await runCli(
        ['push', cohort(), `hf://datasets/lab/free-${i}`, '--public', ...args],
        hub.env,
      );
      assert.equal(code, 0, stderr);
      assert.equal(hub.repository(`lab/free-${i}`)!.isPrivate, false);
    }
  });

  it('a repository that is public already is written only with --public, and a person decides on access', async () => {
    await push('opened');
    const repository = hub.repository('lab/opened')!;
    Object.assign(repository, { isPrivate: false, gated: 'auto' });
    const commits = repository.commits.length;
    const without = await push('opened', '--splits', 'train=0.7,test=0.3');
    assert.equal(without.code, 2, without.stderr);
    assert.match(without.stderr, /hf:\/\/datasets\/lab\/opened is public: .*; give --public/);
    assert.deepEqual([repository.commits.length, repository.gated], [commits, 'auto'], 'nothing is changed');
    assert.equal((await push('opened', '--public')).code, 0);
    assert.equal(repository.gated, 'manual');
  });

  it('the lines of docs/hub.md run as they stand', async () => {
    const lines = (await blocksOf('docs/hub.md', 'sh')).join('');
    await mkdir(at('page'));
    await growSmall(openStore(at('page/cohort')));
    await openStore(at('page/roentgen')).create('README.md', Buffer.from(MODEL_CARD), { contentType: 'text/markdown' });
    const command = `#!/bin/sh\nexec "${process.execPath}" "${REPO}/cli/main.ts" "$@"\n`;
    await writeFile(at('page/cohortfarm'), command, { mode: 0o755 });
    const env = { ...process.env, ...hub.env, PATH: `${at('page')}:${process.env.PATH}` };
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', lines], { cwd: at('page'), env });
    assert.match(stdout, /^Pushed: .*\nPushed: .* 0 files sent.*\nPulled: 24 images .*\nVerified: 24 images/);
    assert.equal(hub.repository('my-lab/chest-phantoms')!.isPrivate, false);
  });

  it('a passing fault of the Hub is waited out', async () => {
    let faults = 2;
    hub.intercept = () => {
      if (faults-- > 0) throw new Error('busy');
    };
    const { code, stderr } = await push('whole', '--splits', 'train=0.7,test=0.3');
    hub.intercept = null;
    assert.equal(code, 0, stderr);
  });

  it('refuses what it must, says why, and never repeats the token', async () => {
    await writeFile(at('empty'), '\n');
    await writeFile(at('token'), 'hf_notthistoken\n');
    const other = at('other');
    await growDataset(openStore(other), readersDataset('png', 30));
    const WHOLE = 'hf://datasets/lab/whole';
    const without = { HF_TOKEN: '' };
    const cases: readonly (readonly [readonly string[], NodeJS.ProcessEnv, number, RegExp])[] = [
      [
        ['push', cohort(), 'hf://lab/whole'],
        {},
        2,
        /"hf:\/\/lab\/whole" is not a dataset of the Hub; write hf:\/\/datasets\/ORG\/NAME/,
      ],
      [['push', 'hf://datasets/lab/whole', cohort()], {}, 2, /is not a dataset of the Hub/],
      [['push', cohort(), `${WHOLE}@v1`], {}, 2, /names a revision; push to hf:\/\/datasets\/lab\/whole/],
      [['push', cohort(), WHOLE], without, 2, /no token of the Hub is given; set HF_TOKEN/],
      [
        ['push', cohort(), WHOLE, '--token-file', at('token')],
        {},
        78,
        /cannot be (read|created|written|listed).*check the token/,
      ],
      [['push', cohort(), WHOLE, '--token-file', at('empty')], {}, 2, /--token-file: .* is empty/],
      [['push', at('nothing'), WHOLE], {}, 78, /holds no complete dataset: dataset\.json is missing/],
      [['push', other, WHOLE], {}, 78, /holds another dataset \(cohortfarm\.json\); choose another repository/],
      [['push', cohort(), WHOLE, '--splits', 'train=0.9,test=0.1'], {}, 2, /split test would get none of the 3 shards/],
      [['push', cohort(), WHOLE], { HF_ENDPOINT: 'nonsense' }, 2, /HF_ENDPOINT is not the address of a Hub/],
      ...['http://user:secretsecret@127.0.0.1:1', 'https:secretsecret@host', 'http://127.0.0.1:1/?secretsecret'].map(
        (HF_ENDPOINT) =>
          [
            ['pull', WHOLE, at('new')],
            { HF_ENDPOINT },
            2,
            /HF_ENDPOINT is not the address of a Hub; write https:/,
          ] as const,
      ),
      [
        ['pull', 'hf://datasets/lab/none', at('new')],
        {},
        2,
        /hf:\/\/datasets\/lab\/none .*Repository not found.*correct the name/,
      ],
      [['pull', WHOLE, at('new')], without, 78, /hf:\/\/datasets\/lab\/whole cannot be listed/],
      [
        ['pull', 'hf://datasets/lab/open', at('new')],
        { HF_TOKEN: 'hf_ofsomeoneelse' },
        78,
        /is restricted.*request access at http:\/\/127\.0\.0\.1:\d+\/datasets\/lab\/open\n/,
      ],
      [['pull', `${WHOLE}@v9`, at('new')], {}, 2, /Invalid rev id: v9/],
      [['pull', WHOLE, folder], {}, 78, /is not empty \(.*\); pull to an empty place/],
    ];
    for (const [args, env, wanted, message] of cases) {
      const { code, stderr, stdout } = await runCli(args, { ...hub.env, ...env });
      assert.match(stderr, message);
      assert.equal(code, wanted, stderr);
      for (const secret of [hub.token, 'hf_notthistoken', 'secretsecret'])
        assert.ok(!(stderr + stdout).includes(secret), 'the token is not repeated');
    }
  });
});
