"""Where an offset on planes counts: near the surfaces that the photo, or its mirror image, shows (``generator/gated.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...generator import Head
from ...geometry import project
from ...geometry.images import spread
from ...geometry.volume import box_points
from ...geometry.warp import sample_image

if TYPE_CHECKING:
    from ..state import TuningStage

SIZE = 64
"""Cells a side of the gate's volume."""
MARGIN = 0.05
"""World units behind the surface that a camera sees within which the offset counts: as deep as a surface may move while it is learned."""
SOFTNESS = 0.012
"""World units over which it fades (of a logistic function)."""


@dataclass(frozen=True)
class SurfaceGate:
    """The offset counts near the surfaces that the photo, or its mirror image, shows: what is learned of the face does not show on the back
    of the head."""

    def volume(self, stage: TuningStage) -> Tensor:
        """As ``surface_gate`` has it."""
        mirrored = stage.mirrored_camera
        cameras = [stage.target.camera, *([] if mirrored is None else [mirrored])]
        return surface_gate(stage.head, cameras)


@torch.no_grad()
def surface_gate(head: Head, cameras: Sequence[Tensor]) -> Tensor:
    """``[1, 1, SIZE, SIZE, SIZE]`` in [0, 1] over the box, x fastest: 1 before and little behind what one of the cameras sees.

    Args:
        cameras: ``[1, 25]`` each.
    """
    points = box_points(SIZE, head.generator.config.box_warp, head.planes.device).reshape(1, -1, 3)
    gate = points.new_zeros(points.shape[1])
    for camera in cameras:
        seen = head.draft(camera)
        # Beside the outline the surface goes on: hair at the back of the head is not before it.
        depth = spread(seen.depth, seen.opacity > 0.8)
        uv, distance = project(points, camera)
        behind = distance[0] - sample_image(depth, uv[:, None])[0, 0, 0]
        gate = torch.maximum(gate, torch.sigmoid((MARGIN - behind) / SOFTNESS))
    return gate.reshape(1, 1, SIZE, SIZE, SIZE)
