"""Training of the last look at points (``symgan_core/faces/points.py``) on crops of the pool, drawn as the second look's crops are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import IterableDataset

from symgan_core.faces.frames import as_tensor, compose_frames, points_in_squares, points_to_photo
from symgan_core.faces.maps import JAW, places_of
from symgan_core.faces.points import PATCH, PointNetwork, gather_points, group_squares, in_patch, patch_points, wider
from symgan_core.geometry.rays import pixel_centres
from symgan_core.weights import read_shipped, write_shipped

from .closeup import spread
from .crops import Crops, reseeded
from .descent import Recipe, Run, learn
from .pool import Pool

SIDE = 192
"""Crops are so wide: a patch of an eye is as wide in pixels as the network sees it."""
SPOT = 0.05
"""Standard deviation of a point's spot in its map, in sides of the patch."""
GENTLE = 0.33
"""So many batches are distorted as little as good photos are."""
PARTS = (("all", 0, 51), ("brows", 0, 10), ("nose", 10, 19), ("eyes", 19, 31), ("mouth", 31, 51))


def patches(pictures: Tensor, squares: Tensor) -> Tensor:
    """Patches ``[B, 6, 6, 64, 64]`` of ``pictures [B, 3, S, S]`` in ``squares [B, 6, 4]``, in units of the pictures."""
    parts = []
    for source, square in ((pictures, squares), (F.avg_pool2d(pictures, 2), wider(squares))):
        grid = points_to_photo(pixel_centres(PATCH)[None], square.flatten(0, 1)) * 2 - 1
        found = F.grid_sample(source, grid.view(len(source), -1, PATCH, 2), padding_mode="border", align_corners=False)
        parts.append(found.unflatten(2, (-1, PATCH)).transpose(1, 2))
    return torch.cat(parts, 2)


def astray(squares: Tensor) -> Tensor:
    """Squares ``[B, 6, 4]``, off by what the second look leaves, and a few by much more."""
    shape = squares.shape[:2]
    scale = torch.exp(0.08 * torch.randn(shape).clamp(-2, 2))
    angle = math.radians(6) * torch.randn(shape).clamp(-2, 2)
    far = torch.where(torch.rand(*shape, 1) < 0.15, 0.14, 0.06)
    centre = 0.5 + far * torch.randn(*shape, 2).clamp(-2, 2)
    inner = torch.stack([scale * angle.cos(), scale * angle.sin(), *centre.unbind(-1)], -1)
    return compose_frames(squares, inner)


