"""Networks that read attributes off pictures: trained on the renders, they judge what an editing direction really changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symgan_core.editing import directions_for
from symgan_core.generator import TriPlaneGenerator
from symgan_core.geometry import Camera

from .pool import Pool

SIDE = 96
MAX_YAW = 35.0


class Reader(nn.Module):
    """Pictures ``[B, 3, SIDE, SIDE]`` in [-1, 1] and their yaw and pitch ``[B, 2]`` (degrees) to attributes ``[B, K]``."""

    def __init__(self, attributes: int):
        super().__init__()
        widths = (3, 32, 48, 64, 96, 128)
        layers: list[nn.Module] = []
        for a, b in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Linear(128 * 9 + 2, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, attributes))

    def forward(self, pictures: Tensor, angles: Tensor) -> Tensor:
        return self.head(torch.cat([self.features(pictures).flatten(1), angles / 30], 1))


def coordinates(ws: Tensor, vectors: Tensor) -> Tensor:
    """How far people ``ws [N, w_dim]`` are along directions ``vectors [K, w_dim]``, in strengths: ``[N, K]``."""
    return ws @ vectors.T / vectors.square().sum(1)


def train_reader(pool: Pool, vectors: Tensor, steps: int = 900, batch: int = 64, rate: float = 2e-3,
                 log: Callable[[str], None] = print) -> tuple[Reader, Tensor]:
    """Train on the pool's views from the front; returns the reader and, for each attribute, the share of variance that it reads on
    people kept back."""
    truth = coordinates(torch.from_numpy(pool.ws(vectors.shape[1])), vectors)
    truth = (truth - truth.mean(0)) / truth.std(0).clamp(min=1e-6)
    cameras = torch.from_numpy(np.array(pool.arrays["cameras"]))
    angles = torch.stack(Camera.from_vector(cameras.reshape(-1, 25)).angles(), -1).reshape(*cameras.shape[:2], 2)
    people = pool.ready()
    rows = [(n, v) for n in people for v in range(cameras.shape[1]) if abs(angles[n, v, 0]) < MAX_YAW]
    kept_back = set(people[-len(people) // 10:].tolist())
    train, test = ([r for r in rows if (r[0] in kept_back) == held] for held in (False, True))
    reader, rng = Reader(len(vectors)), np.random.default_rng(0)
    optimizer = torch.optim.AdamW(reader.parameters(), rate, weight_decay=0.02)

    def load(chosen: list[tuple[int, int]]) -> tuple[Tensor, Tensor, Tensor]:
        who, view = (np.array(x) for x in zip(*chosen, strict=True))
        picture = torch.from_numpy(pool.arrays["rgb"][who, view]).permute(0, 3, 1, 2).float() / 127.5 - 1
        return F.interpolate(picture, (SIDE, SIDE), mode="area"), angles[who, view], truth[who]

    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / steps))
        pictures, turned, wanted = load([train[i] for i in rng.integers(0, len(train), batch)])
        loss = (reader(pictures, turned) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 300 == 0:
            log(f"reader {step + 1}: {float(loss.detach()):.3f}")
    reader.eval()
    with torch.no_grad():
        parts = [load(test[i: i + 128]) for i in range(0, min(len(test), 768), 128)]
        read = torch.cat([reader(p, a) for p, a, _ in parts])
        wanted = torch.cat([t for _, _, t in parts])
    return reader, 1 - (read - wanted).square().mean(0) / wanted.var(0)


@dataclass(frozen=True)
class Effects:
    """``change[i, j]``: mean change of attribute j, in standard deviations over people, when direction i goes through its safe range."""

    names: tuple[str, ...]
    change: np.ndarray
    readable: np.ndarray

    def ratios(self) -> dict[str, float]:
        """Own change over the largest change of another attribute."""
        size = np.abs(self.change)
        others = size - np.diag(np.diag(size))
        return {n: float(size[i, i] / others[i].max()) for i, n in enumerate(self.names)}

    def table(self) -> str:
        """Markdown: a row a direction."""
        head = "| direction | own | largest other | ratio | readable |\n|---|---|---|---|---|\n"
        size = np.abs(self.change)
        rows = []
        for i, name in enumerate(self.names):
            others = size[i].copy()
            others[i] = 0
            j = int(others.argmax())
            rows.append(f"| {name} | {self.change[i, i]:+.2f} | {self.names[j]} {self.change[i, j]:+.2f} | {size[i, i] / others[j]:.1f} "
                        f"| {self.readable[i]:.2f} |")
        return head + "\n".join(rows)


@torch.no_grad()
def direction_effects(generator: TriPlaneGenerator, reader: Reader, readable: Tensor, people: int = 24, seed: int = 3) -> Effects:
    """Move random people along each direction, from one end of its safe range to the other, and read every attribute."""
    found = directions_for(generator)
    z = torch.randn(people, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    ws, camera = generator.mapping(z, generator.frontal_camera().expand(people, -1)), generator.frontal_camera()

    def read(direction: str, strength: float) -> Tensor:
        moved = found.move(ws, {direction: strength})
        pictures = torch.cat([generator.synthesis(w[None], camera).image for w in moved])
        return reader(F.interpolate(pictures, (SIDE, SIDE), mode="area"), torch.zeros(people, 2))

    change = torch.stack([(read(d.name, d.limit) - read(d.name, -d.limit)).mean(0) for d in found.known])
    return Effects(tuple(d.name for d in found.known), change.numpy(), readable.numpy())
