"""The colours of hair, skin or clothing, from shade to light."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class ColourLine:
    """Which colours go with which brightness.

    Attributes:
        line: ``[2, 3]``: logarithms of red, green and blue as a line over that of their mean: constant, and slope.
        span: ``[2]``: beyond these logarithms of brightness, colours have the ratios of the line's end.
    """

    line: Tensor
    span: Tensor

    def at(self, light: Tensor) -> Tensor:
        """Colours ``[N, 3]`` in [0, 1] of a brightness ``[N, 1]`` in (0, 1]."""
        own = (self.line[0] + self.line[1] * light.log().clamp(*self.span)).exp()
        return (own * light / own.mean(1, keepdim=True)).clamp(0, 1)
