"""The last look at a face's points: each eye with its brow, each half of the nose and of the mouth, with maps of half a patch's pixels.

One small network reads all of them, those of the person's left half as their mirror images; trained on the project's synthetic heads
alone (``training/points.py``).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..weights import read_shipped
from .frames import Pyramid, cut_squares, points_to_photo
from .maps import JAW, LANDMARKS, MIRRORED, places_of
from .network import conv_block, for_reading, mix_block

PATCH = 64
GROUPS = ((*range(17, 22), *range(36, 42)), range(27, 34), (*range(48, 52), *range(57, 63), 66, 67))
"""Points of a patch, without the jaw's: brow and eye, nose, mouth, of the person's right half; the left half's are ``MIRRORED``."""
SIDES = (0.5, 0.5, 0.6)
"""Sides of the patches, in lengths of the face (the larger extent of its points)."""
HALF = len(GROUPS)
"""A face has twice as many patches: those of its right half, then the others."""
SHARE = 0.75
"""Of this reading in the points; the others' is the look's before."""
WEIGHTS = Path(__file__).parent / "weights" / "points.safetensors"


class PointNetwork(nn.Module):
    """Patches to maps of where their points may be. About 290,000 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([
            nn.Sequential(conv_block(6, 24, 2), conv_block(24, 32)), nn.Sequential(conv_block(32, 48, 2), conv_block(48, 64)),
            nn.Sequential(conv_block(64, 96, 2), mix_block(96, 96), mix_block(96, 96)),
            nn.Sequential(mix_block(96, 128, 2), mix_block(128, 128))])
        self.kind = nn.Embedding(HALF, 128)
        self.whole = nn.Sequential(nn.Conv2d(128, 32, 1), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(32 * 16, 128),
                                   nn.ReLU(inplace=True), nn.Linear(128, 128))
        self.across = nn.ModuleList([nn.Conv2d(96, 96, 1), nn.Conv2d(64, 64, 1), nn.Conv2d(32, 48, 1)])
        self.up = nn.ModuleList([mix_block(128, 96), mix_block(96, 64), mix_block(64, 48)])
        self.maps = nn.Sequential(mix_block(48, 64), nn.Conv2d(64, sum(map(len, GROUPS)), 1))

    def forward(self, patches: Tensor) -> list[Tensor]:
        """``[B, 6, 6, 64, 64]`` in [-1, 1] (a patch, and what lies within a square twice as wide around it) to six groups' maps
        ``[B, N, 32, 32]`` (logits; ``places_of``), those of the left half of mirror images."""
        both = torch.cat([patches[:, :HALF], patches[:, HALF:].flip(4)], 1)
        x = both.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        levels = []
        for block in self.down:
            x = block(x)
            levels.append(x)
        kinds = torch.arange(2 * HALF, device=x.device).remainder(HALF).repeat(len(patches))
        x = x + (self.whole(x) + self.kind(kinds))[:, :, None, None]
        for level, across, up in zip(levels[2::-1], self.across, self.up, strict=True):
            x = up(F.interpolate(x, scale_factor=2, mode="nearest")) + across(level)
        maps = self.maps(x).unflatten(0, (-1, 2, HALF)).split([len(g) for g in GROUPS], 3)
        return [maps[kind][:, half, kind] for half in range(2) for kind in range(HALF)]


def patch_points(patch: int) -> list[int]:
    """The numbers of the points that a patch shows, in the order of its maps."""
    group = list(GROUPS[patch % HALF])
    return group if patch < HALF else [MIRRORED[n] for n in group]


def in_patch(places: Tensor, patch: int) -> Tensor:
    """Places ``[B, N, 2]`` in a patch to those in the picture that the network reads, and back: the left half is mirrored."""
    return places if patch < HALF else torch.stack([1 - places[..., 0], places[..., 1]], -1)


def group_squares(points: Tensor) -> Tensor:
    """Squares ``[B, 6, 4]`` (a, b, x, y) of the patches of faces with ``points [B, 68, 2]``, in the points' units."""
    middles = torch.stack([points[:, patch_points(patch)].mean(1) for patch in range(2 * HALF)], 1)
    sides = (points.amax(1) - points.amin(1)).amax(1)[:, None] * points.new_tensor(SIDES * 2)
    return torch.stack([sides, torch.zeros_like(sides), *middles.unbind(-1)], -1)


def wider(squares: Tensor) -> Tensor:
    """``[..., 4]``: the squares twice as wide around ``squares``."""
    return squares * squares.new_tensor([2, 2, 1, 1])


def gather_points(maps: list[Tensor], squares: Tensor) -> Tensor:
    """``[B, 51, 2]``: points without the jaw's, from maps of patches in ``squares [B, 6, 4]``; the mean where both halves have one."""
    total, times = squares.new_zeros(len(squares), LANDMARKS, 2), squares.new_zeros(LANDMARKS, 1)
    for patch, heat in enumerate(maps):
        numbers = patch_points(patch)
        total[:, numbers] += points_to_photo(in_patch(places_of(heat), patch), squares[:, patch])
        times[numbers] += 1
    return total[:, JAW:] / times[JAW:]


@lru_cache(maxsize=1)
def load_point_network() -> PointNetwork:
    """The shipped network, in evaluation mode. Raises CheckpointError if its file is damaged."""
    network = PointNetwork()
    network.load_state_dict(read_shipped(WEIGHTS))
    return for_reading(network)


def finer_points(image: Tensor | Pyramid, points: Tensor, network: PointNetwork | None = None) -> Tensor:
    """Points ``[68, 2]`` (pixels of ``image [1, 3, H, W]`` in [-1, 1]), read once more around where they are thought to be.

    Both readings err in their own ways: a mean is nearer than either.
    """
    squares = group_squares(points[None])
    patches = torch.cat([cut_squares(image, s[0], PATCH) for s in (squares, wider(squares))], 1)
    found = gather_points((network or load_point_network())(patches[None]), squares)[0]
    return torch.cat([points[:JAW], torch.lerp(points[JAW:], found, SHARE)])
