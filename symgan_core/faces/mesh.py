"""MediaPipe's face mesh (Kartynnik et al. 2019): 468 points, and the pose and frame of the built-in heads whose points lie so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..geometry import Camera, project
from ..weights import read_shipped
from .closeup import Closeup
from .frames import Pyramid, cut_squares, points_to_photo
from .runtime import MEDIAPIPE, available, run

MESH = MEDIAPIPE / "mesh.onnx"
SIZE, COUNT = 192, 468
"""Side of the network's input; points."""
EYES = (33, 263)
"""Outer corners, the person's right first: what lies between them is level in the square that the network reads."""
WIDER = 1.5
"""The square is so much wider than the face."""
LOOKS = 2
"""The first square comes from a detector, the next from the mesh that was found in it."""
PRESENT = 0.5
"""Least probability of a face."""
RIGHT_EYE = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133))
LEFT_EYE = ((362, 398, 384, 385, 386, 387, 388, 466, 263), (362, 382, 381, 380, 374, 373, 390, 249, 263))
MOUTH = ((78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308), (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308))
OPENINGS = (MOUTH, RIGHT_EYE, LEFT_EYE)
"""Upper and lower rim of what opens, each from the person's right to the left."""
LIPS = (
    ((62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292), (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292)),
    ((76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306), (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306)),
    ((61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291), (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)), MOUTH)
"""Upper and lower lip from the outer rim to the inner one, likewise."""
LIDS = (
    ((247, 30, 29, 27, 28, 56, 190), (25, 110, 24, 23, 22, 26, 112)),
    ((414, 286, 258, 257, 259, 260, 467), (341, 256, 252, 253, 254, 339, 255)))
"""Beside the rims of the eyes, on the upper and the lower lids, likewise."""
OUTLINE = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58,
           132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
"""Around the face, from the middle of the forehead to the person's left."""
HEAD = MEDIAPIPE / "head.safetensors"
"""Where the points lie on the built-in generator's mean head: ``points [468, 3]``, world units, and how far each
counts in a fit, ``weights [468]`` (``training/mesh_head.py``)."""
STEPS, LONGEST, CLOSE = 12, 15.0, 0.01
"""Of Gauss and Newton, in degrees: at most so many, none longer, and done when shorter."""
FARTHEST = 89.0
"""Degrees."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """``points [468, 2]`` in pixels of the photo; ``depths [468]``, in pixels as well, away from the camera; ``present``: the probability
    of a face; all read in ``square [4]``."""

    points: np.ndarray
    depths: np.ndarray
    present: float
    square: np.ndarray


def read_mesh(image: Tensor | Pyramid, square: np.ndarray, looks: int = LOOKS, padding: str = "border") -> Mesh:
    """The mesh of the face in a square ``[4]`` (a, b, x, y) of a picture ``[1, 3, H, W]`` in [-1, 1]; ``padding`` as ``cut_squares`` has
    it."""
    mesh = _read(image, square, padding)
    for _ in range(looks - 1):
        mesh = _read(image, mesh_square(mesh.points), padding)
    return mesh


def _read(image: Tensor | Pyramid, square: np.ndarray, padding: str) -> Mesh:
    frame = torch.as_tensor(square, dtype=torch.float32)[None]
    values, logit = run(MESH, cut_squares(image, frame, SIZE, padding) / 2 + 0.5)
    values = values.reshape(1, COUNT, 3) / SIZE
    places, depths = torch.from_numpy(values[..., :2]), values[0, :, 2].astype(np.float64) * np.hypot(*square[:2])
    return Mesh(points_to_photo(places, frame)[0].double().numpy(), depths, float(1 / (1 + np.exp(-logit.item()))), np.asarray(square))


def mesh_square(points: np.ndarray) -> np.ndarray:
    """The square (a, b, x, y) in which the network reads a face with ``points [468, 2]``."""
    across = points[EYES[1]] - points[EYES[0]]
    across = across / max(np.hypot(*across), 1e-6)
    axes = np.array([across, [-across[1], across[0]]])
    local = points @ axes.T
    low, high = local.min(0), local.max(0)
    return np.concatenate([WIDER * (high - low).max() * across, (low + high) / 2 @ axes])


def face_square(landmarks: np.ndarray) -> np.ndarray:
    """The square (a, b, x, y) in which the network first looks for the face whose points are ``landmarks [68, 2]``."""
    across = landmarks[45] - landmarks[36]
    low, high = landmarks.min(0), landmarks.max(0)
    side = WIDER * (high - low).max() / max(np.hypot(*across), 1e-6)
    return np.concatenate([side * across, (low + high) / 2])


@lru_cache(maxsize=1)
def mean_head() -> tuple[Tensor, Tensor]:
    """``HEAD``'s points and weights. Raises CheckpointError if its file is damaged."""
    found = read_shipped(HEAD)
    return found["points"], found["weights"].double()


def fitted_head(points: np.ndarray, trust: np.ndarray | None = None) -> tuple[np.ndarray, float, float]:
    """The square (a, b, x, y) that the built-in generator expects, yaw and pitch in degrees, with which the mean head's points lie nearest
    to ``points [468, 2]``: least squares, the square in closed form for each pose, for it is a similarity of the picture.

    ``trust [468]``: how much each point counts, beside what it counts in any fit."""
    target, angles = torch.view_as_complex(torch.from_numpy(np.ascontiguousarray(points, np.float64))), np.zeros(2)
    head, weights = mean_head()
    weights = weights if trust is None else weights * torch.from_numpy(trust)
    middle = (weights * target).sum() / weights.sum()

    def left(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        places = project(head[None], Camera.orbit(*at.tolist()).vector())[0][0].double() - 0.5
        seen = torch.view_as_complex(places.contiguous())
        mean = (weights * seen).sum() / weights.sum()
        scale = (weights * (seen - mean).conj() * (target - middle)).sum() / (weights * (seen - mean).abs().square()).sum()
        centre = middle - scale * mean
        off = torch.view_as_real((target - scale * seen - centre) * weights.sqrt() / scale.abs()).flatten()
        return off.numpy(), torch.view_as_real(torch.stack([scale, centre])).flatten().numpy()

    off, square = left(angles)
    for _ in range(STEPS):
        slope = np.stack([left(angles + step)[0] - off for step in np.eye(2)], 1)
        move = -np.linalg.lstsq(slope, off, rcond=None)[0].clip(-LONGEST, LONGEST)
        if np.abs(move).max() < CLOSE:
            break
        angles = (angles + move).clip(-FARTHEST, FARTHEST)
        off, square = left(angles)
    return square, float(angles[0]), float(angles[1])


@torch.no_grad()
def with_fitted_head(image: Tensor | Pyramid, close: Closeup) -> Closeup:
    """What the second look found in a picture ``[1, 3, H, W]`` in [-1, 1], with the frame of the mean head that is fitted to the mesh
    there; yaw and pitch stay, for the mesh's fall short. Unchanged where there is no mesh, or onnxruntime is not installed."""
    if not available():
        return close
    mesh = read_mesh(image, face_square(close.landmarks))
    if mesh.present < PRESENT:
        return close
    return replace(close, frame=fitted_head(mesh.points)[0].astype(np.float32))
