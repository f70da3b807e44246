import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, open, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isRetryable } from '../../contract/failure.ts';
import { describeStore } from '../../test/support/store-behaviour.ts';
import { wrapFileError } from './directory-errors.ts';
import { TEMP_FOLDER } from './directory-temp.ts';
import { openStore, StoreError } from './store.ts';

const TEXT = { contentType: 'text/plain' };
const folder = mkdtempSync(join(tmpdir(), 'cohortfarm-store-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describeStore('directory', (place) => openStore(join(folder, place)));

describe('directory: objects of any size', () => {
  it('H3: stores more than 2 GiB in one object', async () => {
    const root = join(folder, 'large');
    const store = openStore(root);
    const piece = Buffer.alloc(2 ** 28, 1);
    // Eight pieces of 256 MiB, and a last one that begins at 2 GiB.
    const body = [...Array.from({ length: 8 }, () => piece), Buffer.alloc(2 ** 20, 2)];
    assert.equal(await store.create('large.bin', body, { contentType: 'application/octet-stream' }), 'created');
    const tail = await store.get('large.bin', { start: 2 ** 31 - 1, end: 2 ** 31 + 1 });
    assert.deepEqual([...tail!], [1, 2]);
    rmSync(root, { recursive: true, force: true });
  });
});

describe('directory: a writer killed at any moment', () => {
  it('leaves whole objects only, and nothing in the way of the next one', async () => {
    const root = join(folder, 'killed');
    let made = 0;
    for (let round = 0; round < 15; round++) {
      const writer = spawn(process.execPath, ['--input-type=module', '-e', writerProgram(root, round)]);
      const end = once(writer, 'exit');
      await Promise.race([once(writer.stdout, 'data'), end]);
      await sleep(Math.random() * 60);
      writer.kill('SIGKILL');
      await end;
      const store = openStore(root);
      for await (const { key } of store.list('')) {
        const [digest, ...content] = Buffer.from((await store.get(key))!)
          .toString('latin1')
          .split('\n');
        assert.equal(sha256(content.join('\n')), digest, `${key} is whole`);
        made++;
      }
      assert.equal(await store.create(`after/${round}`, signed('x'), TEXT), 'created');
    }
    assert.ok(made > 0, 'the writers got to write something');
  });

  it('leaves a file that is not listed, and that goes when it is an hour old', async () => {
    const root = join(folder, 'leftovers');
    const temporary = join(root, TEMP_FOLDER);
    await mkdir(temporary, { recursive: true });
    await writeFile(join(temporary, 'old'), 'half');
    await writeFile(join(temporary, 'new'), 'half');
    const hourAgo = Date.now() / 1000 - 3700;
    await utimes(join(temporary, 'old'), hourAgo, hourAgo);
    const store = openStore(root);
    await store.create('object', Buffer.from('x'), TEXT);
    assert.deepEqual(await Array.fromAsync(store.list(''), ({ key }) => key), ['object']);
    assert.deepEqual(await readdir(temporary), ['new']);
    await assert.rejects(store.get(`${TEMP_FOLDER}/new`), StoreError);
  });
});

describe('directory: what killed writers leave', () => {
  it('goes at once where the writer can be seen to be dead, and stays while it lives', async () => {
    const root = join(folder, 'writers');
    const program = `
      import { TempFiles } from ${JSON.stringify(new URL('directory-temp.ts', import.meta.url).href)};
      await new TempFiles(${JSON.stringify(root)}).with(Buffer.from('half'), () => {
        process.stdout.write('written');
        return new Promise(() => setInterval(() => {}, 1000));
      });`;
    const writers = [0, 1].map(() => spawn(process.execPath, ['--input-type=module', '-e', program]));
    await Promise.all(writers.map(({ stdout }) => once(stdout, 'data')));
    const temporary = join(root, TEMP_FOLDER);
    const left = async () => (await readdir(temporary).catch(() => [])).length;
    const kill = async (i: number) => {
      const exit = once(writers[i]!, 'exit');
      writers[i]!.kill('SIGKILL');
      await exit;
    };
    try {
      await openStore(root).create('one', Buffer.from('x'), TEXT);
      assert.equal(await left(), 2, 'both live');
      await kill(0);
      await openStore(root).create('two', Buffer.from('x'), TEXT);
      assert.equal(await left(), 1, 'one is dead');
    } finally {
      await kill(1);
    }
    await openStore(root).create('three', Buffer.from('x'), TEXT);
    assert.deepEqual((await readdir(root)).sort(), ['one', 'three', 'two']);
  });
});

describe('directory: removed objects', () => {
  it('stay removed after a power failure: their folders are flushed', async (t) => {
    const root = join(folder, 'flushed');
    const store = openStore(root);
    for (const key of ['dataset.json', '_work/0/a', '_work/0/b', '_work/plan.json'])
      await store.create(key, Buffer.from('x'), TEXT);
    const handle = await open(root);
    const sync = t.mock.method(Object.getPrototypeOf(handle), 'sync');
    await handle.close();
    await store.remove(['dataset.json']);
    assert.equal(sync.mock.callCount(), 1, 'the root');
    await store.remove(['_work/0/a', '_work/0/b']);
    assert.equal(sync.mock.callCount(), 2, 'the folder that lost its last folder');
    await store.remove(['_work/none']);
    assert.equal(sync.mock.callCount(), 2);
  });
});

describe('directory: what is in it', () => {
  it('is only what was written: no temporary folder stays', async () => {
    const root = join(folder, 'tidy');
    const store = openStore(root);
    await store.create('shards/a.tar', Buffer.from('x'), TEXT);
    await store.replace('report.html', Buffer.from('x'), TEXT);
    await store.create('_work/0/part', Buffer.from('x'), TEXT);
    await store.remove(['_work/0/part']);
    assert.deepEqual((await readdir(root)).sort(), ['report.html', 'shards']);
  });

  it('is all that a name can reach: no symbolic link leads out', async () => {
    const root = join(folder, 'links');
    const outside = join(folder, 'outside');
    await mkdir(root);
    await mkdir(outside);
    await writeFile(join(outside, 'secret'), 'secret');
    await symlink(outside, join(root, 'out'));
    await symlink(join(outside, 'secret'), join(root, 'link'));
    const store = openStore(root);
    const refused = { name: 'StoreError', retryable: false, message: /symbolic link/ };
    await assert.rejects(store.get('out/secret'), refused);
    await assert.rejects(store.get('link'), refused);
    await assert.rejects(store.stat('link'), refused);
    await assert.rejects(store.create('out/new', Buffer.from('x'), TEXT), refused);
    await assert.rejects(store.remove(['out/secret']), refused);
    assert.equal(await store.create('link', Buffer.from('x'), TEXT), 'exists');
    await store.replace('link', Buffer.from('inside'), TEXT);
    assert.deepEqual(await Array.fromAsync(store.list(''), ({ key }) => key), ['link']);
    assert.equal(await readFile(join(outside, 'secret'), 'utf8'), 'secret');
    assert.deepEqual(await readdir(outside), ['secret']);
  });

  it('may be linked inside, as in a mounted ConfigMap', async () => {
    const root = join(folder, 'mounted');
    await mkdir(join(root, '..2026'), { recursive: true });
    await writeFile(join(root, '..2026', 'table.csv'), 'a,b');
    await symlink('..2026', join(root, '..data'));
    await symlink('..data/table.csv', join(root, 'table.csv'));
    await symlink('nowhere', join(root, 'dangling'));
    const store = openStore(root);
    assert.equal(Buffer.from((await store.get('table.csv'))!).toString(), 'a,b');
    assert.deepEqual(await store.stat('table.csv'), { size: 3 });
    assert.deepEqual(await store.stat('..data/table.csv'), { size: 3 });
    assert.equal(await store.get('dangling'), null);
    assert.equal(await store.stat('dangling/below'), null);
  });
});

describe('directory: errors', () => {
  it('say what is wrong and what to do, and are of the right kind', async () => {
    const file = join(folder, 'file');
    await writeFile(file, 'x');
    const store = openStore(folder);
    await store.create('taken/below', Buffer.from('x'), TEXT);
    const x = Buffer.from('x');
    const cases: [() => Promise<unknown>, RegExp][] = [
      [
        () => openStore(file).create('key', x, TEXT),
        /cannot create .*file\/key.*a file stands where a folder is needed/,
      ],
      [() => store.create('taken', x, TEXT), /taken is a folder of objects/],
      [() => store.replace('taken', x, TEXT), /taken: a folder of objects stands there/],
      [() => store.create('file/below', x, TEXT), /file is an object already and cannot be a folder/],
      [() => store.create('n'.repeat(300), x, TEXT), /the name is too long \(ENAMETOOLONG\): use a shorter/],
    ];
    for (const [call, message] of cases) {
      await assert.rejects(call, (error: unknown) => {
        assert.ok(error instanceof StoreError && !isRetryable(error));
        assert.match(error.message, message);
        return true;
      });
    }
    assert.equal(await store.get('taken'), null);
    assert.equal(await store.stat('taken'), null);
    assert.equal(await store.get('file/below'), null);
  });

  it('of a full disk can be retried', () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const error = wrapFileError(full, 'create', 'file:///out/shards/a.tar');
    assert.ok(isRetryable(error));
    assert.match(error.message, /cannot create file:\/\/\/out\/shards\/a.tar: the disk is full \(ENOSPC\): free space/);
    assert.equal(error.cause, full);
  });
});

/** A program that creates objects, each of which carries its own digest, until it is killed. */
function writerProgram(root: string, round: number): string {
  const store = fileURLToPath(new URL('./store.ts', import.meta.url));
  return `
    import { createHash, randomBytes } from 'node:crypto';
    const { openStore } = await import(${JSON.stringify(store)});
    const store = openStore(${JSON.stringify(root)});
    process.stdout.write('ready');
    await Promise.all([0, 1, 2].map(async (lane) => {
      for (let turn = 0; ; turn++) {
        const content = randomBytes(1_500_000).toString('latin1');
        const digest = createHash('sha256').update(content, 'latin1').digest('hex');
        const body = [Buffer.from(digest + '\\n'), Buffer.from(content, 'latin1')];
        const write = turn % 3 === 2 ? 'replace' : 'create';
        await store[write](\`${round}/\${lane}/\${turn % 3}\`, body, { contentType: 'text/plain' });
      }
    }));`;
}

function signed(content: string): Uint8Array {
  return Buffer.from(`${sha256(content)}\n${content}`);
}

function sha256(content: string): string {
  return createHash('sha256').update(content, 'latin1').digest('hex');
}
