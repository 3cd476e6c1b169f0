"""What a step looks at: people of the pool as tensors, and the pixels, points and samples chosen from their pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import IterableDataset, get_worker_info

from symgan_core.geometry import pixel_rays, project
from symgan_core.geometry.cameras import Camera

from .heads import REGIONS
from .pool import RESOLUTION, VIEWS, Pool

HALF = RESOLUTION // 2
"""The pool's depth, regions and interest have this many pixels a side."""
RIM = 4
"""So many of those beside the head, rays look for matter where its edge is: samples spread over the whole ray miss a rim of a pixel."""
RIM_INTEREST = 40
FEATURES, FEATURE_INTEREST = [REGIONS.index(n) for n in ("eyes", "mouth", "brows")], 300
"""What faces are known by is a hundredth of a picture: chosen so much more often than the pool's interest has it."""


class Pixels(NamedTuple):
    """``[F, M]`` pixels of F views: rays ``[F, M, 3]``, ``colour [F, M, 3]`` in [-1, 1], ``opacity``, ``depth`` along the ray (NaN where
    there is no head), and ``near``, where to look: the same, or beside the head its edge's depth."""

    origins: Tensor
    directions: Tensor
    colour: Tensor
    opacity: Tensor
    depth: Tensor
    near: Tensor

    def by_person(self, people: int) -> Pixels:
        """The views of each person in one row: ``[people, V * M]``."""
        return Pixels(*(x.reshape(people, -1, *x.shape[2:]) for x in self))


Drawn = dict[str, Tensor]
"""Arrays of a pool, ``[B, V, ...]`` of V views of B people each, and ``w [B, T]`` of the people."""


def drawn(pool: Pool, numbers: np.ndarray, views: np.ndarray) -> Drawn:
    """``views [B, V]`` of the people ``numbers [B]``, in memory."""
    names = ("cameras", "rgb", "alpha", "depth", "interest", "region")
    arrays = {name: torch.from_numpy(pool.arrays[name][numbers[:, None], views]) for name in names}
    return arrays | {"w": torch.from_numpy(pool.ws(numbers))}


class Draws(IterableDataset):
    """Endless random views of random people of those who are there; each worker draws its own."""

    def __init__(self, pool: Pool, people: int, views: int, seed: int):
        self.pool, self.people, self.views, self.rng = pool, people, views, np.random.default_rng(seed)

    def __iter__(self) -> Iterator[Drawn]:
        if worker := get_worker_info():
            self.rng = np.random.default_rng(worker.seed)
        while True:
            ready = self.pool.ready()
            numbers = self.rng.choice(ready, self.people, replace=len(ready) < self.people)
            yield drawn(self.pool, numbers, np.stack([self.rng.permutation(VIEWS)[: self.views] for _ in numbers]))


