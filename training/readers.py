"""A network that reads attributes off portraits: trained on the renders, it judges what an editing direction really changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from symgan_core.editing import Directions
from symgan_core.generator import TriPlaneGenerator

from .descent import descend
from .directions import SOURCES

SIDE = 128
NAMES = tuple(SOURCES)


class Reader(nn.Module):
    """Portraits from the front ``[B, 3, SIDE, SIDE]`` in [-1, 1] to the attributes ``NAMES`` ``[B, K]``, in standard deviations."""

    def __init__(self):
        super().__init__()
        widths = (3, 32, 48, 64, 96, 128)
        layers: list[nn.Module] = []
        for a, b in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU()]
            if b > 32:
                layers += [nn.Conv2d(b, b, 3, 1, 1), nn.BatchNorm2d(b), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(128 * (SIDE // 32) ** 2, 256), nn.ReLU(), nn.Linear(256, len(NAMES)))
        self.register_buffer("readable", torch.zeros(len(NAMES)))
        """Share of each attribute's variance that is read off people kept back."""

    def forward(self, portraits: Tensor) -> Tensor:
        return self.head(self.features(portraits).flatten(1))


def train_reader(portraits: np.ndarray, attributes: np.ndarray, steps: int = 3000, batch: int = 48, rate: float = 2e-3,
                 log: Callable[[str], None] = print) -> Reader:
    """Train on ``portraits [N, SIDE, SIDE, 3]`` uint8 with known ``attributes [N, K]``; a tenth is kept back to say what it reads."""
    pictures, truth = torch.from_numpy(portraits), torch.from_numpy(attributes - attributes.mean(0))
    kept = max(1, len(pictures) // 10)
    reader = Reader()

    def load(rows: Tensor) -> Tensor:
        return pictures[rows].permute(0, 3, 1, 2).float() / 127.5 - 1

    def loss() -> Tensor:
        rows = torch.randint(kept, len(pictures), (batch,))
        return (reader(_degraded(load(rows))) - truth[rows]).square().mean()

    descend(list(reader.parameters()), loss, steps, rate, 100, 0.01, log, "reader")
    reader.eval()
    with torch.no_grad():
        read = torch.cat([reader(load(rows)) for rows in torch.arange(kept).split(64)])
        reader.readable.copy_(1 - (read - truth[:kept]).square().mean(0) / truth[:kept].var(0))
    return reader


def _degraded(pictures: Tensor) -> Tensor:
    """As soft as generated pictures may be: the reader is not to live on pores."""
    size = int(torch.randint(SIDE // 3, SIDE + 1, ()))
    soft = F.interpolate(F.interpolate(pictures, (size, size), mode="area"), (SIDE, SIDE), mode="bilinear")
    return soft + 0.03 * torch.randn_like(soft)


def save_reader(reader: Reader, path: Path) -> None:
    """Write a trained reader."""
    save_file(reader.state_dict(), str(path))


def load_reader(path: Path) -> Reader:
    """Read what ``save_reader`` wrote."""
    reader = Reader().eval().requires_grad_(False)
    reader.load_state_dict(load_file(path))
    return reader


@dataclass(frozen=True)
class Effects:
    """``change[i, j]``: mean change of attribute j, in standard deviations over people, when direction i goes through its safe range.
    ``readable [j]``: how far the judge of attribute j can be trusted, 1 at most."""

    names: tuple[str, ...]
    change: np.ndarray
    readable: np.ndarray

    def ratios(self) -> dict[str, float]:
        """Own change over the largest change of another attribute (infinite where there is none)."""
        size = np.abs(self.change)
        others = (size - np.diag(np.diag(size))).max(1)
        with np.errstate(divide="ignore"):
            return dict(zip(self.names, (np.diag(size) / others).tolist(), strict=True))

    def table(self) -> str:
        """Markdown: a row a direction."""
        head = "| direction | own | largest other | ratio | readable |\n|---|---|---|---|---|\n"
        rows = []
        for i, (name, ratio) in enumerate(self.ratios().items()):
            others = np.abs(self.change[i])
            others[i] = 0
            j = int(others.argmax())
            rows.append(f"| {name} | {self.change[i, i]:+.2f} | {self.names[j]} {self.change[i, j]:+.2f} | {ratio:.1f} "
                        f"| {self.readable[i]:.2f} |")
        return head + "\n".join(rows)


def known_effects(found: Directions, readings: dict[str, np.ndarray]) -> Effects:
    """What each direction changes by the known labels: in w an attribute is a linear reading of the traits (``labels.readings``)."""
    names = tuple(d.name for d in found.known)
    change = np.array([[2 * d.limit * float(found.vectors[d.name].numpy() @ readings[n]) for n in names] for d in found.known])
    return Effects(names, change, np.ones(len(names)))


@torch.no_grad()
def seen_effects(generator: TriPlaneGenerator, found: Directions, reader: Reader, people: int = 24, seed: int = 3) -> Effects:
    """Move random people along each direction, from one end of its safe range to the other, and read every attribute off the pictures."""
    z = torch.randn(people, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    ws, camera = generator.mapping(z, generator.frontal_camera().expand(people, -1)), generator.frontal_camera()
    names = tuple(d.name for d in found.known)
    columns = [NAMES.index(n) for n in names]

    def read(direction: str, strength: float) -> Tensor:
        moved = found.move(ws, {direction: strength})
        pictures = torch.cat([generator.synthesis(w[None], camera).image for w in moved])
        return reader(F.interpolate(pictures, (SIDE, SIDE), mode="area").clamp(-1, 1))[:, columns].mean(0)

    change = torch.stack([read(d.name, d.limit) - read(d.name, -d.limit) for d in found.known])
    return Effects(names, change.numpy(), reader.readable[columns].numpy())
