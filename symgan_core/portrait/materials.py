"""Hair and skin that no photo shows: the generator makes them up smooth, and in colours that are a guess.

The photo says which colours of its hair and its skin go with which brightness, and how much strands of hair and the grain of skin differ
in it. How strands lie nobody knows; here they fall from the crown. All of it is fixed to the head, so it turns with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..geometry.images import smooth_step
from .colour_line import ColourLine
from .editing.fields import at
from .grain import grain_at
from .strands import strands_at

DARK = 0.03
"""Added to brightness in [0, 1] before its logarithm is taken."""
SURE = (0.5, 0.85)
"""Share of a material at a place: below the first nothing is changed, above the second all of it."""
LEVEL, LEVEL_BEHIND = 0.6, 0.4
"""What is hidden keeps so much of the logarithm by which it is brighter or darker than the photo's is in the mean; skin keeps less of it
behind the ears, where the planes show the face faintly once more."""
BEHIND = (-0.12, 0.0)
"""Depths, world units: at less than the first it is behind the ears, at more than the second before them."""
SQUARE = (0.1, 0.45)
"""Cosine between surface and sight: what is seen at less than the first has no texture, which would flicker there."""


@dataclass(frozen=True, eq=False)
class Material:
    """What hidden hair, or skin, of one head looks like.

    Attributes:
        volume: ``[1, 1, D, D, D]`` in [0, 1] over the box, x fastest: which of the head it is.
        colours: of the photo's.
        bright: the mean logarithm of the photo's brightness.
        strands: standard deviation of what strands change in it; 0 for skin.
        grain: of what the grain of skin changes; 0 for hair.
        half_box: half the side of the box, world units.
    """

    volume: Tensor
    colours: ColourLine
    bright: float
    strands: float
    grain: float
    half_box: float

    def to(self, device: torch.device) -> Material:
        """The same on another device."""
        colours = ColourLine(self.colours.line.to(device), self.colours.span.to(device))
        return Material(self.volume.to(device), colours, self.bright, self.strands, self.grain, self.half_box)

    def share(self, points: Tensor) -> Tensor:
        """How far it is drawn at ``points [..., 3]``: ``[...]`` in [0, 1]."""
        return smooth_step(at(self.volume, points / self.half_box)[..., 0], *SURE)

    def drawn(self, colours: Tensor, points: Tensor, facing: Tensor, share: Tensor) -> Tensor:
        """``colours [N, 3]`` in about [0, 1] at ``points [N, 3]``, which are seen at a cosine ``facing [N]`` and of a ``share [N]``, become
        those of the photo, with its texture."""
        light = (colours.mean(1, keepdim=True).clamp(min=0) + DARK).log()  # detail may go beyond black
        behind = LEVEL if self.strands else LEVEL_BEHIND
        level = behind + (LEVEL - behind) * smooth_step(points[:, 2:], *BEHIND)
        light = self.bright + level * (light - self.bright)
        for contrast, texture_at in ((self.strands, strands_at), (self.grain, grain_at)):
            if contrast:
                light = light + contrast * (smooth_step(facing, *SQUARE) * texture_at(points))[:, None]
        return torch.lerp(colours, self.colours.at((light.exp() - DARK).clamp(DARK, 1)), share[:, None])
