"""The second look, at an aligned crop: 68 points, what each pixel shows, pose, and who of the built-in generator's people this is.

A small network of convolutions with a way back up, trained on the project's synthetic heads alone (``training/closeup.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..weights import read_shipped
from .frames import Pyramid, compose_frames, cut_squares, points_in_squares, points_to_photo, relative_frame
from .maps import JAW, LANDMARKS, MIRRORED, places_of
from .network import conv_block, for_reading, mix_block
from .points import finer_points

CPU = torch.device("cpu")
INPUT = 128
MAP = 64
REGIONS = ("background", "skin", "hair", "eyes", "mouth", "brows", "nose", "ears", "neck", "clothing", "glasses", "hat")
"""What a pixel shows; in this order in ``CloseReading.regions``."""
BODY = ("neck", "clothing")
"""What is below the head."""
CHIN, BELOW = 8, 0.02
"""Its point; skin that lies so many sides of the picture below it is the body's."""
NOSE_BRIDGE = 27
"""Its point."""
W_DIM = 267
WEIGHTS = Path(__file__).parent / "weights" / "closeup.safetensors"
BATCH = 32
"""Squares that are read at once."""


class CloseReading(NamedTuple):
    """What the network says of ``B`` crops; places in units of the crop's side, (0, 0) its top left corner.

    ``points [B, 68, 2]``; ``visible [B, 68]`` (logit); ``angles [B, 2]`` (yaw, pitch in degrees); ``frame [B, 4]`` (a, b, x, y: where
    the aligned frame lies in the crop, its x axis (a, b) and centre (x, y)); ``regions [B, 12, 64, 64]`` (logits).
    """

    points: Tensor
    visible: Tensor
    angles: Tensor
    frame: Tensor
    regions: Tensor


class CloseNetwork(nn.Module):
    """``[B, 3, 128, 128]`` in [-1, 1] to a CloseReading. About 600,000 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([
            nn.Sequential(conv_block(3, 16, 2), conv_block(16, 24)), nn.Sequential(conv_block(24, 40, 2), conv_block(40, 48)),
            nn.Sequential(conv_block(48, 72, 2), conv_block(72, 96)),
            nn.Sequential(conv_block(96, 112, 2), mix_block(112, 112), mix_block(112, 112)),
            nn.Sequential(mix_block(112, 160, 2), mix_block(160, 160))])
        self.trunk = nn.Sequential(nn.Conv2d(160, 48, 1), nn.ReLU(inplace=True), nn.Flatten(),
                                   nn.Linear(48 * 16, 192), nn.ReLU(inplace=True))
        self.out = nn.Linear(192, LANDMARKS + 2 + 4)
        self.context = nn.Linear(192, 96)
        self.across = nn.ModuleList([nn.Conv2d(112, 96, 1), nn.Conv2d(96, 64, 1), nn.Conv2d(48, 64, 1)])
        self.up = nn.ModuleList([mix_block(96, 96), mix_block(96, 64), mix_block(64, 64)])
        self.deep = nn.Conv2d(160, 96, 1)
        self.fine = mix_block(64, 64)
        self.places = nn.Conv2d(64, LANDMARKS, 1)
        self.kinds = nn.Sequential(conv_block(64, 48), nn.Conv2d(48, 4 * len(REGIONS), 1), nn.PixelShuffle(2))
        self.code = CodeReader()

    def forward(self, x: Tensor) -> CloseReading:
        return self.read(x)[0]

    def read(self, x: Tensor, regions: bool = True) -> tuple[CloseReading, Tensor]:
        """The reading, and where each point may be ``[B, 68, 32, 32]`` (logits; ``places_of``). Without ``regions``, whose layers are a
        tenth of the work, they are ``[B, 12, 0, 0]``."""
        levels = []
        for block in self.down:
            x = block(x)
            levels.append(x)
        trunk = self.trunk(x)
        visible, angles, frame = self.out(trunk).split([LANDMARKS, 2, 4], 1)
        x = self.deep(x) + self.context(trunk)[:, :, None, None]
        for level, across, up in zip((levels[3], levels[2], levels[1]), self.across, self.up, strict=True):
            x = up(F.interpolate(x, scale_factor=2, mode="nearest")) + across(level)
        heat = self.places(self.fine(x))
        frame = frame * 0.5 + frame.new_tensor([1, 0, 0.5, 0.5])
        kinds = self.kinds(x) if regions else x.new_empty(len(x), len(REGIONS), 0, 0)
        return CloseReading(places_of(heat), visible, angles * 45, frame, kinds), heat


class CodeReader(nn.Module):
    """The encoder: from a crop and what was read in it to w. Where points, regions and colours are known, little is left to learn.

    ``mean`` and ``scale`` standardise what goes in (``_in``) and what comes out.
    """

    mean_in: Tensor
    scale_in: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, hidden: int = 160):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(FEATURES, hidden), nn.GELU(), nn.Dropout(0.2), nn.Linear(hidden, W_DIM))
        for name, size in (("mean_in", FEATURES), ("mean", W_DIM)):
            self.register_buffer(name, torch.zeros(size))
        for name, size in (("scale_in", FEATURES), ("scale", W_DIM)):
            self.register_buffer(name, torch.ones(size))

    def forward(self, features: Tensor) -> Tensor:
        """``[B, FEATURES]`` (``describe``) to w ``[B, 267]``."""
        return self.mean + self.scale * self.net(((features - self.mean_in) / self.scale_in).clamp(-4, 4))


MAPS = (("hair",), ("hat",), ("glasses",), ("skin", "eyes", "mouth", "brows", "nose", "ears"), ("neck",), ("clothing",))
"""Regions whose shape tells the encoder something, each pooled to ``GRID`` squares a side; colours are pooled likewise."""
GRID = 10
PAINTED = ("skin", "hair", "eyes", "brows", "mouth", "nose", "neck", "clothing")
"""Regions whose mean colours it gets, of the left and of the right half."""
FEATURES = 2 * LANDMARKS + 2 + GRID**2 * (len(MAPS) + 3) + 6 * len(PAINTED)


def describe(crops: Tensor, reading: CloseReading) -> Tensor:
    """``[B, FEATURES]``: what the encoder gets to know of crops ``[B, 3, 128, 128]``."""
    kinds = reading.regions.softmax(1)
    maps = torch.stack([kinds[:, [REGIONS.index(n) for n in names]].sum(1) for names in MAPS], 1)
    small = F.interpolate(crops, (MAP, MAP), mode="area")
    head = 1 - kinds[:, :1]
    parts = [reading.points.flatten(1), reading.angles / 45, F.adaptive_avg_pool2d(maps, GRID).flatten(1),
             F.adaptive_avg_pool2d(small * head, GRID).flatten(1)]
    for name in PAINTED:
        share = kinds[:, REGIONS.index(name)][:, None]
        for half in (slice(0, MAP // 2), slice(MAP // 2, MAP)):
            weight = share[..., half]
            parts.append((small[..., half] * weight).sum((2, 3)) / (weight.sum((2, 3)) + 1))
    return torch.cat(parts, 1)


FACE_WIDTH = 1.4
"""The closer look at a face takes in so much more than its points."""


def face_squares(points: Tensor) -> Tensor:
    """``[B, 4]`` (a, b, x, y): upright squares around faces with ``points [B, 68, 2]``, in the points' units."""
    low, high = points.amin(1), points.amax(1)
    side = FACE_WIDTH * (high - low).amax(1)
    return torch.stack([side, torch.zeros_like(side), *((low + high) / 2).unbind(1)], 1)


