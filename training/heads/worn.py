"""Numbers of ``z`` to what a person wears."""

from __future__ import annotations

from math import erf, sqrt

import numpy as np

from .accessories import Garment, Glasses

Array = np.ndarray


def uniform(x: float) -> float:
    """The normal distribution's own scale: N(0, 1) to [0, 1]."""
    return 0.5 * (1 + erf(float(x) / sqrt(2)))


def _colour(z: Array) -> tuple[float, float, float]:
    """A cloth colour in linear light from three numbers: hue (two) and lightness."""
    hue = np.tanh(0.6 * np.asarray(z[:2], np.float64))
    light = 0.02 + 0.75 * uniform(z[2]) ** 2
    return tuple(float(np.clip(light * (1 + x), 0.005, 0.9)) for x in (0.6 * hue[0], 0.45 * hue[1], -0.6 * hue[0]))


def glasses(z: Array) -> Glasses | None:
    """Seven numbers: one person in six wears some."""
    on, kind, width, height, square, thick, tone = (float(x) for x in z)
    if on < 0.95:
        return None
    name = "patch" if kind > 1.6 else ("dark" if kind > 0.7 else "clear")
    shade = 0.015 + 0.4 * uniform(tone - 1) ** 3
    # Brown rather than grey in the middle of the range, as horn is.
    colour = (shade, shade * (0.6 if 0 < tone < 1.2 else 0.95), shade * (0.35 if 0 < tone < 1.2 else 0.95))
    return Glasses(name, float(np.clip(0.26 + 0.02 * width, 0.21, 0.3)), float(np.clip(0.19 + 0.025 * height, 0.13, 0.25)),
                   float(np.clip(2.8 + 0.7 * square, 2, 4.5)), float(np.clip(0.02 + 0.007 * thick, 0.012, 0.036)),
                   (0.01, 0.01, 0.011) if name == "patch" else colour, 1 if square > 0 else -1)


def hat(z: Array) -> Garment | None:
    """Five numbers: one person in eight wears one."""
    on, kind, *colour = z
    if on < 1.15:
        return None
    return Garment("beanie" if kind > 0 else "cap", _colour(colour), float(np.clip(0.25 * abs(kind) - 0.1, 0, 0.4)) if kind > 0 else 0.0)


def clothing(z: Array) -> Garment | None:
    """Five numbers: four people in five are dressed."""
    on, cut, *colour = z
    if on < -0.8:
        return None
    return Garment("high" if cut > 1.1 else ("round" if cut > -0.5 else "wide"), _colour(colour), float(np.clip(0.3 * on - 0.2, 0, 0.4)))
