"""What of a rendered head is hair, skin and body, and how squarely its surface is seen."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...faces import shares_of
from ...generator import TriPlaneGenerator
from ...geometry import facing
from ...geometry.images import mean_within
from ..rendering import draft

LUMPS = 9
"""Width, in pixels of a draft, of the means over which it is judged how squarely a surface is seen: hair is lumpy."""
SKIN = ("skin", "eyes", "brows", "nose", "ears")
"""Regions of the face that a photo's hair is not to be painted on."""


@dataclass(frozen=True, eq=False)
class PartsShown:
    """``opacity``, which of the picture is ``hair``, ``body`` (neck or clothing) and ``skin`` of the face, and ``facing``, the cosine
    between surface and sight: ``[1, 1, R, R]`` in [0, 1]."""

    opacity: Tensor
    hair: Tensor
    body: Tensor
    skin: Tensor
    facing: Tensor


@torch.no_grad()
def parts_shown(generator: TriPlaneGenerator, ws: Tensor, camera: Tensor) -> PartsShown:
    """As the refinement network sees them in a draft of the head ``ws [1, num_ws, w_dim]`` from ``camera [1, 25]``."""
    shown = draft(generator, ws, camera)
    shares = shares_of(shown.image, ("hair",), ("neck", "clothing"), SKIN)
    solid = (shown.image_opacity > 0.9).float()
    return PartsShown(shown.image_opacity, *shares, mean_within(facing(shown.image_depth, camera), solid, LUMPS))
