"""What edits one finished head: computed from it at the first edit, kept for all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from ...generator import Synthesized, TriPlaneGenerator
from ...generator.gated import MovedPlanes, Planes
from ...generator.traits import traits_of
from ...geometry.volume import box_points
from .fit import FaceSurface, face_surface
from .motion import Motion, MotionBasis

AWAY = 1e3
"""World units: where no picture shows anything."""


class Editor:
    """Edits of one head.

    Args:
        generator, ws, planes, grid: of the unedited head (``Portrait3D``).
        view: what a camera ``[1, 25]`` sees of it, with detail.
    """

    def __init__(self, generator: TriPlaneGenerator, ws: Tensor, planes: Planes, grid: Tensor, view: Callable[[Tensor], Synthesized]):
        self._generator, self._ws, self._planes, self._grid, self._view = generator, ws, planes, grid, view

    @cached_property
    def _motions(self) -> MotionBasis:
        front = self._generator.frontal_camera()
        return MotionBasis(face_surface(self._view(front), front), self._generator.config.box_warp / 2, lambda: self._opened[1])

    @cached_property
    def _opened(self) -> tuple[Tensor, FaceSurface]:
        """Planes of the same head with an open mouth, as the generator has it, and its face."""
        ws = traits_of(self._generator.config).mouth_opened(self._ws)
        planes, front = self._generator.planes(ws), self._generator.frontal_camera()
        return planes, face_surface(self._generator.view(planes, ws, front), front)

    def motion(self, strengths: Mapping[str, float]) -> Motion | None:
        """How shape and expression move the head, or None where they do not."""
        return self._motions.motion(strengths)

    @torch.no_grad()
    def moved(self, motion: Motion | None) -> tuple[Planes, Tensor]:
        """Planes of the moved head and their density grid."""
        if motion is None:
            return self._planes, self._grid
        planes = MovedPlanes(self._planes, motion, None if motion.between is None else self._opened[0])
        half, size = self._generator.config.box_warp / 2, self._grid.shape[-1]
        points = box_points(size, 2 * half, self._grid.device).reshape(1, -1, 3)
        came = motion.pull_back(points) / half
        grid = F.grid_sample(self._grid, came[:, :, None, None], padding_mode="border", align_corners=True).reshape(1, -1)
        between = motion.from_inside(points)[0, :, 0] > 0
        if bool(between.any()):
            grid[:, between] = self._generator.query(planes, points[:, between])[0]
        return planes, grid.reshape_as(self._grid)


def pull_back_pictures(motion: Motion, points: Tensor) -> Tensor:
    """``points [..., 3]`` to where pictures of the unedited head show them: nowhere, if they lie between lips that were closed."""
    return torch.where(motion.from_inside(points) > 0.5, AWAY * points.new_tensor([1.0, 0.0, 0.0]), motion.pull_back(points))
