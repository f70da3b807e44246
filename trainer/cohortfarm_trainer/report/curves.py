"""Curves over the steps of training, as SVG."""

from html import escape

WIDTH, HEIGHT = 460, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 8, 30
Points = list[tuple[float, float]]


def chart(title: str, lines: list[tuple[str, str, Points]]) -> str:
    """A figure of some lines (name, colour, points); nothing where there are no points."""
    drawn = [(name, colour, points) for name, colour, points in lines if points]
    if not drawn:
        return ""
    xs = [x for _, _, points in drawn for x, _ in points]
    ys = [y for _, _, points in drawn for _, y in points]
    low, high = min(ys), max(ys)
    pad = (high - low) * 0.06 or 0.05
    low, high = low - pad, high + pad
    right = max(xs) or 1
    at_x = lambda x: round(LEFT + (WIDTH - LEFT - RIGHT) * x / right, 1)
    at_y = lambda y: round(TOP + (HEIGHT - TOP - BOTTOM) * (high - y) / (high - low), 1)
    grid = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at_y(y)}" y2="{at_y(y)}" stroke="var(--line)"/>'
        f'<text x="{LEFT - 6}" y="{at_y(y) + 4}" text-anchor="end">{y:.2f}</text>'
        for y in (low + (high - low) * part for part in (0.05, 0.35, 0.65, 0.95))
    )
    ticks = "".join(
        f'<text x="{at_x(x)}" y="{HEIGHT - 12}" text-anchor="middle">{x:.0f}</text>' for x in (0, right / 2, right)
    )
    paths = "".join(
        f'<polyline fill="none" stroke="{colour}" stroke-width="1.8" stroke-linejoin="round" opacity=".9" points="{" ".join(f"{at_x(x)},{at_y(y)}" for x, y in points)}"/>'
        for _, colour, points in drawn
    )
    names = dict.fromkeys((name, colour) for name, colour, _ in drawn)
    legend = "".join(f'<li><i style="background:{colour}"></i>{escape(name)}</li>' for name, colour in names)
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'{grid}{ticks}{paths}<text x="{WIDTH - RIGHT}" y="{HEIGHT}" text-anchor="end">step</text></svg><ul class="legend">{legend}</ul></figure>'
    )
