"""The light of a made-up photo."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def lights(side: float, height: float, warmth: float, strength: float, fill: float, ambient: float) -> tuple[Array, Array, Array, Array]:
    """Three directional lights (key, fill, rim): directions and colours ``[3, 3]`` each, and the ambient ``[3]`` from below and from above.
    All arguments are of N(0, 1): where the key light stands, how warm and how strong it is, and how bright the others are."""
    azimuth, elevation = 0.9 * side, 0.45 + 0.35 * height
    directions = np.array([
        [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)],
        [-np.sign(azimuth + 1e-6) * 0.8, 0.15, 0.6], [0.3, 0.8, -0.6]])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    tint = np.array([1 + 0.06 * warmth, 1.0, 1 - 0.06 * warmth])
    key = np.clip(0.62 + 0.16 * strength, 0.2, 1.1)
    filling = np.clip(0.16 + 0.09 * fill, 0.0, 0.45)
    around = np.clip(0.42 + 0.12 * ambient, 0.15, 0.75)
    colours = np.stack([key * tint, np.full(3, filling), np.full(3, 0.12)])
    return (directions.astype(np.float32), colours.astype(np.float32),
            np.full(3, 0.75 * around, np.float32), np.full(3, 1.15 * around, np.float32))
