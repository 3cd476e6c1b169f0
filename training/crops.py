"""Crops of the pool's people as a coarse detector leaves them, before varied backgrounds, with what renders lack painted over them: strands
in the hair, shoulders in clothes, things in front of the face."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import IterableDataset, get_worker_info

from symgan_core.faces.closeup import INPUT, REGIONS, W_DIM, CloseReading, face_squares
from symgan_core.faces.frames import compose_frames, points_in_squares, points_to_photo, relative_frame
from symgan_core.faces.maps import LANDMARKS
from symgan_core.geometry import Camera, project
from symgan_core.geometry.rays import pixel_centres

from .distortions import backgrounds, distort
from .grimaces import Slits, blurred, creases, folds, grimaces, pulled, slits, teeth
from .heads import HeadPack, person_from_code
from .heads.backgrounds import draw_background
from .heads.landmarks import points_of
from .pool import VIEWS, Pool

MAX_YAW = 85.0
HELD = 16
"""One person in so many is kept back for the test."""
HIDDEN = 0.025
"""A point that lies so much deeper than what the picture shows there is hidden, in scene units."""
SPOT = 0.035
"""Standard deviation of a point's spot in its map, in sides of the crop."""
HAIR, CLOTHING, MOUTH = (REGIONS.index(n) for n in ("hair", "clothing", "mouth"))


