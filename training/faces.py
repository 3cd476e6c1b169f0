"""Training of the face network: squares with a face in them, or a piece of one, or none, drawn as the second look's crops are."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import IterableDataset

from symgan_core.faces.maps import feature_points
from symgan_core.faces.network import INPUT, POINTS, FaceNetwork, FaceReading
from symgan_core.geometry.rays import pixel_centres
from symgan_core.weights import read_shipped

from .crops import CLOTHING, Crops, reseeded
from .descent import Recipe, Run, learn
from .pool import Pool

BEHIND = 88.0
"""Heads turned by more show no face."""
HANDS = 0.2
"""Share of squares in which fingers are seen, before a face or beside it."""


class Examples(IterableDataset):
    """Draws training squares with their truths; as a dataset, endless batches of ``size``."""

    def __init__(self, pool: Pool, seed: int = 0, size: int = 48, backdrops: int = 800):
        self.size, self.crops = size, Crops(pool, seed, backdrops, side=INPUT)

    def __iter__(self) -> Iterator[tuple[Tensor, FaceReading, Tensor]]:
        reseeded(self.crops)
        while True:
            yield self.draw(self.size)

    def draw(self, count: int) -> tuple[Tensor, FaceReading, Tensor]:
        """Squares ``[count, 3, 96, 96]``, their truth, and ``positive [count]``."""
        crops = self.crops
        rows = crops.all[crops.rng.integers(0, len(crops.all), count)]
        angles = crops.angles[rows[:, 0], rows[:, 1]]
        negative = (torch.rand(count) < 0.35) | (angles[:, 0].abs() > BEHIND)
        frames = self._frames(count, negative)
        shown = ~negative | (torch.rand(count) < 0.45)  # of the negatives, these show a piece of a head, the others none
        squares, seen, _ = crops.compose(rows, frames, shown=shown)
        points = feature_points(seen.points)
        squares = torch.where(torch.rand(count, 1, 1, 1) < HANDS, fingers(squares, points[:, POINTS.index("nose")]), squares)
        cover = ((seen.regions > 0) & (seen.regions != CLOTHING)).float()[:, None]
        return squares, FaceReading((~negative).float(), points, angles, frames, cover), ~negative

    def _frames(self, count: int, negative: Tensor) -> Tensor:
        """(a, b, x, y) of the aligned picture within the square. Negatives are far too large, too small, off, or upside down."""
        scale = torch.exp(torch.empty(count).uniform_(math.log(0.5), math.log(1.5)))
        angle = torch.randn(count).clamp(-2.2, 2.2) * math.radians(17)
        centre = 0.5 + torch.randn(count, 2) * 0.1
        kind = torch.randint(0, 3, (count,))
        scale = torch.where(negative & (kind == 0), torch.empty(count).uniform_(3, 7), scale)
        angle = torch.where(negative & (kind == 1), angle + math.pi * torch.empty(count).uniform_(0.5, 1.5), angle)
        away = torch.randn(count, 2)
        away = away / away.norm(dim=1, keepdim=True) * (0.55 + 0.3 * torch.rand(count, 1)) * scale[:, None]
        centre = torch.where((negative & (kind != 1))[:, None], 0.5 + away, centre)
        return torch.stack([scale * angle.cos(), scale * angle.sin(), centre[:, 0], centre[:, 1]], 1)


def fingers(pictures: Tensor, skin: Tensor) -> Tensor:
    """Pictures ``[B, 3, S, S]`` with four fingers laid over each, of the colour that the picture has at ``skin [B, 2]``."""
    count, side = len(pictures), pictures.shape[-1]
    colour = F.grid_sample(pictures, skin.view(count, 1, 1, 2) * 2 - 1, padding_mode="border", align_corners=False)
    places = pixel_centres(side).view(1, side, side, 2)
    turn = 2 * math.pi * torch.rand(count)
    along, across = (torch.stack([(turn + a).cos(), (turn + a).sin()], -1) for a in (0, math.pi / 2))
    width, length = 0.025 + 0.03 * torch.rand(count), 0.15 + 0.3 * torch.rand(count)
    tip = 0.5 + 0.2 * torch.randn(count, 2)
    out = pictures
    for number in range(4):
        offset = places - (tip + (2.2 * width * (number - 1.5))[:, None] * across)[:, None, None]
        down = (offset * along[:, None, None]).sum(-1)
        reach = (length * (0.8 + 0.4 * torch.rand(count)))[:, None, None]
        away = torch.hypot((offset * across[:, None, None]).sum(-1), down - down.clamp(torch.zeros(()), reach)) / width[:, None, None]
        shade = (0.55 + 0.45 * (1 - away.square()).clamp(min=0).sqrt())[:, None]
        cover = ((1 - away) * 4).clamp(0, 1)[:, None]
        out = torch.lerp(out, ((colour + 1) * shade - 1).clamp(-1, 1), cover)
    return out


def losses(reading: FaceReading, truth: FaceReading, positive: Tensor) -> dict[str, Tensor]:
    """Score and mask on all squares, the rest on faces alone."""
    p = positive
    return {
        "score": F.binary_cross_entropy_with_logits(reading.score, truth.score),
        "mask": 0.5 * F.binary_cross_entropy_with_logits(reading.mask, truth.mask),
        "points": 8 * (reading.points - truth.points)[p].abs().mean(),
        "angles": (reading.angles - truth.angles)[p].abs().mean() / 15,
        "frame": 6 * (reading.frame - truth.frame)[p].abs().mean(),
    }


def train(pool: Pool, run: Run, batch: int = 48) -> FaceNetwork:
    """Train for a time budget and write the weights (half precision) with their hash."""
    examples, network = Examples(pool, run.seed, batch), FaceNetwork().to(memory_format=torch.channels_last)
    if run.start:
        network.load_state_dict(read_shipped(run.start))

    def parts(example: tuple[Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
        squares, truth, positive = example
        return losses(network(squares), truth, positive)

    learn(network, examples, parts, Recipe(2e-3, 1e-3), run)
    return network
