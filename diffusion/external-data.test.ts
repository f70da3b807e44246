import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { isGateFile, isModelFile } from '../contract/folder.ts';
import { ModelError } from './errors.ts';
import { assertSelfContained, externalLocations } from './external-data.ts';

const folder = mkdtempSync(join(tmpdir(), 'cohortfarm-onnx-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}
/** A length-delimited field of a protobuf message. */
const field = (number: number, ...content: readonly (string | Buffer)[]): Buffer => {
  const body = Buffer.concat(content.map((part) => Buffer.from(part as string)));
  return Buffer.concat([varint(number * 8 + 2), varint(body.length), body]);
};
const tensor = (location: string): Buffer =>
  Buffer.concat([
    field(8, 'weight'),
    field(9, Buffer.alloc(200_000, 7)), // raw_data, longer than the reader's window
    field(13, field(1, 'offset'), field(2, '0')),
    field(13, field(1, 'location'), field(2, location)),
  ]);
const model = (...graph: readonly Buffer[]): Buffer =>
  Buffer.concat([Buffer.from([0x08, 9]), field(2, 'test'), field(7, ...graph), field(8, 'opset')]);

async function saved(name: string, content: Buffer): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, content);
  return path;
}

test('H1: the locations of external data are found wherever a graph may hold a tensor', async () => {
  const subgraph = field(6, field(5, tensor('subgraph')));
  const file = await saved(
    'places.onnx',
    Buffer.concat([
      model(
        field(5, tensor('initializer')),
        field(15, field(1, tensor('sparse values')), field(2, tensor('sparse indices'))),
        field(1, field(5, field(5, tensor('constant'))), field(5, subgraph), field(5, field(10, tensor('list')))),
      ),
      field(25, field(7, field(5, field(5, tensor('function'))))),
      field(20, field(1, field(5, tensor('training')))),
    ]),
  );
  const names = [
    'initializer',
    'sparse values',
    'sparse indices',
    'constant',
    'subgraph',
    'list',
    'function',
    'training',
  ];
  assert.deepEqual(externalLocations(file).sort(), names.sort());
});

test('H1: weights that the digest does not cover are refused, in whatever folder or under whatever name', async () => {
  const refused = [
    ['model', 'unet/model.onnx', 'w/weights.data', isModelFile],
    ['model', 'unet/model.onnx', '../shared/weights.data', isModelFile],
    ['model', 'unet/model.onnx', '/etc/weights.data', isModelFile],
    ['gate', 'model.onnx', 'weights.pt', isGateFile],
    ['gate', 'model.onnx', 'w/model.onnx_data', isGateFile],
  ] as const;
  for (const [i, [kind, graph, location, includes]] of refused.entries()) {
    await saved(`refused-${i}/${graph}`, model(field(5, tensor(location))));
    await assert.rejects(assertSelfContained(join(folder, `refused-${i}`), includes), (error: Error) => {
      assert.ok(error instanceof ModelError, `${kind} ${location}`);
      assert.ok(error.message.includes(JSON.stringify(location)) && /does not cover; save them/.test(error.message));
      return true;
    });
  }
  await saved('accepted/unet/model.onnx', model(field(5, tensor('model.onnx_data'))));
  await assertSelfContained(join(folder, 'accepted'), isModelFile);
});

test('a file that is cut off or is not ONNX fails with its name, however hostile it is', async () => {
  const whole = model(field(5, tensor('model.onnx_data')));
  const cut = await saved('cut.onnx', whole);
  await truncate(cut, whole.length - 10);
  assert.throws(() => externalLocations(cut), /cut\.onnx is not an ONNX graph: it is cut off; check/);
  let deep: Buffer = Buffer.alloc(0);
  for (let i = 0; i < 60; i++) deep = field(1, field(5, field(6, deep)));
  const nested = await saved('deep.onnx', field(7, deep));
  assert.throws(() => externalLocations(nested), /nested more than 100 deep/);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      const file = await saved('random.onnx', Buffer.from(bytes));
      try {
        externalLocations(file);
      } catch (error) {
        assert.ok(error instanceof ModelError, String(error));
      }
    }),
  );
});
