"""Behind the head, where no photo looks: what the guess leaves empty stays empty."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..generator import TriPlaneGenerator
from ..geometry import project
from ..geometry.volume import box_points, interval_weights
from ..geometry.warp import sample_image

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


class Void:
    """Points behind a head that are empty when it is made.

    W+ may do what no face of the training does, and a photo asks nothing of what it does not show: ghosts of ponytails grew there.
    """

    @torch.no_grad()
    def __init__(self, generator: TriPlaneGenerator, ws: Tensor, camera: Tensor):
        """``ws [1, num_ws, w_dim]``, ``camera [1, 25]`` of the photo."""
        self._generator, self._points, self._rng = generator, ws.new_zeros(0, 3), torch.Generator().manual_seed(0)
        planes = generator.planes(ws)
        grid = generator.density_grid(planes)
        if grid is None:
            return
        size, side = grid.shape[-1], generator.config.box_warp
        matter = F.max_pool3d(grid, 2 * REACH + 1, 1, REACH)[0, 0] > MATTER
        points = box_points(size, side, ws.device)[~matter]
        uv, away = project(points[None], camera)
        seen = generator.render(planes, camera, generator.config.draft_resolution, grid=grid)
        depth, opacity = (sample_image(x, uv[:, None])[0, 0, 0] for x in (seen.depth, seen.opacity))
        self._points = points[(opacity > 0.5) & (away[0] > depth + BEHIND)]
        self._cell = side / (size - 1)

    def matter(self, planes: Tensor) -> Tensor:
        """Mean opacity of what ``planes [1, 3, C, H, W]`` have there now."""
        if not len(self._points):
            return planes.new_zeros(())
        chosen = torch.randint(len(self._points), (POINTS,), generator=self._rng).to(planes.device)
        jitter = (torch.rand(POINTS, 3, generator=self._rng) - 0.5).to(planes.device) * self._cell
        sigma, _ = self._generator.query(planes, (self._points[chosen] + jitter)[None])
        return interval_weights(sigma[..., None].expand(-1, -1, 2), sigma.new_tensor([0, STEP])).mean()
