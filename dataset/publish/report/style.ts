/** The rules that the report adds to those that it shares with the page of `cohortfarm browse`. */
export const STYLE = `:root{--gate0:#c2622d;--gate1:#d99a4e;--gate2:#8c6bb1;--gate3:#5b8db8;--gate4:#a8556b;--gate5:#8a8a80}
@media (prefers-color-scheme:dark){:root{--gate0:#d9814f;--gate1:#e3b36f;--gate2:#a88bcb;--gate3:#78a6cf;--gate4:#c97a8e;--gate5:#a3a39a}}
main{max-width:70rem;margin:0 auto;padding:clamp(1.5rem,5vw,4rem) clamp(1rem,4vw,2.5rem) 5rem}
h1{font-size:clamp(2rem,6vw,3.25rem);margin:.2rem 0 .6rem}
h2{font-size:1.6rem;margin:0 0 .5rem}
section{margin-top:3.75rem}
.lede{margin:0 0 1.25rem;max-width:44rem}
header .lede{font-size:1.125rem}
.notice{display:inline-block;margin:0;padding:.55rem .9rem;border-left:3px solid var(--warn);background:var(--warn-paper);color:var(--warn);font-size:.9375rem}
.tiles{margin:2.25rem 0 0}
.tiles>div{padding:1.1rem 1.25rem 1.2rem}
.tiles b{display:block;font-size:clamp(1.6rem,4vw,2.25rem);letter-spacing:-.02em}
thead th,tbody th{white-space:nowrap}
.controls{display:flex;flex-wrap:wrap;gap:.75rem 2rem;margin:0 0 1.25rem}
.choices{display:flex;flex-wrap:wrap;gap:.35rem;margin:0;padding:0;border:0;min-width:0}
.choices legend{float:left;margin:.3rem .6rem 0 0;padding:0;color:var(--muted);font-size:.8125rem}
.choices label{position:relative;cursor:pointer}
.choices input{position:absolute;inset:0;width:100%;height:100%;margin:0;opacity:0;cursor:pointer}
.choices span{overflow-wrap:anywhere;display:block;padding:.25rem .7rem;border:1px solid var(--line);border-radius:2rem;background:var(--card);font-size:.875rem}
.choices input:checked+span{border-color:var(--accent);background:var(--accent);color:var(--paper)}
.choices input:focus-visible+span{outline:2px solid var(--accent);outline-offset:2px}
.heat{min-width:min(100%,34rem)}
.heat thead th{padding:0 .25rem .25rem}
.heat thead th[scope=colgroup]{padding-bottom:0}
.heat thead td{padding:0}
.heat tbody th{padding:.4rem .75rem .4rem 0}
.heat tbody td{min-width:5.5rem;padding:.55rem .4rem;color:var(--ink)}
.scale{margin:1rem 0 0}
.scale i{width:1.4rem}
.scale.rate{display:none}
.sheet{grid-template-columns:repeat(auto-fill,minmax(7.2rem,1fr));gap:1.1rem .8rem}
.stack{display:block;width:100%;margin-top:1rem;height:1.75rem;border-radius:.35rem;overflow:hidden}
.stack rect{stroke:var(--paper);stroke-width:2px;vector-effect:non-scaling-stroke}
.gate0{fill:var(--gate0)}.gate1{fill:var(--gate1)}.gate2{fill:var(--gate2)}.gate3{fill:var(--gate3)}.gate4{fill:var(--gate4)}.gate5{fill:var(--gate5)}
.legend{overflow-wrap:anywhere;display:flex;flex-wrap:wrap;gap:.3rem 1.5rem;margin:.9rem 0 1.75rem;padding:0;list-style:none;font-size:.875rem;font-variant-numeric:tabular-nums}
.swatch{width:.7rem;height:.7rem;margin-right:.45rem}
.legend span{color:var(--muted)}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:2rem 3rem;align-items:start}
.bars{table-layout:fixed}
.bars caption{font-weight:650;color:var(--ink);font-size:.9375rem}
.bars td,.bars th{vertical-align:middle}
.bars thead th{width:auto;padding:0;border:0}
.bars thead th:first-child{width:30%}
.bars thead th:nth-child(3){width:4.75rem}
.bars thead th:last-child{width:7rem}
.bars tbody th{white-space:normal;overflow-wrap:anywhere}
.bars td:last-child{padding-right:0;white-space:normal}
.bars .of{color:var(--muted)}
details{margin-top:1rem}
summary{padding:.4rem 0}
.facts>div{grid-template-columns:9rem 1fr;padding:.55rem 0}
code{font:.8125rem/1.5 var(--mono);overflow-wrap:anywhere}
.prose{max-width:44rem;margin:0;padding-left:1.1rem}
.prose li{margin:.4rem 0}
@media (max-width:44rem){
section{margin-top:2.75rem}
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
