"""Draws a frontal chest phantom: 128 x 128 grey levels from implicit shapes, no data, about 2 ms an image.

Coordinates: x to the right and y down, both -1..1 over the film, so 1 px is 1/64. The patient faces the viewer: the
patient's right is on the left of the film. Brightness is 0 (air) to 1 (white); shapes are float32 masks [128, 128] in 0..1.
Nothing that carries meaning is finer than about 10 px, because an f8 autoencoder does not keep it.
"""

import numpy as np

from .people import AGE_RANGE, Person

SIZE = 128
SPREAD = 6.5  # years
_AXIS = ((np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE * 2 - 1).astype(np.float32)
_Y, _X = np.meshgrid(_AXIS, _AXIS, indexing="ij")


def render(person: Person, rng: np.random.Generator) -> np.ndarray:
    """One film of `person` with random pose, proportions, exposure and noise: uint8 [128, 128]."""
    x, y = _pose(rng)
    age = _apparent_age(person.age, rng)
    man = rng.uniform(0.64, 1.0) if person.sex == "male" else rng.uniform(0.0, 0.36)
    vary = lambda amount: 1 + rng.uniform(-amount, amount)

    film = np.full_like(x, 0.03)
    film += 0.40 * _torso(x, y, man, vary)
    film += 0.16 * max(0.0, 1 - 2 * man) * _breasts(x, y, vary)

    lungs = {side: _lung(x, y, side, age, vary) for side in ("left", "right")}
    air = lungs["left"] + lungs["right"]
    film -= 0.30 * vary(0.08) * air
    film += (0.26 - 0.22 * age) * vary(0.12) * _ribs(x, y, rng) * air
    film += (0.26 - 0.17 * age) * _clavicles(x, y, vary)
    film += (0.22 - 0.10 * age) * _column(x, y, 0.10)
    film = _over(film, 0.58, _column(x, y, (0.13 + 0.12 * age) * vary(0.10)) * _smooth(0.55 - y, 0.2))
    film = _over(film, 0.60 + 0.22 * age, _aortic_knob(x, y, age, vary))
    film = _over(film, 0.60, _heart(x, y, person, rng))
    if "opacity" in person.findings:
        level = rng.uniform(0.46, 0.62) if person.degree == "slight" else rng.uniform(0.62, 0.80)
        film = _over(film, level, _patch(x, y, person, rng) * lungs[person.side])
    if "effusion" in person.findings:
        film = _over(film, rng.uniform(0.66, 0.78), _fluid(x, y, person, rng) * _chest_side(x, y, person.side, age))

    film = _expose(film, rng)
    film = _over(film, rng.uniform(0.75, 0.98), _marker(person.race, rng))
    film += rng.normal(0, 0.008, film.shape).astype(np.float32)
    return (np.clip(film, 0, 1) * 255 + 0.5).astype(np.uint8)


def _apparent_age(years: int, rng) -> float:
    """How old the chest looks, 0..1 over AGE_RANGE: people of one age differ by a standard deviation of SPREAD years."""
    low, high = AGE_RANGE
    return float(np.clip((years + rng.normal(0, SPREAD) - low) / (high - low), -0.1, 1.1))


def _smooth(distance: np.ndarray, width: float) -> np.ndarray:
    """Mask of distance > 0 with an edge `width` wide (smoothstep)."""
    t = np.clip(distance / width + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def _over(film: np.ndarray, level: float, mask: np.ndarray) -> np.ndarray:
    """Paints a constant grey level over the film where the mask is 1."""
    return film + (level - film) * mask


def _ellipse(x, y, cx, cy, rx, ry, edge=0.05):
    """Filled ellipse; the edge width is about `edge` at the shorter radius."""
    radius = np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2)
    return _smooth((1 - radius) * min(rx, ry), edge)


def _pose(rng):
    """Film coordinates seen from a body that is slightly turned, scaled and shifted."""
    angle, scale = rng.normal(0, 0.025), rng.uniform(0.94, 1.05)
    dx, dy = rng.normal(0, 0.025, 2)
    c, s = np.float32(np.cos(angle) / scale), np.float32(np.sin(angle) / scale)
    xc, yc = _X - np.float32(dx), _Y - np.float32(dy)
    return c * xc + s * yc, c * yc - s * xc


def _torso(x, y, man, vary):
    """Neck, shoulders and trunk, from 0 (narrow shoulders, a waist and wider hips) to 1 (wide shoulders that taper)."""
    down = np.clip((y + 0.55) / 1.55, 0, 1)  # 0 at the shoulders, 1 at the lower edge
    wide = 0.97 - 0.19 * down
    narrow = 0.79 - 0.10 * np.sin(np.pi * down) + 0.12 * down**2
    trunk = (man * wide + (1 - man) * narrow) * vary(0.03)
    rise = np.clip((y + 0.95) / 0.42, 0, 1)  # 0 at the neck, 1 at the shoulders
    half = 0.20 + (trunk - 0.20) * np.sqrt(rise * (2 - rise))
    return _smooth(half - np.abs(x), 0.06)


def _breasts(x, y, vary):
    """Two round shadows over the lower chest with a clear lower border."""
    size, height = 0.30 * vary(0.12), 0.34 + 0.05 * (vary(1) - 1)
    ax = np.abs(x)
    disc = _ellipse(ax, y, 0.42, height, size, size * 0.95)
    return disc * (0.55 + 0.45 * _smooth(y - height + 0.1, 0.3))


def _lung_frame(side, age):
    """Centre x, apex y, half width and base y of a lung. Age (0..1): the chest gets shorter and wider (kyphosis)."""
    sign = 1 if side == "left" else -1
    base = 0.56 if side == "left" else 0.50
    return sign * (0.36 + 0.03 * age), -0.78 + 0.30 * age, 0.27 + 0.06 * age, base


def _lung(x, y, side, age, vary):
    """A tall rounded field that ends on its diaphragm dome."""
    cx, top, half, base = _lung_frame(side, age)
    top, half = top + 0.03 * (vary(1) - 1), half * vary(0.05)
    u = (x - cx) / half
    middle, tall = (top + base) / 2 + 0.12, (base - top) / 2 + 0.16
    v = np.clip((y - middle) / tall, -1, 1)
    sides = _smooth((1 - np.abs(u) ** 2.6 - np.abs(v) ** 2.6) * 0.16, 0.06)
    dome = base - 0.14 * vary(0.2) * np.clip(1 - (u + (0.2 if side == "left" else -0.2)) ** 2, -1, 1)
    return sides * _smooth(dome - y, 0.05)


def _ribs(x, y, rng):
    """Broad bright bands that fall off to the sides, 14 px apart, in -0.4..1 around a mean of 0."""
    phase = rng.uniform(-0.5, 0.5)
    band = np.cos((y - 0.45 * np.abs(x) ** 1.5) * (2 * np.pi / 0.22) + phase)
    return 0.5 * band + 0.1


def _clavicles(x, y, vary):
    """Two oblique bars above the lungs."""
    ax = np.abs(x)
    line = -0.60 * vary(0.05) - 0.20 * (ax - 0.35)
    return _smooth(0.055 - np.abs(y - line), 0.05) * _smooth(ax - 0.10, 0.08) * _smooth(0.66 - ax, 0.08)


def _column(x, y, half):
    """A vertical band around the midline (spine, mediastinum), `half` wide to each side."""
    return _smooth(half - np.abs(x), 0.06)


def _aortic_knob(x, y, age, vary):
    """The aortic arch at the upper left mediastinum: grows and whitens (calcifies) with age."""
    radius = (0.05 + 0.15 * age) * vary(0.06)
    return _ellipse(x, y, 0.10 + 0.10 * age, -0.33 + 0.05 * age, radius, radius * 1.1)


def _heart(x, y, person, rng):
    """A tilted ellipse, under half of the inner chest's width; enlarged it takes 0.53 to 0.6, markedly up to 0.75."""
    if "cardiomegaly" not in person.findings:
        half = rng.uniform(0.25, 0.305)
    else:
        half = rng.uniform(0.345, 0.40) if person.degree == "slight" else rng.uniform(0.40, 0.50)
    cx, cy = 0.06 + 0.16 * half, 0.30 - 0.12 * (half - 0.27)
    c, s = np.cos(0.35), np.sin(0.35)
    xr, yr = c * (x - cx) + s * (y - cy), c * (y - cy) - s * (x - cx)
    return _ellipse(xr, yr, 0, 0, half, 0.24 + 0.45 * (half - 0.27), 0.06)


def _patch(x, y, person, rng):
    """A lobar consolidation: two merged soft blobs in the upper or lower zone of one lung."""
    sign = 1 if person.side == "left" else -1
    cx = sign * (0.40 + rng.uniform(-0.04, 0.06))
    cy = rng.uniform(-0.38, -0.28) if person.zone == "upper" else rng.uniform(0.02, 0.12)
    size = rng.uniform(0.15, 0.22)
    ox, oy = rng.uniform(-0.09, 0.09, 2)
    first = _ellipse(x, y, cx, cy, size, size * 0.9, 0.12)
    return np.maximum(first, _ellipse(x, y, cx + ox, cy + oy, size * 0.9, size, 0.12))


def _chest_side(x, y, side, age):
    """The half of the chest cavity an effusion can fill, down to the costophrenic angle."""
    cx, top, half, base = _lung_frame(side, age)
    inside = _smooth((half * 1.02 - np.abs(x - cx)), 0.06)
    return inside * _smooth(y - top - 0.3, 0.2) * _smooth(base + 0.02 - y, 0.30)


def _fluid(x, y, person, rng):
    """Pleural fluid: white below a level that climbs towards the chest wall (meniscus), blunting the angle."""
    sign = 1 if person.side == "left" else -1
    level = rng.uniform(0.26, 0.40) if person.degree == "slight" else rng.uniform(0.02, 0.26)
    outward = np.clip((sign * x - 0.15) / 0.48, 0, 1)  # 0 at the heart, 1 at the chest wall
    surface = level + 0.06 - 0.30 * outward**2.2
    return _smooth(y - surface, 0.07)


def _expose(film, rng):
    """Exposure: gain, offset, gamma, and a slow shading across the film."""
    tilt = rng.normal(0, 0.02, 2)
    film = film * rng.uniform(0.92, 1.08) + rng.uniform(-0.02, 0.03) + tilt[0] * _X + tilt[1] * _Y
    return np.clip(film, 0, 1).astype(np.float32) ** rng.uniform(0.90, 1.12)


def _marker(race, rng):
    """The film marker in the upper left corner: an arbitrary code for the race axis, with no meaning in anatomy."""
    cx, cy = np.array([-0.76, -0.78]) + rng.normal(0, 0.015, 2)
    ax, ay = np.abs(_X - cx), np.abs(_Y - cy)
    if race == "WHITE":
        return _smooth(0.155 - np.hypot(ax, ay), 0.05)
    if race == "BLACK":
        return _smooth(0.205 - ax, 0.05) * _smooth(0.075 - ay, 0.05)
    if race == "ASIAN":
        return _smooth(0.075 - ax, 0.05) * _smooth(0.205 - ay, 0.05)
    outer = np.maximum(ax, ay)  # HISPANIC: a square ring
    return _smooth(0.20 - outer, 0.05) * _smooth(outer - 0.105, 0.05)
