"""The heat map: a rate of error in each cell of a grouping, rows by all axes but the last, columns by the last."""

from html import escape
from typing import Any

SHADES = 6


def heat_map(cells: list[dict[str, Any]]) -> str:
    """`cells` have cell, of, smoothed and counted, as in metrics.json."""
    if not cells:
        return '<p class="note">No subgroups are known.</p>'
    axes = list(cells[0]["cell"])
    rows = sorted({tuple(one["cell"][axis] for axis in axes[:-1]) for one in cells})
    columns = sorted({one["cell"][axes[-1]] for one in cells})
    by_place = {(tuple(one["cell"][axis] for axis in axes[:-1]), one["cell"][axes[-1]]): one for one in cells}
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr><th scope=row>{', '.join(f'<span>{escape(value)}</span>' for value in row) or 'all'}</th>{''.join(_cell(by_place.get((row, column))) for column in columns)}</tr>"
        for row in rows
    )
    return f'<div class="scroll" tabindex="0"><table class="heat"><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(one: dict[str, Any] | None) -> str:
    if one is None:
        return '<td class="out"><small>none</small></td>'
    if not one["counted"]:
        return f'<td class="out"><b>{one["smoothed"]:.2f}</b><small>of {one["of"]}</small></td>'
    shade = min(SHADES - 1, int(one["smoothed"] * 2 * SHADES))
    return f'<td style="background:var(--h{shade})"><b>{one["smoothed"]:.2f}</b><small>of {one["of"]}</small></td>'


NOTE = (
    "Each cell: smoothed rate, (errors + 0.5) / (images + 1), and how many images could be such an error. Hatched cells have "
    "fewer than 20, or are of an unknown group, and do not count in the gap. The darkest shade begins at 0.42."
)
