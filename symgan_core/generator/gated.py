"""Planes with an offset that counts in one part of space only.

Texels of a plane lie one behind the other in the head. What is learned from a photo of the face would also show on the back of the head;
PanoHead (An et al., CVPR 2023, arXiv 2303.13071) gives each plane a depth of its own against that. Here the generator's planes stay as they
are, and what is learned beside them is weighted by a volume that is 1 near the surface that the photo sees and 0 behind it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class GatedPlanes(NamedTuple):
    """``base`` and ``offset [1, 3, C, H, W]``, and ``gate [1, 1, D, D, D]`` in [0, 1] over the box, x fastest: at a point, the mean
    feature of ``base`` plus ``gate`` times that of ``offset``."""

    base: Tensor
    offset: Tensor
    gate: Tensor

    @property
    def device(self) -> torch.device:
        """Where the planes are."""
        return self.base.device

    def detach(self) -> GatedPlanes:
        """The same without gradients."""
        return GatedPlanes(*(x.detach() for x in self))


class Moving(Protocol):
    """How an edited head came from the unedited one (``portrait/editing/motion.py``)."""

    def pull_back(self, points: Tensor) -> Tensor:
        """Points ``[..., 3]`` in world units to where they were on the unedited head."""

    def from_inside(self, points: Tensor) -> Tensor:
        """``[..., 1]`` in [0, 1]: how far what is there lies between lips that were closed."""

    def inside_mouth(self, points: Tensor) -> Tensor:
        """Points between the lips to where the head with an open mouth has them."""


class MovedPlanes(NamedTuple):
    """Planes of a head that has moved: each point is looked up in ``planes`` where it came from; between lips that were closed, in ``inside
    [1, 3, C, H, W]``, the planes of a head with an open mouth (None where no such lips part)."""

    planes: Tensor | GatedPlanes
    motion: Moving
    inside: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """Where the planes are."""
        return self.planes.device


Planes = Tensor | GatedPlanes | MovedPlanes
"""What can be rendered: ``[B, 3, C, H, W]``, or one set of gated or moved planes for all views."""


def gate_at(gate: Tensor, points: Tensor, box_warp: float) -> Tensor:
    """``[1, P, 1]``: the gate ``[1, 1, D, D, D]`` at ``points [1, P, 3]`` in world units; beyond the box its border goes on."""
    places = (points * (2 / box_warp))[:, :, None, None]
    return F.grid_sample(gate, places, padding_mode="border", align_corners=True)[:, 0, :, :, 0]
