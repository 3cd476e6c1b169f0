"""MediaPipe's selfie segmentation: the share of a person in each pixel, and which of it is one head's."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..geometry.rays import pixel_centres
from .frames import Pyramid, cut_squares, points_in_squares, points_to_photo
from .runtime import MEDIAPIPE, available, run

PERSON = MEDIAPIPE / "person.onnx"
SIZE = 256
"""Side of the network's input and output."""
AROUND = (1.0, 1.3, 1.8)
"""The squares that are read are so many times as wide as the head's frame: the network expects head and shoulders."""
REACH, FADE = 0.1, 0.08
"""A person's pixels are the head's as far as that from what our regions take for it, and fade out from there, in frame widths."""
FOUND = 0.5
"""Mean share of a person between the features of a face, below which the network has not seen who is there."""


def person_share(image: Tensor | Pyramid, frame: np.ndarray, size: int, around: tuple[float, ...] = AROUND) -> np.ndarray | None:
    """``[size, size]`` float32: the share of a person in the pixels of a square (a, b, x, y) of a picture ``[1, 3, H, W]`` in [-1, 1].

    The mean over what is read in wider squares; beyond the picture, as if its border went on.
    None where onnxruntime is not installed.
    """
    if not available():
        return None
    square = torch.as_tensor(frame, dtype=torch.float32)[None]
    limit = square.new_tensor(image.shape[:1:-1])
    places = torch.minimum(points_to_photo(pixel_centres(size)[None].float(), square).clamp(min=0.5), limit - 0.5)
    found = []
    for wider in around:
        outer = square * square.new_tensor([wider, wider, 1, 1])
        share, = run(PERSON, cut_squares(image, outer, SIZE) / 2 + 0.5)
        at = (2 * points_in_squares(places, outer) - 1).view(1, size, size, 2)
        found.append(F.grid_sample(torch.from_numpy(share[None, ..., 0]), at, align_corners=False)[0, 0])
    return torch.stack(found).mean(0).clamp(0, 1).numpy()


def head_share(person: np.ndarray, shown: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """``[R, R]`` float32: which of a person mask is the head (and what it stands on) in the middle: a second person is in that mask too.

    Args:
        person: ``[R, R]``, ``person_share``; shown: the same by our regions, that of this head alone.
        landmarks: ``[6, 2]`` in pixels.
    """
    import cv2

    size = len(person)
    hull = cv2.fillConvexPoly(np.zeros((size, size), np.uint8), cv2.convexHull(landmarks.astype(np.float32)).astype(np.int32), 1)
    if not hull.any() or person[hull > 0].mean() < FOUND:
        return shown
    core = np.maximum((shown > 0.5).astype(np.uint8), hull)
    _, parts = cv2.connectedComponents(core)
    core = np.isin(parts, np.unique(parts[hull > 0])).astype(np.uint8)
    away = cv2.distanceTransform(1 - core, cv2.DIST_L2, 5) / size
    # Where one look has seen a person and another has not, our regions decide.
    person = person + 4 * person * (1 - person) * (shown - person)
    return (person * np.clip(1 - (away - REACH) / FADE, 0, 1)).astype(np.float32)
