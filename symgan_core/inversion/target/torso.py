"""Clothes and shoulders that a generator of heads cannot show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from .parts import parts_shown
from .target import Target

if TYPE_CHECKING:
    from ..state import State


@dataclass(frozen=True)
class ClipTorso:
    """Learn nothing of clothes and shoulders beyond the generator's own, nor of what stands far from its head (``Target.clip_torso``)."""

    @torch.no_grad()
    def masked(self, target: Target, state: State) -> Target:
        """The photo without them; itself where it is not known what of it is body."""
        if not target.has_body_mask:
            return target
        parts = parts_shown(state.generator, state.ws, state.camera)
        return target.remove_unsupported_hair(parts).clip_torso(parts)