class Batch:
    """What was drawn, on the training device."""

    def __init__(self, arrays: Drawn, device: torch.device):
        self.people, self.views = arrays["cameras"].shape[:2]
        self.device = device

        def load(name: str) -> Tensor:
            return arrays[name].to(device, non_blocking=True).flatten(0, 1)

        self.w = arrays["w"].to(device, non_blocking=True)
        self.cameras, self.rgb, self.alpha, self.interest = (load(n) for n in ("cameras", "rgb", "alpha", "interest"))
        region = load("region")
        self.interest = self.interest + FEATURE_INTEREST * sum(region == n for n in FEATURES)
        depth = load("depth").float()
        self.depth = finer(depth)
        """``[B * V, RESOLUTION, RESOLUTION]``: z along the camera's axis minus 2.7."""
        self.near = finer(beside(depth))

    def choose(self, count: int, on_head: bool = False) -> tuple[Tensor, Tensor]:
        """Rows and columns ``[B * V, count]`` drawn by interest; ``on_head``: only where there is depth."""
        chance = self.interest.flatten(1).float()
        head = torch.isfinite(self.depth[:, ::2, ::2]).flatten(1)
        if on_head:
            chance = chance * head + 1e-6
        else:
            chance = chance + RIM_INTEREST * (torch.isfinite(self.near[:, ::2, ::2]).flatten(1) & ~head)
        # ``multinomial`` would do, but it makes a GPU wait for Python.
        total = chance.cumsum(1)
        chosen = torch.searchsorted(total, total[:, -1:] * torch.rand(len(total), count, device=self.device), right=True)
        chosen = chosen.clamp(max=chance.shape[1] - 1)
        quarter = torch.randint(0, 4, chosen.shape, device=self.device)
        return chosen // HALF * 2 + quarter // 2, chosen % HALF * 2 + quarter % 2

    def pixels(self, row: Tensor, column: Tensor, who: Tensor | None = None) -> Pixels:
        """Look pixels up; ``who [F]`` picks views, by default all."""
        who = torch.arange(len(self.cameras), device=self.device) if who is None else who
        uv = torch.stack([(column + 0.5) / RESOLUTION, (row + 0.5) / RESOLUTION], -1)
        cameras, place = self.cameras[who], (who[:, None], row, column)
        depth, near = (along_ray(x[place], uv, cameras) for x in (self.depth, self.near))
        return Pixels(*pixel_rays(cameras, uv), self.rgb[place].float() / 127.5 - 1, self.alpha[place].float() / 255, depth, near)

    def free_points(self, count: int, box: float, margin: float = 0.02) -> tuple[Tensor, Tensor]:
        """Random points in the box and which of them are known to be empty: some view sees through them.

        Returns:
            ``points [B, count, 3]`` and a mask ``[B, count]``.
        """
        points = (torch.rand(self.people, count, 3, device=self.device) - 0.5) * box
        spread = points.repeat_interleave(self.views, 0)
        uv, distance = project(spread, self.cameras)
        inside = ((uv > 0) & (uv < 1)).all(-1)
        column, row = (uv.clamp(0, 0.999) * RESOLUTION).long().unbind(-1)
        who = torch.arange(len(self.cameras), device=self.device)[:, None]
        surface, opacity = along_ray(self.depth[who, row, column], uv, self.cameras), self.alpha[who, row, column]
        seen_through = (distance < surface - margin) | (torch.isnan(surface) & (opacity == 0))
        return points, (inside & seen_through).reshape(self.people, self.views, count).any(1)


def beside(depth: Tensor) -> Tensor:
    """``[F, H, W]`` with NaN where there is no head: there, the least depth within ``RIM`` pixels, NaN if there is none."""
    least = -F.max_pool2d(-depth.nan_to_num(torch.inf)[:, None], 2 * RIM + 1, 1, RIM)[:, 0]
    return torch.where(torch.isfinite(depth), depth, torch.where(torch.isfinite(least), least, torch.nan))


def finer(depth: Tensor, step: float = 0.01) -> Tensor:
    """``[F, H, W]`` at twice the resolution: linear along a surface, but the pixel's own where a neighbour is ``step`` off or NaN."""
    own, linear = (F.interpolate(depth[:, None], scale_factor=2, mode=mode)[:, 0] for mode in ("nearest", "bilinear"))
    return torch.where((linear - own).abs() < step, linear, own)


def place_samples(depth: Tensor, limits: tuple[float, float], counts: tuple[int, int, int], around: float) -> Tensor:
    """``[B, M, S]`` jittered depths, ascending: some before the known depth, most around it, some behind; evenly spread where it is NaN."""
    near, far = (torch.full_like(depth, x) for x in limits)
    low, high = depth - around, depth + around
    near = torch.minimum(near, low.nan_to_num(limits[0]))  # hair may reach nearer than the generator looks; depths still ascend
    parts = [stratified(near, low, counts[0]), stratified(low, high, counts[1]), stratified(high, torch.maximum(far, high), counts[2])]
    spread = stratified(torch.full_like(depth, limits[0]), far, sum(counts))
    return torch.where(torch.isfinite(depth)[..., None], torch.cat(parts, -1), spread)


def stratified(low: Tensor, high: Tensor, count: int) -> Tensor:
    """``[..., count]`` ascending random numbers, one in each of ``count`` equal parts of [low, high]."""
    u = (torch.arange(count, device=low.device) + torch.rand(*low.shape, count, device=low.device)) / count
    return low[..., None] + (high - low)[..., None] * u


def along_ray(z_depth: Tensor, uv: Tensor, cameras: Tensor) -> Tensor:
    """Pool depth (z along the camera's axis minus 2.7) to distance along the unit ray. ``uv [B, M, 2]``, ``cameras [B, 25]``."""
    k = Camera.from_vector(cameras).intrinsics[:, None]
    x = (uv[..., 0] - k[..., 0, 2]) / k[..., 0, 0]
    y = (uv[..., 1] - k[..., 1, 2]) / k[..., 1, 1]
    return (z_depth + 2.7) * (1 + x.square() + y.square()).sqrt()
