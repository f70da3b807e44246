import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { h } from 'preact';
import { bar, facts, tiles } from '../../browse/parts/elements.ts';
import { heatMap, mapCell } from '../../browse/parts/map.ts';
import { renderStatic } from '../../browse/parts/static.ts';
import { hardestValue, rejectors } from '../../browse/parts/sums.ts';
import { cellTable, gateTable } from '../../browse/parts/tables.ts';

/** The parts of which page and report are made, as the report writes them. */

const grid = {
  axes: [
    { name: 'age', values: ['0-9', '10-19'], ofCell: [0, 0, 1, 1] },
    { name: 'sex', values: ['female', 'male'], ofCell: [0, 1, 0, 1] },
  ],
  cells: {
    wanted: [4, 4, 4, 0],
    accepted: [4, 2, 4, 0],
    exhausted: [0, 2, 0, 0],
    attempts: [4, 8, 5, 0],
    rejected: { sex: [0, 5, 1, 0], age: [0, 1, 0, 0] },
  },
};
const text = (markup: string): string => markup.replaceAll(/<[^>]*>/g, '|').replaceAll(/\|+/g, '|');

test('no text and no attribute breaks out of its place', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (content, title) => {
      const markup = renderStatic(h('p', { title }, content, null, false));
      const [, quoted, inner] = /^<p title="([^"<>]*)">([^<>]*)<\/p>$/s.exec(markup)!;
      const back = (escaped: string): string =>
        escaped.replaceAll(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => REFERENCES[name]!);
      assert.deepEqual([back(quoted!), back(inner!)], [shown(title), shown(content)]);
    }),
  );
});

const REFERENCES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is replaced
const shown = (raw: string): string => raw.toWellFormed().replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '\uFFFD');

test('what needs a script is refused, and data that looks like an element is text', () => {
  assert.throws(() => renderStatic(h('a', { onClick: () => {} }, 'x')), /onClick cannot stand in a static page/);
  assert.throws(() => renderStatic(h(() => null, null)), /not of components/);
  const forged = { type: 'script', props: { children: 'alert(1)' }, key: null, constructor: undefined };
  assert.doesNotMatch(renderStatic(forged as unknown as string), /<script/);
});

test('elements become HTML: void ones have no end, absent attributes are left out', () => {
  const input = h('input', { type: 'radio', checked: true, disabled: false, name: undefined });
  assert.equal(renderStatic(['a', input, [1, h('br', null)]]), 'a<input type="radio" checked>1<br>');
  assert.equal(text(renderStatic(tiles([['Images', '4', 'of 5']]))), '|Images|4|of 5|');
  assert.equal(text(renderStatic(facts([['Model', 'a', h('code', null, 'b')]]))), '|Model|a|b|');
  assert.match(
    renderStatic(bar(0.25, 'accepted')),
    /class="track" x="0" width="100".*class="accepted" x="0" width="25"/,
  );
});

test('a cell of the map says its count, its quota where it is short, and that it is excluded', () => {
  const note = { share: '50 %', meaning: 'of attempts accepted' };
  const cell = (wanted: number, accepted: number, exhausted: number): string =>
    renderStatic(mapCell({ sum: { wanted, accepted, exhausted }, note, classes: ['n3'] }));
  assert.match(cell(4, 4, 0), /^<td class="n3"><b>4<\/b><span class="quiet"> images, <\/span><small>50 %/);
  assert.match(cell(4, 2, 0), /^<td class="n3"><b>2<\/b>\/4/, 'it still grows');
  assert.match(cell(4, 2, 2), /^<td class="n3 lacking"><b>2<\/b>\/4/);
  assert.equal(
    renderStatic(mapCell({ sum: null, note, classes: ['n0', 'picked'] })),
    '<td class="none picked"><small>excluded</small></td>',
  );
  const map = heatMap({ rows: grid.axes[0]!, columns: null, cell: (row) => h('td', null, String(row)) });
  assert.equal(text(renderStatic(map)), '|Images by age|age|images|0-9|0|10-19|1|');
});

test('tables of gates and cells add up what they are given', () => {
  const gates = [
    { name: 'sex', axis: 'sex', rule: 'as asked' },
    { name: 'degenerate', axis: null, rule: 'finite' },
  ];
  assert.match(
    text(renderStatic(gateTable(grid, [0, 1, 2], gates))),
    /\|sex\|as asked\|6\|35\.3\u00a0%\|male \(62\.5\u00a0% of its attempts\)\|degenerate\|finite\|0\|0\.0\u00a0%\|–\|$/,
  );
  assert.match(
    text(renderStatic(cellTable(grid, [1], { caption: 'One' }))),
    /\|0-9\|male\|2\| of 4\|8\|25\.0\u00a0%\|sex 5, age 1\|$/,
  );
  assert.deepEqual(rejectors(grid, 1), [
    ['sex', 5],
    ['age', 1],
  ]);
  assert.equal(hardestValue(grid, [0, 1, 2], { name: 'sex', axis: 'site' }), null);
  assert.equal(hardestValue(grid, [0], { name: 'sex', axis: 'sex' }), null);
});