@lru_cache(maxsize=2)
def load_close_network(device: torch.device = CPU) -> CloseNetwork:
    """The shipped network, in evaluation mode. Raises CheckpointError if its file is damaged."""
    network = CloseNetwork()
    network.load_state_dict(read_shipped(WEIGHTS))
    return for_reading(network).to(device)


@dataclass(frozen=True, eq=False)
class Closeup:
    """What the second look found in one square of a picture.

    Attributes:
        landmarks: ``[68, 2]`` pixels of the picture; ``visible [68]``: probability that nothing hides them.
        yaw, pitch: degrees.
        frame: ``[4]`` (a, b, x, y): the square that the built-in generator expects, in pixels of the picture.
        regions: ``[12, 64, 64]`` probabilities (``REGIONS``) over ``square [4]``, the one that was looked at.
        w: ``[267]``: the built-in generator's code of this head.
        sure: the mean chance at the peaks of the maps of eyes, brows, nose and mouth: 0.14 to 0.19 on faces, elsewhere less.
    """

    landmarks: np.ndarray
    visible: np.ndarray
    yaw: float
    pitch: float
    frame: np.ndarray
    regions: Tensor
    square: Tensor
    w: Tensor
    sure: float

    def share(self, names: Sequence[str], frame: np.ndarray, size: int) -> np.ndarray:
        """``[size, size]`` float32: probability of any of these regions at the pixels of another square of the same picture."""
        inner = relative_frame(self.square[None], torch.as_tensor(frame, dtype=torch.float32)[None]) * MAP
        chosen = self.regions[[REGIONS.index(n) for n in names]].sum(0)
        return cut_squares(chosen[None, None], inner, size)[0, 0].clamp(0, 1).numpy()


    def body_share(self, frame: np.ndarray, size: int) -> np.ndarray:
        """The same for what is below the head: neck, shoulders and clothing. Below the chin also skin, and background: what of that is in
        a mask is more of the body; above the chin it is hair."""
        under = self._under(CHIN, frame, size, BELOW)
        return self.share(BODY, frame, size) + under * self.share(("skin", "background"), frame, size)

    def loose_share(self, frame: np.ndarray, size: int) -> np.ndarray:
        """The same for what hangs beside face and neck, from the height of the eyes on: hair, or what looks like it."""
        return self._under(NOSE_BRIDGE, frame, size) * self.share(("hair", "background"), frame, size)

    def _under(self, point: int, frame: np.ndarray, size: int, more: float = 0.0) -> np.ndarray:
        """``[size, 1]`` bool: the rows of another square that lie below one of the points, by ``more`` of its sides at least."""
        points, square = (torch.as_tensor(x, dtype=torch.float32)[None] for x in (self.landmarks, frame))
        return (np.arange(size) > size * (float(points_in_squares(points, square)[0, point, 1]) + more))[:, None]