class Crops:
    """Draws crops ``side`` pixels wide with their truths, of the face alone where ``near``."""

    def __init__(self, pool: Pool, seed: int = 0, backdrops: int = 800, side: int = INPUT, near: bool = False):
        self.pool, self.side, self.near, self.rng = pool, side, near, np.random.default_rng(seed)
        torch.manual_seed(seed)
        pack, people = HeadPack(), pool.ready()
        self.points = torch.zeros(pool.heads, LANDMARKS, 3)
        self.points[people] = torch.from_numpy(np.stack([points_of(pack, person_from_code(pack, c)) for c in pool.arrays["codes"][people]]))
        self.w = torch.zeros(pool.heads, W_DIM)
        self.w[people] = torch.from_numpy(pool.ws(people))
        cameras = torch.from_numpy(np.array(pool.arrays["cameras"]))
        self.angles = torch.stack(Camera.from_vector(cameras.reshape(-1, 25)).angles(), -1).reshape(*cameras.shape[:2], 2)
        self.all = np.array([(n, v) for n in people for v in range(VIEWS)])
        rows = self.all[self.angles[self.all[:, 0], self.all[:, 1], 0].abs().numpy() < MAX_YAW]
        held = rows[:, 0] % HELD == 0
        self.train, self.test = rows[~held], rows[held]
        self.backdrops = torch.from_numpy(np.stack([draw_background(self.rng, side) for _ in range(backdrops)])).permute(0, 3, 1, 2)

    def draw(self, count: int, kept_back: bool = False, gently: bool = False) -> tuple[Tensor, CloseReading, Tensor]:
        """Crops ``[count, 3, S, S]``, their truth (``visible`` 0 or 1, ``regions [count, S / 2, S / 2]`` numbers) and w ``[count, 267]``.

        ``kept_back``: of people that are never trained on; ``gently``: distorted as little as a good photo is after the second look.
        """
        of = self.test if kept_back else self.train
        rows = of[self.rng.integers(0, len(of), count)]
        frames = jitter(count, 0.2 if gently else 1.0)
        if self.near or not gently:  # half of the looks are closer ones, or all
            near = (torch.arange(count) % 2 == 0) | self.near
            squares = face_squares(points_to_photo(self._projected(rows)[0], frames))
            squares = compose_frames(squares, jitter(count, 0.2 if gently else 1.0))  # off by what the look from afar leaves
            frames[near] = relative_frame(squares, frames)[near]
        return self.compose(rows, frames, gently)

    def _projected(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Points ``[count, 68, 2]`` in the aligned picture, and their depth."""
        return project(self.points[rows[:, 0]], torch.from_numpy(self.pool.arrays["cameras"][rows[:, 0], rows[:, 1]]))

    def compose(self, rows: np.ndarray, frames: Tensor, gently: bool = False,
                shown: Tensor | None = None) -> tuple[Tensor, CloseReading, Tensor]:
        """The same of these people and views ``rows [count, 2]``, whose aligned frames in the crops are ``frames [count, 4]``.

        ``shown [count]``: whose head is shown; the other crops have all the rest. By default all are.
        """
        count, who, arrays, side = len(rows), (rows[:, 0], rows[:, 1]), self.pool.arrays, self.side
        rgb = torch.from_numpy(arrays["rgb"][who]).permute(0, 3, 1, 2).float() / 127.5 - 1
        alpha = torch.from_numpy(arrays["alpha"][who])[:, None].float() / 255
        region = torch.from_numpy(arrays["region"][who])
        if shown is not None:
            alpha, region = alpha * shown[:, None, None, None], region * shown[:, None, None]
            rgb = torch.where(shown[:, None, None, None], rgb, torch.ones(()))
        if side < INPUT:  # heads are small in such crops: their pixels are means of several
            rgb, alpha = F.avg_pool2d(rgb, 2), F.avg_pool2d(alpha, 2)
        points, depth = self._projected(rows)
        visible = seen(points, depth - 2.7, torch.from_numpy(arrays["depth"][who]).float())
        if shown is not None:
            visible = visible & shown[:, None]
        sides = frames[:, :2].norm(dim=1)
        placed = points_to_photo(points, frames)
        gaps = slits(placed, (visible & inside(placed)).float(), 0.0 if gently else 1.0)
        placed = gaps.moved_points(placed)
        pulls = grimaces(placed, sides, 0.0 if gently else 1.0)
        head, parted, deep = place_in(torch.cat([rgb, alpha], 1), frames, pulls, gaps, side)
        kinds, open_mouths, _ = place_in(region[:, None].float(), frames, pulls, gaps, side // 2, "nearest")
        kinds = torch.where(open_mouths, torch.full_like(kinds, MOUTH), kinds)[:, 0].long()
        hair = F.interpolate((kinds == HAIR)[:, None].float(), (side, side), mode="bilinear")
        behind, body = shoulders(self._background(rgb[:, :, ::2, ::2]), frames)
        # Colours come over white: taken out here, so that the edge has no halo.
        cover = head[:, 3:]
        colour = head[:, :3] - (1 - cover)
        points = pulled(placed, pulls)
        if not gently:
            points, dark = creases(points, (visible & inside(points)).float(), side)
            bright = (colour * cover).mean((1, 2, 3), keepdim=True) / cover.mean((1, 2, 3), keepdim=True).clamp(min=0.05)
            colour = torch.lerp(colour, teeth(deep, bright) * cover, blurred(parted.float()))
            colour = (colour + cover) * folds(count, side) * dark - cover
        crops = colour * strands(hair) + behind * (1 - cover)
        wearing, covered = (F.avg_pool2d(x, 2)[:, 0] > 0.5 for x in (body, cover))
        kinds = torch.where((kinds == 0) & wearing & ~covered, torch.full_like(kinds, CLOTHING), kinds)
        truth = CloseReading(points, (visible & inside(points)).float(), self.angles[rows[:, 0], rows[:, 1]], frames, kinds)
        return (toned if gently else distort)(crops.clamp(-1, 1)), truth, self.w[rows[:, 0]]

    def _background(self, pictures: Tensor) -> Tensor:
        count = len(pictures)
        noise = backgrounds(count, pictures, self.side)
        drawn = self.backdrops[torch.from_numpy(self.rng.integers(0, len(self.backdrops), count))].float() / 127.5 - 1
        return torch.where(torch.rand(count, 1, 1, 1) < 0.5, noise, drawn)


def jitter(count: int, size: float = 1.0) -> Tensor:
    """(a, b, x, y) of the aligned frame in the crop: off by what a first look leaves, times ``size``."""
    scale = torch.exp(torch.randn(count).clamp(-2, 2) * 0.07 * size)
    angle = torch.randn(count).clamp(-2.5, 2.5) * math.radians(6) * size
    centre = 0.5 + torch.randn(count, 2).clamp(-2.5, 2.5) * 0.035 * size
    return torch.stack([scale * angle.cos(), scale * angle.sin(), centre[:, 0], centre[:, 1]], 1)


def inside(points: Tensor) -> Tensor:
    """Whether points ``[..., 2]`` lie within the crop."""
    return ((points > 0) & (points < 1)).all(-1)


def place_in(pictures: Tensor, frames: Tensor, pulls: Tensor, gaps: Slits, side: int = INPUT,
             mode: str = "bilinear") -> tuple[Tensor, Tensor, Tensor]:
    """Aligned pictures ``[B, C, *, *]`` as they lie in crops; beyond them, their border goes on below and nothing comes elsewhere.

    Returns them, and ``[B, 1, side, side]`` each: whether lips parted there, and how far down between them that is.
    """
    # Pulls are smooth: every fourth pixel of a side will do.
    few = pixel_centres(side // 4).expand(len(frames), -1, -1)
    shift = (pulled(few, pulls, back=True) - few).transpose(1, 2).reshape(len(frames), 2, side // 4, side // 4)
    places = pixel_centres(side) + F.interpolate(shift, (side, side), mode="bilinear").flatten(2).transpose(1, 2)
    parted, deep = (x.reshape(len(frames), 1, side, side) for x in gaps.opened(places))
    local = points_in_squares(gaps.moved(places, back=True), frames)
    grid = local.reshape(len(frames), side, side, 2) * 2 - 1
    out = F.grid_sample(pictures, grid, mode, padding_mode="border", align_corners=False)
    beyond = ((grid[..., 1] < -1) | (grid[..., 0].abs() > 1))[:, None].expand_as(out).clone()
    if out.shape[1] > 1:
        out[:, :3] = torch.where(beyond[:, :3], torch.ones(()), out[:, :3])  # white, as everything without a head is in the pool
        out[:, 3:] = out[:, 3:] * ~beyond[:, 3:]
        return out, parted, deep
    return out * ~beyond, parted, deep


def seen(points: Tensor, depth: Tensor, surface: Tensor) -> Tensor:
    """Whether points ``[B, P, 2]`` at ``depth [B, P]`` are what pictures with ``surface [B, S, S]`` (NaN: nothing) show there."""
    side = surface.shape[-1]
    where = (points * side).long().clamp(0, side - 1)
    shown = surface[torch.arange(len(points))[:, None], where[..., 1], where[..., 0]]
    return ~(shown < depth - HIDDEN)


def shoulders(behind: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """The background with a body in clothes in it, and where that is ``[B, 1, S, S]``; seven of ten have one."""
    count, side = len(behind), behind.shape[-1]
    line = (torch.arange(side) + 0.5) / side
    sides = frames[:, :2].norm(dim=1)[:, None, None]
    x, y = (line[None, None, :] - frames[:, 2, None, None]).abs() / sides, (line[None, :, None] - frames[:, 3, None, None]) / sides
    some = torch.rand(4, count, 1, 1)
    neck, slope = 0.08 + 0.1 * some[0], 0.15 + 1.2 * some[1] ** 2
    edge = 0.27 + 0.14 * some[2] + slope * (x - neck).clamp(min=0) + 0.9 * (x - 0.2 - 0.25 * some[3]).clamp(min=0) ** 1.5
    body = (y > edge)[:, None].float() * (torch.rand(count, 1, 1, 1) < 0.7)
    body = blurred(body)
    cloth = (torch.rand(count, 3, 1, 1) * 2 - 1) * torch.rand(count, 1, 1, 1).sqrt()
    for size, most in ((4, 0.5), (24, 0.35), (64, 0.25)):
        weave = F.interpolate(torch.randn(count, 1, size, size), (side, side), mode="bilinear")
        cloth = cloth + most * torch.rand(count, 1, 1, 1) ** 2 * weave
    return torch.lerp(behind, cloth.clamp(-1, 1), body), body


def strands(hair: Tensor) -> Tensor:
    """Factors ``[B, 1, S, S]`` that lay streaks over ``hair [B, 1, S, S]``, in another direction for each crop."""
    count, side = len(hair), hair.shape[-1]
    streaks = torch.zeros(count, 1, side, side)
    for across, along in ((48, 6), (16, 4)):
        streaks = streaks + F.interpolate(torch.randn(count, 1, along, across), (side, side), mode="bicubic")
    angle = torch.rand(count) * math.pi - math.pi / 2
    turn = torch.stack([angle.cos(), -angle.sin(), torch.zeros(count), angle.sin(), angle.cos(), torch.zeros(count)], 1).reshape(-1, 2, 3)
    grid = F.affine_grid(0.7 * turn, [count, 1, side, side], align_corners=False)
    streaks = F.grid_sample(streaks, grid, padding_mode="reflection", align_corners=False)
    return 1 + hair * torch.rand(count, 1, 1, 1) * 0.35 * streaks.clamp(-2, 2)


def toned(x: Tensor) -> Tensor:
    """``[B, 3, S, S]`` in [-1, 1] with the differences in tone, cast and grain that cameras have."""
    def some(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.empty(len(x), channels, 1, 1).uniform_(low, high)

    x = ((x + 1) / 2).clamp(1e-4, 1) ** torch.exp(some(-0.15, 0.15)) * some(0.96, 1.04, 3)
    return ((x + torch.randn_like(x) * some(0, 0.03)) * 2 - 1).clamp(-1, 1)


def reseeded(crops: Crops) -> None:
    """In a process that draws beside others: from then on it draws its own."""
    if worker := get_worker_info():
        crops.rng = np.random.default_rng(worker.seed)


class Batches(IterableDataset):
    """Endless ``Crops.draw(size)``, each worker's its own."""

    def __init__(self, crops: Crops, size: int):
        self.crops, self.size = crops, size

    def __iter__(self) -> Iterator[tuple[Tensor, CloseReading, Tensor]]:
        reseeded(self.crops)
        while True:
            yield self.crops.draw(self.size)
