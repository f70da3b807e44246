"""Pieces of the page: numbers, intervals, tiles."""

import re
from html import escape
from typing import Any

Estimate = dict[str, float | None]

ARM_NAMES = {
    "RealOnly": "Real only",
    "RealOnlyEqualCompute": "Real only, at equal compute",
    "RealOnlyReweighted": "Real only, groups weighed alike",
    "RealOnlyGroupDRO": "Real only, worst groups first",
    "Mixed": "Real and synthetic, mixed",
    "MixedFinetune": "Mixed, then finetune",
    "SyntheticOnly": "Synthetic only",
    "PretrainFinetune": "Pretrain, then finetune",
    "PretrainFinetuneReplay": "Pretrain, then finetune with replay",
    "PretrainFinetuneBalanced": "Pretrain, then finetune, groups drawn alike",
}


def arm_name(arm: str, cohort: str | None) -> str:
    """An arm, with its synthetic cohort where several are compared."""
    return ARM_NAMES[arm] if cohort is None else f"{ARM_NAMES[arm]} ({cohort})"


STARTS = {"Scratch": "from random weights", "Weights": "from given weights"}
MINUS = "\u2212"


def number(value: float | None, digits: int = 3, signed: bool = False) -> str:
    if value is None:
        return "\u2013"
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return text.replace("-", MINUS)


def with_interval(found: Estimate) -> str:
    """`0.912 (0.899 to 0.925)`, or the value alone where there is no interval."""
    value = number(found["value"])
    return value if found["low"] is None or found["high"] is None else f"{value} ({interval(found)})"


def interval(found: Estimate, signed: bool = False) -> str:
    if found["low"] is None or found["high"] is None:
        return "no interval"
    return f"{number(found['low'], signed=signed)} to {number(found['high'], signed=signed)}"


def cell(found: Estimate | None, scale: tuple[float, float] | None = None) -> str:
    """A table cell: the value, its interval, and where the two lie on a scale."""
    if found is None:
        return '<td><b>\u2013</b><small>too few</small></td>'
    drawn = whisker(found, scale) if scale else ""
    return f"<td><b>{number(found['value'])}</b><small>{interval(found)}</small>{drawn}</td>"


WIDTH, HEIGHT = 110, 10  # pixels of a whisker


def whisker(found: Estimate, scale: tuple[float, float]) -> str:
    """The interval as a line with the value as a dot, on a scale that its column shares."""
    low, high = scale
    place = lambda value: round(4 + (WIDTH - 8) * (value - low) / max(high - low, 1e-9), 1)
    ends = "" if found["low"] is None else f'<line x1="{place(found["low"])}" x2="{place(found["high"])}" y1="5" y2="5" stroke="var(--accent)" stroke-width="2"/>'
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" aria-hidden="true"><line x1="0" x2="{WIDTH}" y1="5" y2="5" stroke="var(--line)"/>'
        f'{ends}<circle cx="{place(found["value"])}" cy="5" r="3.5" fill="var(--accent)"/></svg>'
    )


def scale_of(estimates: list[Estimate | None]) -> tuple[float, float]:
    """From the lowest to the highest end of all intervals."""
    ends = [end for found in estimates if found for end in (found["low"], found["high"], found["value"]) if end is not None]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)


def tiles(entries: list[tuple[str, str]]) -> str:
    return '<dl class="tiles">' + "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in entries) + "</dl>"


def table(head: list[str], rows: list[str]) -> str:
    """On a narrow screen each row is a list below its name, and each cell says its column."""
    heads = "".join(f"<th scope=col>{escape(name)}</th>" for name in head)
    body = "".join(_with_columns(one, head[1:] if "<th" in one else head) for one in rows)
    return f'<div class="scroll" tabindex="0"><table class="listed"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _with_columns(cells: str, columns: list[str]) -> str:
    named = iter(columns)
    return re.sub("<td", lambda found: f'{found[0]} data-column="{escape(next(named, ""))}"', cells)


def row(name: str, note: str, cells: list[str]) -> str:
    small = f"<small>{escape(note)}</small>" if note else ""
    return f"<tr><th scope=row>{escape(name)}{small}</th>{''.join(cells)}</tr>"


def section(title: str, lede: str, body: str) -> str:
    return f'<section><h2>{escape(title)}</h2><p class="lede">{escape(lede)}</p>{body}</section>'


def sites_of(entries: list[dict[str, Any]]) -> list[str]:
    """Names of the sites, in order, all together last."""
    return list(dict.fromkeys(entry["site"] for entry in entries))
