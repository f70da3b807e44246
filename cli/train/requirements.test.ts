import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { EXPORTER_ENVIRONMENT } from '../model/exporter.ts';
import { TRAINER_ENVIRONMENT } from './venv.ts';

/** The requirements of an environment: names with their versions, and the hashes that follow them. */
async function pinsOf({ requirements }: { requirements: readonly string[] }): Promise<Map<string, readonly string[]>> {
  const text = (await Promise.all(requirements.map((file) => readFile(file, 'utf8')))).join('\n');
  const logical = text.replaceAll(/^ *#.*$/gm, '').replaceAll('\\\n', ' ');
  const lines = logical.split('\n').filter((line) => line.trim() !== '');
  return new Map(lines.map((line) => [line.split(/[ ;]/)[0]!, line.match(/ --hash=\S+/g) ?? []]));
}

const environments = [TRAINER_ENVIRONMENT, EXPORTER_ENVIRONMENT] as const;

for (const environment of environments) {
  // pip compares all of a file as soon as one package in it has a hash, and refuses those without.
  test(`every package of the ${environment.name} is pinned to a version and to hashes of its files`, async () => {
    const pins = await pinsOf(environment);
    assert.ok(pins.size > 50, `${pins.size} packages`);
    for (const [name, hashes] of pins) {
      assert.match(name, /^[a-z0-9-]+==[^*]+$/);
      assert.ok(hashes.length > 0, `${name} has no hash: its file says how to compile it`);
      for (const hash of hashes) assert.match(hash, /^ --hash=sha256:[0-9a-f]{64}$/, name);
    }
  });
}

/** Packages that cannot be the same: transformers 4, which the exporter needs, takes none of the hub's library that timm has. */
const APART = ['huggingface-hub'];

test('the exporter has the same files of the packages that it shares with the trainer', async () => {
  const [trainer, exporter] = await Promise.all(environments.map(pinsOf));
  const versions = new Map([...trainer!.keys()].map((pin) => pin.split('==') as [string, string]));
  const nameOf = (pin: string): string => pin.split('==')[0]!;
  const shared = [...exporter!].filter(([pin]) => versions.has(nameOf(pin)) && !APART.includes(nameOf(pin)));
  assert.ok(shared.some(([pin]) => pin.startsWith('torch==')));
  for (const [pin, hashes] of shared) assert.deepEqual(hashes, trainer!.get(pin), pin);
});
