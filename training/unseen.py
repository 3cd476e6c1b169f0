"""Parts that no pool holds: for judging what a prior does with people from outside of its world."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from .heads import HeadPack

Array = np.ndarray

BUMPS, BUMP_SIZE, BUMP_HEIGHT = 10, (0.25, 0.6), 0.07
"""How many swellings and dents a face has, their radius and deviation in decimetres."""
MOTTLE, FRECKLES = 0.1, 150
"""Deviation of a skin's large blots, and how many freckles it has."""
WAVES = (5, 14)
"""Light and dark bands along strands of hair."""


class UnseenPack(HeadPack):
    """The head pack with shapes outside of the morph targets' span, and with skins and strands that training never saw.

    ``renew`` draws the next person's. Everything that hangs on the head follows its shape.
    """

    def renew(self, rng: np.random.Generator) -> None:
        """Draw new parts."""
        face = self.base[: self.n_skin]
        front = face[face[:, 2] > np.median(face[:, 2])]
        self._centres = front[rng.integers(len(front), size=BUMPS)]
        self._sizes = rng.uniform(*BUMP_SIZE, BUMPS).astype(np.float32)
        self._moves = rng.normal(0, BUMP_HEIGHT, (BUMPS, 3)).astype(np.float32)
        self._rng = rng.spawn(1)[0]
        self._own: dict[str, Array] = {}

    def compose(self, weights: dict[str, float]) -> Array:
        """As ``HeadPack`` has it, with the swellings; the face stays symmetric where it was."""
        vertices = super().compose(weights)
        out = vertices.copy()
        flip = np.array([-1, 1, 1], np.float32)
        for centre, size, move in zip(self._centres, self._sizes, self._moves, strict=True):
            for c, m in ((centre, move), (centre * flip, move * flip)):
                near = np.exp(-np.square(vertices - c).sum(1) / (2 * size**2))
                out += near[:, None] * m / 2
        return out

    def colour(self, relative: str) -> Array:
        """As ``HeadPack`` has it; skins are mottled and freckled."""
        plain = super().colour(relative)
        if not relative.startswith("skins/"):
            return plain
        if "mask" not in self._own:
            self._own["mask"] = self._mottled(*plain.shape[:2])
        return plain * self._own["mask"]

    def card(self, relative: str) -> tuple[Array, Array]:
        """As ``HeadPack`` has it; hair has bands."""
        grey, cover = super().card(relative)
        if not relative.startswith("hair/"):
            return grey, cover
        if relative not in self._own:
            count, phase = self._rng.uniform(*WAVES), self._rng.uniform(0, 6.28, grey.shape[1])
            smooth = np.convolve(np.tile(np.cumsum(phase - phase.mean()) * 0.05, 3), np.ones(31) / 31, "same")[len(phase):2 * len(phase)]
            line = np.arange(grey.shape[0]) / grey.shape[0]
            self._own[relative] = grey * (1 + 0.4 * np.sin(6.28 * count * line[:, None] + smooth))[..., None].astype(np.float32)
        return self._own[relative], cover

    def _mottled(self, height: int, width: int) -> Array:
        coarse = 1 + MOTTLE * self._rng.normal(size=(24, 24, 3)) * np.array([0.6, 1, 1])
        fine = F.interpolate(torch.from_numpy(coarse).permute(2, 0, 1)[None], (height, width), mode="bilinear", align_corners=True)
        out = fine[0].permute(1, 2, 0).float().numpy()
        for v, u, r in zip(self._rng.integers(height, size=FRECKLES), self._rng.integers(width, size=FRECKLES),
                           self._rng.integers(2, 5, FRECKLES), strict=True):
            box = slice(max(v - r, 0), v + r), slice(max(u - r, 0), u + r)
            rows, columns = np.ogrid[box[0].start: box[0].start + out[box].shape[0], box[1].start: box[1].start + out[box].shape[1]]
            out[box][np.square(rows - v) + np.square(columns - u) < r * r] *= np.array([0.75, 0.62, 0.55], np.float32)
        return out.clip(0.3, 1.6)
