"""Curves as SVG: over the steps of training, and of what a model says against the truth."""

from collections.abc import Mapping
from html import escape
from types import MappingProxyType

WIDTH, HEIGHT = 460, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 8, 30
Points = list[tuple[float, float]]


def chart(
    title: str,
    lines: list[tuple[str, str, Points]],
    x_axis: str = "step",
    unit: bool = False,
    diagonal: bool = False,
    dashes: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """A figure of some lines (name, colour, points), some dashed; nothing where there are no points. A `unit` figure goes from 0 to 1; a diagonal is what chance, or perfect calibration, would be."""
    drawn = [(name, colour, points) for name, colour, points in lines if points]
    if not drawn:
        return ""
    xs = [x for _, _, points in drawn for x, _ in points]
    ys = [y for _, _, points in drawn for _, y in points]
    low, high = min(ys), max(ys)
    pad = (high - low) * 0.06 or 0.05
    low, high = (0.0, 1.0) if unit else (low - pad, high + pad)
    right = 1.0 if unit else max(xs) or 1
    at_x = lambda x: round(LEFT + (WIDTH - LEFT - RIGHT) * x / right, 1)
    at_y = lambda y: round(TOP + (HEIGHT - TOP - BOTTOM) * (high - y) / (high - low), 1)
    grid = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at_y(y)}" y2="{at_y(y)}" stroke="var(--line)"/>'
        f'<text x="{LEFT - 6}" y="{at_y(y) + 4}" text-anchor="end">{y:.2f}</text>'
        for y in (low + (high - low) * part for part in ((0, 0.5, 1) if unit else (0.05, 0.35, 0.65, 0.95)))
    )
    ticks = "".join(
        f'<text x="{at_x(x)}" y="{HEIGHT - 15}" text-anchor="middle">{x:.{1 if unit else 0}f}</text>' for x in (0, right / 2, right)
    )
    chance = f'<line x1="{at_x(0)}" y1="{at_y(low)}" x2="{at_x(right)}" y2="{at_y(high)}" stroke="var(--line)" stroke-dasharray="4 4"/>' if diagonal else ""
    paths = "".join(
        f'<polyline fill="none" stroke="{colour}" stroke-width="1.8"{_dash(dashes.get(name))} stroke-linejoin="round" opacity=".9" points="{" ".join(f"{at_x(x)},{at_y(y)}" for x, y in points)}"/>'
        for name, colour, points in drawn
    )
    names = dict.fromkeys((name, colour) for name, colour, _ in drawn)
    legend = "".join(f"<li>{_sample(colour, dashes.get(name))}{escape(name)}</li>" for name, colour in names)
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'{grid}{ticks}{chance}{paths}<text x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end">{escape(x_axis)}</text></svg><ul class="legend">{legend}</ul></figure>'
    )


def _dash(pattern: str | None) -> str:
    return f' stroke-dasharray="{pattern}"' if pattern else ""


def _sample(colour: str, pattern: str | None) -> str:
    """A piece of a line, for the legend: long enough to show how it is dashed."""
    if not pattern:
        return f'<i style="background:{colour}"></i>'
    width = sum(map(float, pattern.split())) * 2
    return f'<svg class="line" style="width:{width:g}px" viewBox="0 0 {width:g} 4"><line x2="{width:g}" y1="2" y2="2" stroke="{colour}" stroke-width="1.8"{_dash(pattern)}/></svg>'
