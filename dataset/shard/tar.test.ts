import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { extract } from 'tar-stream';
import { listMembers, TAR_END, TarError, tarMember } from './tar.ts';

const archiveOf = (members: readonly (readonly [string, Uint8Array])[]): Buffer =>
  Buffer.concat([...members.map(([name, content]) => tarMember(name, content)), TAR_END]);

async function readWithTarStream(archive: Uint8Array): Promise<[string, Buffer, unknown][]> {
  const found: [string, Buffer, unknown][] = [];
  const reader = extract();
  reader.end(archive);
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const { mtime, uid, gid, mode, type } = entry.header;
    found.push([entry.header.name, Buffer.concat(chunks), { mtime: Number(mtime), uid, gid, mode, type }]);
  }
  return found;
}

const names = fc.integer({ min: 0, max: 10 ** 9 }).map((n) => `${n}.json`);

test('another tar reader finds the same members, without time or owner', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(names, fc.uint8Array({ maxLength: 2000 })), { maxLength: 6 }),
      async (members) => {
        const found = await readWithTarStream(archiveOf(members));
        const header = { mtime: 0, uid: 0, gid: 0, mode: 0o644, type: 'file' };
        assert.deepEqual(
          found,
          members.map(([name, content]) => [name, Buffer.from(content), header]),
        );
      },
    ),
  );
});

test('listed members point at their content', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(names, fc.uint8Array({ maxLength: 2000 })), { maxLength: 6 }), (members) => {
      const archive = archiveOf(members);
      const found = listMembers(archive).map(({ name, offset, size }) => [
        name,
        archive.subarray(offset, offset + size),
      ]);
      assert.deepEqual(
        found,
        members.map(([name, content]) => [name, Buffer.from(content)]),
      );
    }),
  );
});

test('an archive cut anywhere is refused', () => {
  const archive = archiveOf([
    ['000000000.txt', Buffer.from('hello')],
    ['000000001.txt', Buffer.alloc(700, 1)],
  ]);
  for (let length = 0; length < archive.length; length += 64) {
    assert.throws(() => listMembers(archive.subarray(0, length)), TarError, `${length} bytes`);
  }
});

test('a changed header byte is refused', () => {
  const archive = archiveOf([['000000000.txt', Buffer.from('hello')]]);
  for (const at of [0, 5, 110, 130, 156, 260]) {
    const changed = Buffer.from(archive);
    changed[at]! ^= 1;
    assert.throws(() => listMembers(changed), TarError, `byte ${at}`);
  }
});

test('a name that ustar cannot hold is refused', () => {
  assert.throws(() => tarMember('', Buffer.alloc(0)), RangeError);
  assert.throws(() => tarMember('a b', Buffer.alloc(0)), RangeError);
  assert.throws(() => tarMember('x'.repeat(101), Buffer.alloc(0)), RangeError);
});
