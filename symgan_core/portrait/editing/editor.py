"""What edits one finished head: computed from it at the first edit, kept for all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from ...generator import Head, Synthesized
from ...generator.gated import MovedPlanes
from ...geometry.volume import box_points
from .chart import FaceChart, face_chart
from .colours import COLOURS, Colouring
from .face_maps import face_maps
from .fields import at
from .fit import FaceSurface, face_surface, shipped_motions
from .hair import DIRECTIONS as HAIR
from .hair import hair_field, hair_share
from .motion import Motion, MotionBasis
from .parts import head_parts

AROUND = (-100, -50, 50, 100, 180)
"""Yaws, degrees, of the views beside the frontal one in which a head's hair and skin are read."""
STILL = 1e-5
"""World units: where a head moves less, its density stays as it is."""


class Editor:
    """Edits of one head.

    Args:
        head: the unedited one (``Portrait3D.head``).
        view: what a camera ``[1, 25]`` sees of it, with detail.

    Raises:
        ValueError: it is an edited head, or its generator has no density grid.
    """

    def __init__(self, head: Head, view: Callable[[Tensor], Synthesized]):
        if isinstance(head.planes, MovedPlanes) or head.grid is None:
            raise ValueError("edits begin with an unedited head of a generator with a density grid")
        self._head, self._generator, self._planes, self._grid, self._view = head, head.generator, head.planes, head.grid, view

    @cached_property
    def _front(self) -> tuple[Tensor, Synthesized]:
        camera = self._generator.frontal_camera()
        return camera, self._view(camera)

    @cached_property
    def _face(self) -> tuple[FaceSurface, FaceChart]:
        camera, view = self._front
        face = face_surface(view, camera)
        return face, face_chart(face)

    @cached_property
    def _motions(self) -> MotionBasis:
        return MotionBasis(*self._face, self._generator.config.box_warp / 2, lambda: self._opened[1])

    @cached_property
    def _colours(self) -> Colouring:
        views, config = [self._front], self._generator.config
        for yaw in AROUND:
            camera = self._head.orbit(yaw)
            views.append((camera, self._head.view(camera, config.draft_resolution)))
        return Colouring(head_parts(views, config.box_warp / 2), face_maps(*self._face, self._front[1]))

    @cached_property
    def _hair(self) -> Tensor:
        return hair_share(self._colours.parts)

    def coloured(self, view: Synthesized, camera: Tensor, strengths: Mapping[str, float], motion: Motion | None) -> Synthesized:
        """A view of ``camera [1, 25]`` of the moved head with the colours that strengths ask for."""
        if not any(strengths.get(name) for name in COLOURS):
            return view
        return self._colours.of_view(view, camera, strengths, (lambda points: points) if motion is None else motion.pull_back)

    def coloured_points(self, colours: Tensor, came: Tensor, normals: Tensor, strengths: Mapping[str, float]) -> Tensor:
        """``Colouring.of_points``, where strengths ask for it."""
        changes = any(strengths.get(name) for name in COLOURS)
        return self._colours.of_points(colours, came, normals, strengths) if changes else colours

    @cached_property
    def _opened(self) -> tuple[Tensor, FaceSurface]:
        """Planes of the mean head with an open mouth, and its face: the codes found for photos lie where the mouth hardly opens."""
        ws, front = self._generator.open_mouth(), self._generator.frontal_camera()
        planes = self._generator.planes(ws)
        return planes, face_surface(self._generator.view(planes, ws, front), front)

    def motion(self, strengths: Mapping[str, float]) -> Motion | None:
        """How shape and expression move the head, or None where they do not."""
        hair = hair_field(self._hair, strengths, self._generator.config.box_warp / 2) if any(strengths.get(n) for n in HAIR) else None
        if hair is None and not any(strengths.get(name) for name in shipped_motions()[1]):
            return None  # colours alone: no need to know how the head could move
        return self._motions.motion(strengths, hair)

    @torch.no_grad()
    def moved(self, motion: Motion | None) -> Head:
        """The moved head."""
        if motion is None:
            return self._head
        planes = MovedPlanes(self._planes, motion, None if motion.between is None else self._opened[0])
        half, size = self._generator.config.box_warp / 2, self._grid.shape[-1]
        shift, points = motion.box_shift(size), box_points(size, 2 * half, self._grid.device)
        grid, moves = self._grid.clone(), shift.abs().amax(0) > STILL
        grid[0, 0, moves] = at(self._grid, (points[moves] + shift[:, moves].T) / half)[:, 0]
        if planes.inside is not None:
            points = points.reshape(1, -1, 3)
            between = motion.from_inside(points)[0, :, 0] > 0
            grid.flatten()[between] = self._generator.query(planes, points[:, between])[0][0]
        return replace(self._head, planes=planes, grid=grid)
