import { objects } from '../../contract/names.ts';
import { makePlan, type Plan } from '../../contract/plan/plan.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { publish } from '../../dataset/publish/publish.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { growShards } from '../readers/fixture.ts';
import { RUN, smallDataset } from '../support/dataset.ts';

/** A dataset whose every text attacks the page that shows it. Each attack sets `window.pwned` if it gets to run. */

export const ATTACKS = [
  '<script>window.pwned=1</script>',
  '<img src=x onerror="window.pwned=1">',
  '"><svg onload=window.pwned=1>',
  "' onmouseover='window.pwned=1' autofocus onfocus='window.pwned=1",
  '</title></style></textarea></script><script>window.pwned=1</script>',
  '<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>',
  '<base href="https://evil.example/"><link rel=stylesheet href=//evil.example/x.css>',
  '<meta http-equiv=refresh content="0;url=https://evil.example/">',
  '<form action=https://evil.example/><button autofocus>press</button></form>',
  'javascript:window.pwned=1',
  `\${window.pwned=1} {{constructor.constructor("window.pwned=1")()}} <%= window.pwned=1 %>`,
  '&lt;script&gt;window.pwned=1&lt;/script&gt; &#x3C;script&#x3E;',
  '../../../../etc/passwd %2e%2e%2f%2e%2e%2f',
  '__proto__',
  'constructor',
  '\u202Egnp.exe\u202C \u200B\uFEFF zero width',
  `${'long'.repeat(900)}`,
  '-- \u{1F480} ] ]]> <![CDATA[ <!-- ',
] as const;

/** A table of wanted images whose ids and impressions are attacks. */
function rows(): Record<string, string>[] {
  return ATTACKS.flatMap((attack, i) =>
    ['female', 'male'].map((sex) => ({ id: `${attack} ${i}`, sex, age: String(20 + i), impression: attack })),
  );
}

function dataset() {
  return smallDataset((spec) => {
    const columns = { sex: { name: 'sex' }, age: { name: 'age' } };
    spec.quota = {
      axes: { sex: { values: ['female', 'male'] }, age: { bins: ['18-39', '40-90'] } },
      allocation: {
        strategy: 'Table',
        table: { uri: 'table.csv', columns, idColumn: 'id', impressionColumn: 'impression' },
      },
    };
    spec.prompt = { template: `{age} {sex} {impression} ${ATTACKS[0]}` };
    spec.model.uri = ATTACKS[1];
    spec.model.sampling!.negativePrompt = ATTACKS[4];
    spec.quality!.keepRejected = 3;
    spec.quality!.onExhausted = 'Shortfall';
    spec.quality!.encoder = { modelUri: ATTACKS[0] };
  });
}

/** Grows the dataset, publishes it, and then lies in its manifest, too: names of axes, values, cells. */
export async function growHostile(store: ObjectStore): Promise<{ plan: Plan; manifest: Manifest }> {
  const resource = dataset();
  resource.metadata.annotations = {
    'cohortfarm.dev/title': ATTACKS[4],
    'cohortfarm.dev/creator': ATTACKS[1],
    'cohortfarm.dev/license': ATTACKS[2],
    'cohortfarm.dev/citation': ATTACKS[6],
  };
  const plan = makePlan(resource, {
    table: rows(),
    model: { digest: 'a'.repeat(64), defaults: { scheduler: 'PNDM', height: 64, width: 64 } },
    gateDigests: resource.spec.quality.gates.map(() => 'b'.repeat(64)),
    encoderDigest: 'e'.repeat(64),
  });
  await growShards(store, plan, [...Array(plan.shards).keys()]);
  const manifest = await publish({ plan, dataset: resource, ...RUN, store, version: '0.1.0' });
  const lies = {
    ...manifest,
    name: ATTACKS[0],
    providers: [ATTACKS[1]],
    evidence: {
      ...manifest.evidence!,
      suspicious: [ATTACKS[0], ATTACKS[12], '__proto__', '000000001'].map((key) => ({
        key,
        distance: 1e300,
        image: 'a'.repeat(64),
      })),
    },
    cells: manifest.cells.map((cell, i) => ({
      ...cell,
      cell: `${ATTACKS[i]} ${cell.cell}`,
      axes: {
        [ATTACKS[1]]: cell.axes.sex!,
        [ATTACKS[13]]: 'x',
        age: `${cell.axes.age} ${ATTACKS[i % 3]}`,
      },
      rejected: { ...cell.rejected, [ATTACKS[2]]: 1e15 },
    })),
  };
  await store.replace(objects.manifest, Buffer.from(JSON.stringify(lies)), { contentType: 'application/json' });
  const metrics = { [ATTACKS[0]]: 1e308, [ATTACKS[1]]: { [ATTACKS[13]]: 0.5 }, ok: '<b>', list: [1] };
  await store.replace('training/<b>&"stage/metrics.json', Buffer.from(JSON.stringify(metrics)), {
    contentType: 'application/json',
  });
  return { plan, manifest };
}
