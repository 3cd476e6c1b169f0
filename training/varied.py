"""People from around the pack's own: shapes, skins and hair as no mixture of its parts has them, so that what learns from their pictures
goes by what it sees and not by whom it knows."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from .heads import HeadPack

Array = np.ndarray

WAVES, LENGTHS = 24, (1.0, 4.0)
"""A face's shape is moved by so many waves, so long, in decimetres."""
FAR = 0.14
"""Root mean square of how far they move it at most, in decimetres."""
LOPSIDED = 0.25
"""The share of those moves that is not alike on both sides."""
CELLS = (5, 16, 60, 160)
"""Blots of a skin: so many on a side of the atlas, of each size."""
BLOTS = 0.14
"""Their deviation at most, as a logarithm."""


class VariedPack(HeadPack):
    """The head pack with smooth random changes of shape, skin and hair. Everything that hangs on the head follows its shape."""

    def renew(self, code: Array) -> None:
        """Take the changes of the person with ``code [Z_DIM]``: the same person always has the same ones."""
        rng = np.random.default_rng(np.ascontiguousarray(code, np.float32).view(np.uint32))
        directions = rng.normal(size=(WAVES, 3))
        lengths = np.exp(rng.uniform(*np.log(LENGTHS), WAVES))
        self._waves = 2 * np.pi * directions / np.linalg.norm(directions, axis=1, keepdims=True) / lengths[:, None]
        self._phases = rng.uniform(0, 2 * np.pi, WAVES)
        moves = rng.normal(size=(WAVES, 3)) * lengths[:, None]
        self._moves = moves * rng.uniform(0, FAR) * np.sqrt(2 / np.square(moves).sum())
        self._rng, self._own = rng.spawn(1)[0], {}

    def compose(self, weights: dict[str, float]) -> Array:
        """As ``HeadPack`` has it, moved by the waves."""
        vertices = super().compose(weights)
        flip = np.array([-1, 1, 1], np.float32)
        here, there = self._moved(vertices), self._moved(vertices * flip) * flip
        alike, other = (here + there) / np.sqrt(2), (here - there) / np.sqrt(2)
        return (vertices + np.sqrt(1 - LOPSIDED**2) * alike + LOPSIDED * other).astype(np.float32)

    def _moved(self, vertices: Array) -> Array:
        return np.sin(vertices @ self._waves.T + self._phases) @ self._moves

    def colour(self, relative: str) -> Array:
        """As ``HeadPack`` has it; skins have blots of all sizes."""
        plain = super().colour(relative)
        if not relative.startswith("skins/"):
            return plain
        if "blots" not in self._own:
            self._own["blots"] = self._blots(*plain.shape[:2])
        return plain * self._own["blots"]

    def card(self, relative: str) -> tuple[Array, Array]:
        """As ``HeadPack`` has it; hair and brows have more or less contrast, and cover more or less."""
        grey, cover = super().card(relative)
        if relative not in self._own:
            contrast, more = np.exp(self._rng.uniform(-0.7, 0.5, 2)).astype(np.float32)
            covering = cover if relative.startswith("hair/") else (cover * (0.5 + more)).clip(0, 1)
            self._own[relative] = grey**contrast, np.ascontiguousarray(covering, np.float32)
        return self._own[relative]

    def _blots(self, height: int, width: int) -> Array:
        total = torch.zeros(1, 3, height, width)
        for cells in CELLS:
            colours = self._rng.uniform(0.3, 1, 3) * self._rng.uniform(0, BLOTS)
            coarse = torch.from_numpy((self._rng.normal(size=(cells, cells, 1)) + 0.5 * self._rng.normal(size=(cells, cells, 3))) * colours)
            total += F.interpolate(coarse.permute(2, 0, 1)[None].float(), (height, width), mode="bilinear", align_corners=True)
        return total.exp()[0].permute(1, 2, 0).numpy()
