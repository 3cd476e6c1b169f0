"""Planes with an offset that counts in one part of space only.

Texels of a plane lie one behind the other in the head. What is learned from a photo of the face would also show on the back of the head;
PanoHead (An et al., CVPR 2023, arXiv 2303.13071) gives each plane a depth of its own against that. Here the generator's planes stay as they
are, and what is learned beside them is weighted by a volume that is 1 near the surface that the photo sees and 0 behind it.
"""

from __future__ import annotations

from typing import NamedTuple

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


Planes = Tensor | GatedPlanes
"""What can be rendered: ``[B, 3, C, H, W]``, or one set of gated planes for all views."""


def gate_at(gate: Tensor, points: Tensor, box_warp: float) -> Tensor:
    """``[1, P, 1]``: the gate ``[1, 1, D, D, D]`` at ``points [1, P, 3]`` in world units; beyond the box its border goes on."""
    places = (points * (2 / box_warp))[:, :, None, None]
    return F.grid_sample(gate, places, padding_mode="border", align_corners=True)[:, 0, :, :, 0]
