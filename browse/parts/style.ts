import { PALETTE_CSS, SHADES } from '../look.ts';

/** The rules that the page of `cohortfarm browse` and the report share. */

const BASE = `*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 var(--sans)}
h1,h2{margin:0;font-family:var(--serif);font-weight:600;line-height:1.15;text-wrap:balance;overflow-wrap:anywhere}
h1{letter-spacing:-.015em}
h2{letter-spacing:-.01em}
b{font-weight:650}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:.25rem}
.eyebrow{margin:0;color:var(--accent);font-size:.8125rem;font-weight:650;letter-spacing:.09em;text-transform:uppercase}
.lede{color:var(--muted);overflow-wrap:anywhere;text-wrap:pretty}
.note,td small{color:var(--muted);font-size:.8125rem}
.short{color:var(--warn)}
.quiet{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
summary{color:var(--accent);font-weight:600;cursor:pointer}
`;

const TABLES = `table{border-collapse:collapse;width:100%;font-size:.875rem;font-variant-numeric:tabular-nums}
caption{overflow-wrap:anywhere;padding:0 0 .5rem;color:var(--muted);font-size:.8125rem;text-align:left}
th,td{padding:.45rem .75rem .45rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:baseline}
thead th{position:relative;color:var(--muted);font-size:.8125rem;font-weight:500}
tbody th{font-weight:600}
td small{display:block}
.number{text-align:right;white-space:nowrap}
.number+:not(.number){padding-left:1rem}
.rule{min-width:13rem}
.hardest{min-width:11rem}
.cells :is(tbody th,td){white-space:nowrap}
.meter{width:6rem;min-width:4rem;vertical-align:middle}
.scroll{overflow-x:auto}
`;

const PARTS = `.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;border:1px solid var(--line);border-radius:.6rem;overflow:hidden;background:var(--line)}
.tiles>div{background:var(--card)}
.tiles :is(dt,span){color:var(--muted);font-size:.8125rem}
.tiles dd{margin:0}
.tiles b{font-family:var(--serif);font-weight:600;line-height:1.2;font-variant-numeric:lining-nums tabular-nums}
.facts{margin:0;border-top:1px solid var(--line)}
.facts>div{display:grid;gap:.1rem 1rem;border-bottom:1px solid var(--line)}
.facts dt{color:var(--muted);font-size:.875rem;overflow-wrap:anywhere}
.facts dd{grid-column:2;margin:0;min-width:0;overflow-wrap:anywhere}
.sheet{display:grid;margin:0;padding:0;list-style:none}
.tile{position:relative;min-width:0}
.tile img{display:block;width:100%;height:auto;border-radius:.35rem;background:#000}
.caption{display:block;margin-top:.25rem;font-size:.75rem;line-height:1.35;overflow-wrap:anywhere}
.caption small{display:block;color:var(--muted);font-size:.6875rem;font-variant-numeric:tabular-nums}
.bar{display:block;width:100%;height:.45rem;border-radius:1rem;overflow:hidden}
.track{fill:var(--line)}
.accepted{fill:var(--accent)}
@media (max-width:44rem){.tiles{grid-template-columns:repeat(2,1fr)}.tiles b{display:block}}
`;

/**
 * The heat map in a region that scrolls sideways. The spacing around the outer cells is taken back on three sides; taken back
 * below, the rows would be higher than their region, which would then scroll up and down.
 */
const MAP = `.heat{width:auto;border-collapse:separate;border-spacing:3px;margin:-3px -3px 0}
.heat th,.heat td{border:0}
.heat thead th{text-align:center}
.heat thead tr:last-child th:first-child{padding-left:0;text-align:left}
.heat thead th[scope=colgroup],.heat thead tr:last-child th:first-child{color:var(--ink);font-weight:650}
.heat tbody th{vertical-align:middle}
.heat td{border-radius:.35rem;text-align:center}
.heat td b{font-size:1rem}
.heat td small{color:inherit;font-size:.75rem}
.heat td.lacking{box-shadow:inset 0 -3px var(--warn)}
.heat td{position:relative}
.heat td.none{background:repeating-linear-gradient(135deg,transparent 0 5px,var(--line) 5px 6px)}
.scale{display:flex;align-items:center;gap:.2rem;color:var(--muted);font-size:.8125rem}
.scale i{height:.7rem;border-radius:.15rem}
.scale span:first-child{margin-right:.4rem}
.scale span:last-child{margin-left:.4rem}
.heat td.none small{display:inline;padding:0 .2rem;background:var(--paper);color:var(--muted)}
`;

const shades = Array.from({ length: SHADES }, (_, i) => `.n${i}{background:var(--shade-${i})}`).join('');

export const PARTS_CSS = `${PALETTE_CSS}${BASE}${TABLES}${PARTS}${MAP}${shades}
`;
