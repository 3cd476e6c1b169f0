"""Behind the head, which no photo shows: what is empty at first stays empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from ...generator import Head, TriPlaneGenerator
from ...geometry import project
from ...geometry.volume import box_points, interval_weights
from ...geometry.warp import sample_image
from ..start.encoder import without_nape_hair
from .base import Loss, Term

if TYPE_CHECKING:
    from ..state import PivotStage
    from ..step import Step

MATTER = -2.0
"""Raw density of what may count as a trace of matter (a ray through 0.1 world units of it collects half a hundredth)."""
REACH = 2
"""Cells of the density grid around matter that hair may grow into."""
BEHIND = 0.05
"""A point this far behind what the photo's camera sees is hidden, in world units."""
STEP = 0.05
"""Opacity is that of so many world units."""
POINTS = 1024
"""So many of the points are looked at in a step."""


@dataclass(frozen=True)
class EmptySpace(Term):
    """Mean opacity of what appears behind the head where the first code is empty; of methods that keep the encoder's haircut."""

    weight: float = 20.0
    every: int = 3

    def start(self, stage: PivotStage) -> Loss | None:
        """None where no haircut is kept."""
        if not stage.haircut_kept:
            return None
        ws = without_nape_hair(stage.state.ws, stage.generator.traits)
        return _EmptySpace(self, EmptySpaceLoss(stage.generator, ws, stage.fitted_camera))


class _EmptySpace(Loss):
    def __init__(self, term: EmptySpace, space: EmptySpaceLoss):
        super().__init__(term)
        self._space = space

    def losses(self, step: Step) -> dict[str, Tensor]:
        """ "void", as reports have called it from the first."""
        return {"void": self.scale * self._space.opacity(step.planes)}


class EmptySpaceLoss:
    """Points behind a head that are empty when it is made.

    W+ may do what no face of the training does, and a photo asks nothing of what it does not show: ghosts of ponytails grew there.
    """

    @torch.no_grad()
    def __init__(self, generator: TriPlaneGenerator, ws: Tensor, camera: Tensor):
        """``ws [1, num_ws, w_dim]``, ``camera [1, 25]`` of the photo."""
        self._generator, self._points, self._rng = generator, ws.new_zeros(0, 3), torch.Generator().manual_seed(0)
        head = Head.of(generator, ws)
        if head.grid is None:
            return
        size, side = head.grid.shape[-1], generator.config.box_warp
        matter = F.max_pool3d(head.grid, 2 * REACH + 1, 1, REACH)[0, 0] > MATTER
        points = box_points(size, side, ws.device)[~matter]
        uv, away = project(points[None], camera)
        seen = head.draft(camera)
        depth, opacity = (sample_image(x, uv[:, None])[0, 0, 0] for x in (seen.depth, seen.opacity))
        self._points = points[(opacity > 0.5) & (away[0] > depth + BEHIND)]
        self._cell = side / (size - 1)

    def opacity(self, planes: Tensor) -> Tensor:
        """Mean opacity of what ``planes [1, 3, C, H, W]`` have there now."""
        if not len(self._points):
            return planes.new_zeros(())
        chosen = torch.randint(len(self._points), (POINTS,), generator=self._rng).to(planes.device)
        jitter = (torch.rand(POINTS, 3, generator=self._rng) - 0.5).to(planes.device) * self._cell
        sigma, _ = self._generator.query(planes, (self._points[chosen] + jitter)[None])
        return interval_weights(sigma[..., None].expand(-1, -1, 2), sigma.new_tensor([0, STEP])).mean()
