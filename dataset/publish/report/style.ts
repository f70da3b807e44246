import { HEAT_CSS, PALETTE_CSS } from '../../../browse/look.ts';

/** The style sheet of the report. */
export const STYLE = `${PALETTE_CSS}${HEAT_CSS}
:root{--gate0:#c2622d;--gate1:#d99a4e;--gate2:#8c6bb1;--gate3:#5b8db8;--gate4:#a8556b;--gate5:#8a8a80}
@media (prefers-color-scheme:dark){:root{--gate0:#d9814f;--gate1:#e3b36f;--gate2:#a88bcb;--gate3:#78a6cf;--gate4:#c97a8e;--gate5:#a3a39a}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 var(--sans)}
main{max-width:70rem;margin:0 auto;padding:clamp(1.5rem,5vw,4rem) clamp(1rem,4vw,2.5rem) 5rem}
h1,h2{font-family:var(--serif);font-weight:600;line-height:1.15;text-wrap:balance;overflow-wrap:anywhere}
h1{font-size:clamp(2rem,6vw,3.25rem);letter-spacing:-.015em;margin:.2rem 0 .6rem}
h2{font-size:1.6rem;letter-spacing:-.01em;margin:0 0 .5rem}
section{margin-top:3.75rem}
b{font-weight:650}
.eyebrow{margin:0;color:var(--accent);font-size:.8125rem;font-weight:650;letter-spacing:.09em;text-transform:uppercase}
.lede{margin:0 0 1.25rem;max-width:44rem;color:var(--muted);text-wrap:pretty}
header .lede{font-size:1.125rem}
.notice{display:inline-block;margin:0;padding:.55rem .9rem;border-left:3px solid var(--warn);background:var(--warn-paper);color:var(--warn);font-size:.9375rem}
.note,figcaption small,td small{color:var(--muted);font-size:.8125rem}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;margin:2.25rem 0 0;border:1px solid var(--line);border-radius:.6rem;overflow:hidden;background:var(--line)}
.tiles>div{padding:1.1rem 1.25rem 1.2rem;background:var(--card)}
.tiles dt{color:var(--muted);font-size:.8125rem}
.tiles dd{margin:0}
.tiles b{display:block;font:600 clamp(1.6rem,4vw,2.25rem)/1.2 var(--serif);letter-spacing:-.02em;font-variant-numeric:lining-nums tabular-nums}
.tiles span{color:var(--muted);font-size:.8125rem}
table{border-collapse:collapse;width:100%;font-size:.875rem;font-variant-numeric:tabular-nums}
caption{overflow-wrap:anywhere;padding:0 0 .5rem;color:var(--muted);font-size:.8125rem;text-align:left}
th,td{padding:.45rem .75rem .45rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:baseline}
thead th{color:var(--muted);font-size:.8125rem;font-weight:500;white-space:nowrap}
tbody th{font-weight:600;white-space:nowrap}
td small{display:block}
.number{text-align:right;white-space:nowrap}
.number+:not(.number){padding-left:1rem}
.cells td{white-space:nowrap}
.rule{min-width:13rem}
.hardest{min-width:11rem}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--accent);outline-offset:3px;border-radius:.25rem}
.short{color:var(--warn)}
.controls{display:flex;flex-wrap:wrap;gap:.75rem 2rem;margin:0 0 1.25rem}
.choices{display:flex;flex-wrap:wrap;gap:.35rem;margin:0;padding:0;border:0;min-width:0}
.choices legend{float:left;margin:.3rem .6rem 0 0;padding:0;color:var(--muted);font-size:.8125rem}
.choices label{position:relative;cursor:pointer}
.choices input{position:absolute;inset:0;width:100%;height:100%;margin:0;opacity:0;cursor:pointer}
.choices span{overflow-wrap:anywhere;display:block;padding:.25rem .7rem;border:1px solid var(--line);border-radius:2rem;background:var(--card);font-size:.875rem}
.choices input:checked+span{border-color:var(--accent);background:var(--accent);color:var(--paper)}
.choices input:focus-visible+span{outline:2px solid var(--accent);outline-offset:2px}
.heat{min-width:min(100%,34rem)}
.heat caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.heat thead th{padding:0 .25rem .25rem}
.heat thead tr:last-child th:first-child{padding-left:0}
.heat thead th[scope=colgroup]{padding-bottom:0}
.heat thead td{padding:0}
.heat tbody th{padding:.4rem .75rem .4rem 0}
.heat tbody td{min-width:5.5rem;padding:.55rem .4rem;color:var(--ink)}
.heat td.none span{padding:0 .2rem;background:var(--paper);color:var(--muted);font-size:.75rem}
.scale{margin:1rem 0 0}
.scale i{width:1.4rem}
.scale.rate{display:none}
.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(7.2rem,1fr));gap:1.1rem .8rem}
figure{margin:0;min-width:0}
figure img{display:block;width:100%;height:auto;border-radius:.35rem;background:#000}
figcaption{margin-top:.35rem;font-size:.75rem;line-height:1.35;overflow-wrap:anywhere}
figcaption small{display:block;font-size:.6875rem;font-variant-numeric:tabular-nums}
.stack{display:block;width:100%;margin-top:1rem;height:1.75rem;border-radius:.35rem;overflow:hidden}
.stack rect{stroke:var(--paper);stroke-width:2px;vector-effect:non-scaling-stroke}
.accepted{fill:var(--accent)}.gate0{fill:var(--gate0)}.gate1{fill:var(--gate1)}.gate2{fill:var(--gate2)}.gate3{fill:var(--gate3)}.gate4{fill:var(--gate4)}.gate5{fill:var(--gate5)}
.track{fill:var(--line)}
.legend{overflow-wrap:anywhere;display:flex;flex-wrap:wrap;gap:.3rem 1.5rem;margin:.9rem 0 1.75rem;padding:0;list-style:none;font-size:.875rem;font-variant-numeric:tabular-nums}
.legend svg{width:.7rem;height:.7rem;margin-right:.45rem}
.legend span{color:var(--muted)}
.bar{display:block;width:100%;height:.45rem;border-radius:1rem;overflow:hidden}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:2rem 3rem;align-items:start}
.bars caption{font-weight:650;color:var(--ink);font-size:.9375rem}
.bars td,.bars th{vertical-align:middle}
.bars{table-layout:fixed}
.bars thead th{position:relative;width:auto;padding:0;border:0}
.bars thead th:first-child{width:30%}
.bars thead th:nth-child(3){width:4.75rem}
.bars thead th:last-child{width:7rem}
.bars tbody th{white-space:normal;overflow-wrap:anywhere}
.bars td:last-child{padding-right:0;white-space:normal}
.bars .of{color:var(--muted)}
.quiet{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.meter{width:6rem;min-width:4rem;vertical-align:middle}
details{margin-top:1rem}
summary{padding:.4rem 0;color:var(--accent);font-weight:600;cursor:pointer}
.facts{margin:0;border-top:1px solid var(--line)}
.facts>div{display:grid;grid-template-columns:9rem 1fr;gap:.1rem 1rem;padding:.55rem 0;border-bottom:1px solid var(--line)}
.facts dt{color:var(--muted);font-size:.875rem}
.facts dd{grid-column:2;margin:0;min-width:0;overflow-wrap:anywhere}
code{font:.8125rem/1.5 var(--mono);overflow-wrap:anywhere}
.prose{max-width:44rem;margin:0;padding-left:1.1rem}
.prose li{margin:.4rem 0}
@media (max-width:44rem){
section{margin-top:2.75rem}
.tiles{grid-template-columns:repeat(2,1fr)}
.tiles>div{padding:.8rem .9rem .9rem}
.facts>div{grid-template-columns:1fr}
.facts dd{grid-column:1}
.choices legend{float:none;width:100%;margin:0 0 .25rem}
.heat tbody td{min-width:4rem;padding:.45rem .2rem}
.bars thead th:first-child{width:40%}
.bars td:nth-child(3){padding-right:0}
.bars :is(th,td):last-child{display:none}
.sheet{grid-template-columns:repeat(auto-fill,minmax(5.5rem,1fr));gap:.9rem .6rem}
}
@media print{.controls,.scale{display:none}details{display:none}section{break-inside:avoid-page}}
`;