class Patches(IterableDataset):
    """Endless batches of patches, their squares, and the points and their visibility in them."""

    def __init__(self, crops: Crops, size: int):
        self.crops, self.size = crops, size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        reseeded(self.crops)
        while True:
            yield self.draw(gently=bool(torch.rand(()) < GENTLE))

    def draw(self, kept_back: bool = False, gently: bool = False) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One batch; ``kept_back``, ``gently``: as ``Crops.draw`` has them."""
        pictures, truth, _ = self.crops.draw(self.size, kept_back, gently)
        pictures = compressed(pictures if gently else sharpened(shadowed(pictures)))
        squares = astray(group_squares(truth.points))
        return patches(pictures, squares), squares, truth.points, truth.visible


def shadowed(pictures: Tensor) -> Tensor:
    """Pictures ``[B, 3, S, S]`` in [-1, 1], lighter here and darker there: half of the photos have shadows that renders lack."""
    count = len(pictures)
    cells = int(torch.randint(2, 8, ()))
    dark = F.interpolate(torch.randn(count, 1, cells, cells), pictures.shape[-2:], mode="bicubic")
    dark = torch.rand(count, 1, 1, 1) * (torch.rand(count, 1, 1, 1) < 0.5) * dark
    return (((pictures + 1) / 2 * torch.exp(0.6 * dark)) * 2 - 1).clamp(-1, 1)


def sharpened(pictures: Tensor) -> Tensor:
    """Pictures ``[B, 3, S, S]`` in [-1, 1], two fifths of them with the halos of a sharpening filter."""
    soft = F.avg_pool2d(F.pad(pictures, (2, 2, 2, 2), mode="replicate"), 5, 1)
    much = 1.5 * torch.rand(len(pictures), 1, 1, 1) * (torch.rand(len(pictures), 1, 1, 1) < 0.4)
    return (pictures + much * (pictures - soft)).clamp(-1, 1)


def compressed(pictures: Tensor) -> Tensor:
    """Pictures ``[B, 3, S, S]`` in [-1, 1], half of them as a JPEG file keeps them."""
    out = pictures.clone()
    for number in torch.nonzero(torch.rand(len(pictures)) < 0.5)[:, 0].tolist():
        pixels = ((pictures[number] + 1) * 127.5).byte().permute(1, 2, 0).numpy()
        file = BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=int(torch.randint(20, 90, ())))
        out[number] = as_tensor(np.array(Image.open(file)))[0]
    return out


def losses(heat: list[Tensor], squares: Tensor, points: Tensor, visible: Tensor) -> dict[str, Tensor]:
    """Of six groups' maps; points that a patch has lost do not count."""
    away, off = [], []
    for number, maps in enumerate(heat):
        numbers = patch_points(number)
        truth = in_patch(points_in_squares(points[:, numbers], squares[:, number]), number)
        sure = (0.2 + 0.8 * visible[:, numbers]) * ((truth > 0) & (truth < 1)).all(-1)
        side = squares[:, number, :2].norm(dim=1)[:, None]
        away.append((places_of(maps) - truth).abs().sum(-1) * side * sure)
        off.append(spread(maps, truth, SPOT) * sure)
    return {"points": 60 * torch.cat(away, 1).mean(), "spots": 0.25 * torch.cat(off, 1).mean()}


def train(pool: Pool, run: Run, batch: int = 24, bfloat16: bool = False) -> PointNetwork:
    """Train for a time budget; write the weights (half precision) with their hash. ``bfloat16``: for processors that compute in it, half
    the time."""
    crops, network = Crops(pool, run.seed, side=SIDE, near=True), PointNetwork().to(memory_format=torch.channels_last)
    if run.start:
        network.load_state_dict(read_shipped(run.start))

    def parts(example: tuple[Tensor, ...]) -> dict[str, Tensor]:
        seen, squares, points, visible = example
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            maps = network(seen)
        return losses([heat.float() for heat in maps], squares, points, visible)

    learn(network, Patches(crops, batch), parts, Recipe(3e-3, 0.01, clip=5.0), run)
    network.eval()
    run.log(judge(network, crops))
    return network


def mean_of_versions(files: Sequence[Path], out: Path) -> None:
    """Write the mean of the weights of versions that grew out of each other: on photos it errs less than any of them, on renders little
    more than the best (Wortsman et al., "Model soups", arXiv 2203.05482)."""
    states = [read_shipped(file) for file in files]
    write_shipped({k: torch.stack([s[k].float() for s in states]).mean(0).to(v.dtype) for k, v in states[0].items()}, out)


@torch.no_grad()
def judge(network: PointNetwork, crops: Crops, count: int = 512) -> str:
    """Points of people kept back, in plain views and with all distortions, from squares that are off."""
    words = []
    for gently in (True, False):
        errors, drawn = [], Patches(crops, 32)
        for _ in range(count // 32):
            seen, squares, points, visible = drawn.draw(kept_back=True, gently=gently)
            found = gather_points(network(seen), squares)
            eyes = (points[:, 36:42].mean(1) - points[:, 42:48].mean(1)).norm(dim=1)
            off = (found - points[:, JAW:]).norm(dim=-1) / eyes[:, None]
            errors.append(torch.where((visible[:, JAW:] > 0) & (eyes[:, None] > 0.15), off, torch.nan))
        off = torch.cat(errors)
        words.append(("plain: " if gently else "distorted: ") + ", ".join(
            f"{name} {100 * float(off[:, low:high].nanmean()):.2f}" for name, low, high in PARTS))
    return "kept back, % of the eye distance: " + "; ".join(words)
