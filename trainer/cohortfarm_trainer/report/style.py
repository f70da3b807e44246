"""The style sheet of the report, in the colours of CohortFarm's other pages."""

from .palette import PALETTE

STYLE = (
    PALETTE
    + """
:root{--c0:#59635c;--c1:#b4541f;--c2:#7a5aa6;--c3:#1d6b49;--c4:#2f6f9f;--c5:#8a6500;--c6:#a3316f;--c7:#7d4a3a;--c8:#3b3bc4;--c9:#0f8a8a;--h0:#fbf3ea;--h1:#f7e3cf;--h2:#f2d0b0;--h3:#ecbb8f;--h4:#e5a56f;--h5:#dc8f55}
@media (prefers-color-scheme:dark){:root{--c0:#a0aaa3;--c1:#e08a55;--c2:#b39bd6;--c3:#6fc79a;--c4:#7db3dd;--c5:#d8b04a;--c6:#e58ab8;--c7:#c79a88;--c8:#9a9af0;--c9:#5cc8c8;
--h0:#231c17;--h1:#33261c;--h2:#453020;--h3:#573a24;--h4:#6a4427;--h5:#7d4e2a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 var(--sans)}
main{max-width:72rem;margin:0 auto;padding:clamp(1.5rem,4vw,3.5rem) clamp(1rem,4vw,2.5rem) 5rem}
h1,h2,h3{font-family:var(--serif);font-weight:600;line-height:1.15;overflow-wrap:anywhere}
h1{font-size:clamp(2rem,5vw,3rem);letter-spacing:-.015em;margin:.2rem 0 .6rem}
h2{font-size:1.6rem;margin:0 0 .4rem}
h3{font-size:1.1rem;margin:1.75rem 0 .5rem}
section{margin-top:3.25rem}
.eyebrow{margin:0;color:var(--accent);font-size:.8125rem;font-weight:650;letter-spacing:.09em;text-transform:uppercase}
.lede{margin:0 0 1.1rem;max-width:46rem;color:var(--muted)}
.note{color:var(--muted);font-size:.8125rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:1px;margin:2rem 0 0;border:1px solid var(--line);
border-radius:.6rem;overflow:hidden;background:var(--line)}
.tiles>div{padding:1rem 1.15rem;background:var(--card)}
.tiles dt{color:var(--muted);font-size:.8125rem}
.tiles dd{margin:0;font:600 1.8rem/1.2 var(--serif);font-variant-numeric:lining-nums tabular-nums}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{padding:.45rem .9rem .45rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
thead th{color:var(--muted);font-size:.8125rem;font-weight:500;white-space:nowrap}
tbody th{font-weight:600;min-width:13rem}
tbody th small{display:block;color:var(--muted);font-weight:400}
td b{font-weight:650;font-size:1rem}
td small{display:block;color:var(--muted);white-space:nowrap}
td svg{display:block;margin-top:.2rem}
tr.group th{padding-top:1.1rem;color:var(--accent);font-size:.8125rem;border:0}
.better{color:var(--accent)}.worse{color:var(--warn)}
.heat{width:auto;border-collapse:separate;border-spacing:3px;margin:0 0 0 -3px}
.heat th,.heat td{border:0}
.heat thead th{text-align:center;padding:0 .25rem .2rem}
.heat tbody th{min-width:0;padding:.35rem .5rem .35rem 0;font-size:.8125rem;vertical-align:middle;white-space:nowrap}
.heat th span{white-space:nowrap}
.heat td{min-width:4.2rem;padding:.4rem .3rem;border-radius:.35rem;text-align:center;color:var(--ink)}
.heat td small{color:inherit}
.heat td.out{background:repeating-linear-gradient(135deg,transparent 0 5px,var(--line) 5px 6px)}
.heat td.out b{font-weight:500;color:var(--muted)}
.maps{display:grid;grid-template-columns:repeat(auto-fit,minmax(30rem,1fr));gap:1rem 2.5rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(26rem,1fr));gap:1.5rem 2.5rem}
.maps>div{min-width:0}
figure{margin:0}
figure svg{width:100%;height:auto}
figcaption{font-weight:600;margin-bottom:.4rem}
svg text{fill:var(--muted);font:11px var(--sans)}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;margin:.4rem 0 0;padding:0;list-style:none;font-size:.8125rem}
.legend .line{display:inline-block;height:4px;margin-right:.4rem;vertical-align:middle}
.legend i{display:inline-block;width:1.1rem;height:.2rem;margin-right:.4rem;vertical-align:middle}
details{margin-top:1rem}
summary{cursor:pointer;color:var(--accent)}
@media (max-width:40rem){.maps,.charts{grid-template-columns:1fr}
.heat td{min-width:2.9rem;padding:.35rem .1rem}
.heat td small{font-size:.7rem}
.heat thead th{font-size:.68rem}
.heat tbody th{white-space:normal}
.listed thead{display:none}
.listed,.listed tbody{display:block}
.listed tr{display:grid;grid-template-columns:repeat(auto-fill,minmax(7.5rem,1fr));gap:.35rem .8rem;padding:.7rem 0;border-bottom:1px solid var(--line)}
.listed tbody th{grid-column:1/-1;min-width:0}
.listed th,.listed td{padding:0;border:0}
.listed td[data-column]::before{content:attr(data-column);display:block;color:var(--muted);font-size:.75rem}}
"""
)