def read_twice(network: CloseNetwork, crops: Tensor, regions: bool = True) -> tuple[CloseReading, Tensor]:
    """The mean of what the network says of crops ``[B, 3, 128, 128]`` and of their mirror images, turned back; and how sure it is ``[B]``:
    the mean chance at the peaks of its maps of eyes, brows, nose and mouth. ``regions``: as ``CloseNetwork.read``."""
    reading, heat = network.read(torch.cat([crops, crops.flip(3)]), regions)
    plain, other = (CloseReading(*x) for x in zip(*(part.chunk(2) for part in reading), strict=True))
    back = CloseReading(
        torch.stack([1 - other.points[..., 0], other.points[..., 1]], -1)[:, MIRRORED], other.visible[:, MIRRORED],
        other.angles * other.angles.new_tensor([-1, 1]),
        other.frame * other.frame.new_tensor([1, -1, -1, 1]) + other.frame.new_tensor([0, 0, 1, 0]), other.regions.flip(3))
    sure = heat[:, JAW:].flatten(2).softmax(-1).amax(-1).mean(1)
    return CloseReading(*((a + b) / 2 for a, b in zip(plain, back, strict=True))), sure.unflatten(0, (2, -1)).mean(0)


@torch.no_grad()
def read_squares(image: Tensor | Pyramid, squares: Tensor, padding: str = "border") -> list[Closeup]:
    """Read squares ``[N, 4]`` (a, b, x, y; in pixels) of a picture ``[1, 3, H, W]`` in [-1, 1], each once; ``padding`` as ``cut_squares``
    has it."""
    network, seen = load_close_network(), []
    for part in squares.float().split(BATCH):
        crops = cut_squares(image, part, INPUT, padding)
        reading, sure = read_twice(network, crops)
        points, frames = points_to_photo(reading.points, part), compose_frames(part, reading.frame)
        codes, visible, kinds = network.code(describe(crops, reading)), torch.sigmoid(reading.visible), reading.regions.softmax(1)
        seen += [Closeup(points[n].numpy(), visible[n].numpy(), yaw, pitch, frames[n].numpy(), kinds[n], part[n], codes[n], float(sure[n]))
                 for n, (yaw, pitch) in enumerate(reading.angles.tolist())]
    return seen


@torch.no_grad()
def from_nearer(image: Tensor | Pyramid, close: Closeup, padding: str = "border") -> Closeup:
    """Its face read once more from nearer, for its points and pose, and its features once more for their points."""
    square, points = close.square[None], torch.from_numpy(close.landmarks)[None]
    face = compose_frames(square, face_squares(points_in_squares(points, square)))
    reading, _ = read_twice(load_close_network(), cut_squares(image, face, INPUT, padding), regions=False)
    found = finer_points(image, points_to_photo(reading.points, face)[0])
    yaw, pitch = ((one + float(other)) / 2 for one, other in zip((close.yaw, close.pitch), reading.angles[0], strict=True))
    return replace(close, landmarks=found.numpy(), visible=torch.sigmoid(reading.visible[0]).numpy(), yaw=yaw, pitch=pitch)


def look_closer(image: Tensor | Pyramid, frame: Tensor | None = None, points_too: bool = True) -> Closeup:
    """Read one square, and then the face in it from nearer.

    Args:
        image: ``[1, 3, H, W]`` in [-1, 1].
        frame: ``[4]`` (a, b, x, y) in its pixels, by default all of a square picture.
        points_too: the nearer looks; left out where it is not the points that matter.
    """
    side = image.shape[-1]
    close, = read_squares(image, torch.tensor([[side, 0, side / 2, side / 2]]) if frame is None else frame[None])
    return from_nearer(image, close) if points_too else close


def share_of(names: Sequence[str], image: Tensor) -> Tensor:
    """``[1, 1, S, S]``: probability of any of these regions in a whole square ``image [1, 3, S, S]``, a render perhaps."""
    return shares_of(image, names)[0]


def shares_of(image: Tensor, *groups: Sequence[str]) -> list[Tensor]:
    """The same for several groups of regions, looked at once; for none of them nobody looks."""
    if not groups:
        return []
    size = image.shape[-1]
    seen, whole = look_closer(image.clamp(-1, 1).cpu(), points_too=False), np.array([size, 0, size / 2, size / 2])
    return [torch.from_numpy(seen.share(names, whole, size))[None, None].to(image) for names in groups]
