"""Where the control points of the editing directions lie on one head, and how far each direction moves them there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ...faces.mesh import COUNT, OPENINGS, PRESENT, mean_head, mesh_square, read_mesh
from ...faces.runtime import available
from ...generator import Synthesized
from ...geometry import project, unproject
from ...geometry.images import spread
from ...geometry.warp import sample_image
from ...weights import read_shipped

MOTIONS_FILE = Path(__file__).parent / "weights" / "motions.safetensors"
"""``points [K, 3]`` on the mean head and, for each direction, ``NAME.high`` and ``NAME.low [K, 3]``, world units for a strength of 1
(``training/motions.py``). The first 468 points are those of MediaPipe's mesh."""
AGE_FILE, AGE_RANGE = MOTIONS_FILE.with_name("age.safetensors"), 0.5
"""``aged [1, 1, S, S]`` uint8: the logarithm from minus to plus the range."""
DEEPER = 0.03
"""World units: a point of the mesh lies within so much of the fitted mean head in depth; hair hangs before a forehead."""
SOLID = 0.7
"""Least opacity of the surface."""


@dataclass(frozen=True, eq=False)
class FaceSurface:
    """A face as the frontal camera sees it.

    Attributes:
        mesh: ``[468, 3]``, MediaPipe's points in world units.
        surface: ``[1, 3, R, R]``: the world point of each pixel of the frontal view; beside the head that of the nearest pixel of it.
        camera: ``[1, 25]`` of that view.
    """

    mesh: Tensor
    surface: Tensor
    camera: Tensor


@torch.no_grad()
def face_surface(view: Synthesized, camera: Tensor) -> FaceSurface:
    """Read the face in a frontal ``view`` of ``camera [1, 25]``: the mean head's where none is seen, or onnxruntime is not installed."""
    head = mean_head()[0].to(camera)
    solid = view.image_opacity > SOLID
    depth = spread(torch.where(solid, view.image_depth, view.image_depth.amax()), solid)
    world = unproject(depth, camera).permute(0, 3, 1, 2)
    expected = project(head[None], camera)[0][0]
    places = expected
    if available():
        size = view.image.shape[-1]
        found = read_mesh(view.image.clamp(-1, 1).cpu(), mesh_square((expected * size).cpu().double().numpy()), looks=3)
        if found.present > PRESENT:
            places = torch.from_numpy(found.points / size).to(camera)
    mesh = sample_image(world, places[None, None])[0, :, 0].T
    fitted = _affine(head, mesh)
    expected = F.pad(head, (0, 1), value=1.0) @ fitted
    depths = torch.maximum(torch.minimum(mesh[:, 2], expected[:, 2] + DEEPER), expected[:, 2] - DEEPER)
    return FaceSurface(torch.cat([mesh[:, :2], depths[:, None]], 1), world, camera)


@dataclass(frozen=True, eq=False)
class ControlPoints:
    """``points [K, 3]`` on one head and ``motions``: name to ``[2, K, 3]``, for a strength of 1 towards the high and the low end."""

    points: Tensor
    motions: dict[str, Tensor]


def fitted_controls(face: FaceSurface) -> ControlPoints:
    """The control points of the mean head laid on a face. Motions are as much larger as the head is; those of lids and of a closing mouth
    as large as they are open."""
    points, motions = shipped_motions()
    points = points.to(face.mesh)
    fitted = _affine(points[:COUNT], face.mesh)
    there = torch.cat([face.mesh, F.pad(points[COUNT:], (0, 1), value=1.0) @ fitted])
    moved = {name: motion.to(face.mesh) @ fitted[:3] for name, motion in motions.items()}
    mouth, right, left = (_gap(face.mesh, rims) / _gap(points, rims) for rims in OPENINGS)
    for name in ("wink", "eye_opening"):
        side = there[:, :1] > (there[1, 0])
        moved[name] = moved[name] * torch.where(side, left, right)
    lips, seen = motions["mouth_open"][1].to(points), _gap(face.mesh, OPENINGS[0])
    closing = (lips[OPENINGS[0][0][5], 1] - lips[OPENINGS[0][1][5], 1]).abs()
    moved["mouth_open"][1] *= seen / closing / 2
    return ControlPoints(there, moved)


@lru_cache(maxsize=1)
def shipped_motions() -> tuple[Tensor, dict[str, Tensor]]:
    """``MOTIONS_FILE``: the points and the motions of each direction. Raises CheckpointError if it is damaged."""
    found = read_shipped(MOTIONS_FILE)
    names = sorted({name.split(".")[0] for name in found if "." in name})
    return found["points"], {name: torch.stack([found[f"{name}.high"], found[f"{name}.low"]]) for name in names}


@lru_cache(maxsize=1)
def shipped_age() -> Tensor:
    """``[1, 1, S, S]``: in a frontal view of the mean head, the logarithm of how much brighter old skin is than young skin."""
    return (read_shipped(AGE_FILE)["aged"].float() / 127 - 1) * AGE_RANGE


def _gap(points: Tensor, rims: tuple[tuple[int, ...], tuple[int, ...]]) -> Tensor:
    """How far the middles of two rims lie apart, upwards."""
    upper, lower = (points[list(rim[3:-3]), 1].mean() for rim in rims)
    return (upper - lower).clamp(min=0)


def _affine(source: Tensor, aim: Tensor) -> Tensor:
    """``[4, 3]``: least squares from points ``[N, 3]`` to others."""
    weights = mean_head()[1].to(source)[:, None].sqrt()
    return torch.linalg.lstsq(F.pad(source, (0, 1), value=1.0) * weights, aim * weights).solution


