"""BlazeFace (Bazarevsky et al. 2019), MediaPipe's face detector: boxes with six points, in squares of a photo.

Anchors and decoding follow the options that MediaPipe publishes with its short-range network (``face_detection_short_range.pbtxt``,
Apache-2.0). In tiles it finds what the full-range network finds, down to faces of 32 pixels; smaller ones are of no use here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from .frames import Pyramid, cut_squares, points_to_photo
from .runtime import MEDIAPIPE, run

DETECTOR = MEDIAPIPE / "detector.onnx"
SIZE = 128
"""Side of its input."""
GRIDS = ((16, 2), (8, 6))
"""Its anchors: cells a side, and anchors a cell."""


@dataclass(frozen=True, eq=False)
class Detection:
    """A face that the detector has found: its box as a square (a, b, x, y) that is turned as the picture was, its ``points [6, 2]`` (right
    eye, left eye, nose, mouth, right ear, left ear; right is the person's), all in pixels of the photo, and its probability."""

    square: np.ndarray
    points: np.ndarray
    score: float


@lru_cache(maxsize=1)
def anchors() -> np.ndarray:
    """``[N, 2]``: their centres, in sides of the input; the sizes are all 1 (``fixed_anchor_size``)."""
    rows = []
    for cells, count in GRIDS:
        line = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(line, line, indexing="ij")
        rows.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1), count, 0))
    return np.concatenate(rows)


def detect(image: Tensor | Pyramid, square: Tensor, least: float, padding: str = "border") -> list[Detection]:
    """Faces in one square ``[4]`` (a, b, x, y) of a picture ``[1, 3, H, W]`` in [-1, 1]: those of at least that probability; ``padding`` as
    ``cut_squares`` has it."""
    raw, logits = run(DETECTOR, cut_squares(image, square[None], SIZE, padding))
    scores = 1 / (1 + np.exp(-logits[0, :, 0].clip(-80, 80)))
    chosen = scores >= least
    # Box: centre and size; then the points: all as offsets from the anchor, in pixels of the input.
    values, places = raw[0, chosen].reshape(-1, 8, 2) / SIZE, anchors()[chosen, None]
    sides = values[:, 1].max(1)
    found = points_to_photo(torch.from_numpy(np.delete(values, 1, 1) + places).float(), square[None].expand(len(places), 4)).numpy()
    turn = square[:2].numpy()
    return [Detection(np.concatenate([turn * side, points[0]]), points[1:], float(score))
            for points, side, score in zip(found, sides, scores[chosen], strict=True)]


def merged(found: Sequence[Detection], overlap: float = 0.3) -> list[Detection]:
    """Weighted non-maximum suppression: boxes that overlap by more than that (intersection over union) become their mean."""
    left, out = sorted(found, key=lambda d: -d.score), []
    while left:
        best = left[0]
        same = [d for d in left if shared(best, d) > overlap]
        left = [d for d in left if shared(best, d) <= overlap]
        weights = np.array([d.score for d in same])
        weights /= weights.sum()
        out.append(Detection(np.einsum("n,nk->k", weights, np.stack([d.square for d in same])),
                             np.einsum("n,npk->pk", weights, np.stack([d.points for d in same])), best.score))
    return out


def shared(one: Detection, other: Detection) -> float:
    """Intersection over union of two boxes, as upright squares."""
    sides = [float(np.hypot(*d.square[:2])) for d in (one, other)]
    across = [min(p + s / 2 for p, s in zip(at, sides, strict=True)) - max(p - s / 2 for p, s in zip(at, sides, strict=True))
              for at in zip(one.square[2:], other.square[2:], strict=True)]
    both = max(0.0, across[0]) * max(0.0, across[1])
    return both / max(sides[0] ** 2 + sides[1] ** 2 - both, 1e-9)
