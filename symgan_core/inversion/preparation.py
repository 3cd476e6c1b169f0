"""What is done once, before the first step of a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from ..generator import TriPlaneGenerator

if TYPE_CHECKING:
    from .state import Stage, State
    from .target.target import Target


class Start(Protocol):
    """Where stage 1 begins."""

    def code(self, target: Target, generator: TriPlaneGenerator) -> Tensor | None:
        """``[w_dim]``; None: at the mean."""


class Masking(Protocol):
    """What of the photo stage 2 does not learn."""

    def masked(self, target: Target, state: State) -> Target:
        """The photo without it, for the head that is found so far."""


class Preparation:
    """Base of what is done before the first step: a frozen dataclass with one method.

    Attributes:
        shows_photo: the head has the photo's colours after it.
    """

    shows_photo = False

    def apply(self, stage: Stage) -> None:
        """Change ``stage`` and its ``state``."""
        raise NotImplementedError
