"""What of a rendered head is hair, and what is body."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..faces import shares_of
from ..generator import TriPlaneGenerator
from .look import draft


@dataclass(frozen=True, eq=False)
class PartsShown:
    """``opacity``, and which of the picture is ``hair`` and which is ``body`` (neck or clothing): ``[1, 1, R, R]`` in [0, 1]."""

    opacity: Tensor
    hair: Tensor
    body: Tensor


@torch.no_grad()
def parts_shown(generator: TriPlaneGenerator, ws: Tensor, camera: Tensor) -> PartsShown:
    """As the second look sees them in a draft of the head ``ws [1, num_ws, w_dim]`` from ``camera [1, 25]``."""
    shown = draft(generator, ws, camera)
    return PartsShown(shown.image_opacity, *shares_of(shown.image, ("hair",), ("neck", "clothing")))
