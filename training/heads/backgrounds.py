"""What stands behind a head in a photo: walls, windows, greenery, evening lights, all out of focus or nearly so."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

Array = np.ndarray


def draw_background(rng: np.random.Generator, size: int) -> Array:
    """``[size, size, 3]`` uint8."""
    kind = rng.choice(["studio", "room", "outdoors", "lights"], p=[0.3, 0.3, 0.25, 0.15])
    picture = {"studio": _studio, "room": _room, "outdoors": _outdoors, "lights": _lights}[kind](rng, size)
    image = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(float(size * rng.uniform(0.002, 0.03))))
    grain = rng.normal(0, rng.uniform(0, 5), (size, size, 1))
    return np.clip(np.asarray(image, np.float32) + grain, 0, 255).astype(np.uint8)


def over_background(rgb: Array, alpha: Array, background: Array) -> Array:
    """A view (``rgb`` over white, ``alpha``, uint8) before another background."""
    cover = alpha[..., None].astype(np.float32) / 255
    head = rgb.astype(np.float32) - 255 * (1 - cover)  # the white is taken out: what is left is multiplied by the coverage already
    return np.clip(head + background * (1 - cover), 0, 255).astype(np.uint8)


def _ramp(rng: np.random.Generator, size: int, low: Array, high: Array) -> Array:
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:size, :size] / size - 0.5
    t = np.clip(0.5 + x * np.cos(angle) + y * np.sin(angle), 0, 1)[..., None]
    return low * (1 - t) + high * t


def _studio(rng: np.random.Generator, size: int) -> Array:
    """One colour, brighter around the middle."""
    colour = rng.uniform(0.08, 0.95) * (1 + rng.normal(0, 0.12, 3))
    y, x = np.mgrid[:size, :size] / size - rng.uniform(0.3, 0.7, (2, 1, 1))
    return colour * (1 - rng.uniform(0, 0.8) * (x * x + y * y))[..., None]


def _room(rng: np.random.Generator, size: int) -> Array:
    """A wall with things on it: pictures, shelves, a door, a bright window."""
    out = _ramp(rng, size, *rng.uniform(0.25, 0.95, (2, 1)) * rng.uniform(0.8, 1, (2, 3)))
    for _ in range(rng.integers(2, 9)):
        x, y = (rng.uniform(-0.2, 1, 2) * size).astype(int)
        w, h = (rng.uniform(0.04, 0.5, 2) * size).astype(int)
        window = rng.random() < 0.2
        colour = np.full(3, 0.97) if window else rng.uniform(0.02, 0.9) * (1 + rng.normal(0, 0.2, 3))
        out[max(y, 0): max(y + h, 0), max(x, 0): max(x + w, 0)] = colour
    return out


def _outdoors(rng: np.random.Generator, size: int) -> Array:
    """Sky above, ground below, leaves between."""
    horizon = rng.uniform(0.2, 0.9)
    sky, ground = np.array([0.6, 0.75, 0.95]) * rng.uniform(0.6, 1.05), rng.uniform(0.1, 0.6) * np.array([1, 0.95, 0.75])
    t = np.clip((np.arange(size) / size - horizon) * 20 + 0.5, 0, 1)[:, None, None]
    out = np.broadcast_to(sky * (1 - t) + ground * t, (size, size, 3)).copy()
    leaves = Image.fromarray((rng.random((size // 8, size // 8)) * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    cover = np.clip((np.asarray(leaves, np.float32) / 255 - rng.uniform(0.4, 0.8)) * 6, 0, 1)[..., None]
    green = np.array([0.25, 0.4, 0.12]) * rng.uniform(0.4, 1.6)
    return out * (1 - cover) + green * (0.6 + 0.8 * rng.random((size, size, 1))) * cover


def _lights(rng: np.random.Generator, size: int) -> Array:
    """Night: a dark ground with round lights."""
    out = np.full((size, size, 3), rng.uniform(0.01, 0.15)) * rng.uniform(0.7, 1.3, 3)
    y, x = np.mgrid[:size, :size]
    for _ in range(rng.integers(5, 30)):
        cx, cy, r = *(rng.uniform(0, size, 2)), size * rng.uniform(0.01, 0.07)
        colour = rng.uniform(0.3, 1) * np.array([1, rng.uniform(0.5, 1), rng.uniform(0.2, 1)])
        out += colour * ((x - cx) ** 2 + (y - cy) ** 2 < r * r)[..., None]
    return out
