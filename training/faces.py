"""Training of the face network on the pool of rendered people, composited and distorted at random."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from symgan_core.faces.frames import points_in_squares, points_to_photo
from symgan_core.faces.network import INPUT, MASK, WEIGHTS, FaceNetwork, FaceReading
from symgan_core.geometry import Camera, project
from symgan_core.weights import write_shipped

from .descent import descend_for
from .heads import HeadPack, person_from_code
from .heads.render import place
from .pool import VIEWS, Pool

MOUTH_RIGHT, MOUTH_LEFT = 369, 2740
"""Vertices of the corners of the mouth: those that the smile target moves most."""


def landmark_points(pack: HeadPack, code: np.ndarray) -> np.ndarray:
    """``[6, 3]`` scene coordinates of the network's points for a person (order: ``POINTS``)."""
    person = person_from_code(pack, code)
    vertices, _, _, centre, scale = place(pack, person)
    head = pack.head
    points = np.stack([
        vertices[head["eye_r_verts"]].mean(0), vertices[head["eye_l_verts"]].mean(0), vertices[pack.landmarks["nose_tip"]],
        vertices[MOUTH_RIGHT], vertices[MOUTH_LEFT], vertices[pack.landmarks["chin_bottom"]]])
    return ((points - centre) * scale).astype(np.float32)


class Examples:
    """Draws training squares with their truths."""

    def __init__(self, pool: Pool, seed: int = 0):
        self.pool, self.rng = pool, np.random.default_rng(seed)
        torch.manual_seed(seed)
        pack = HeadPack()
        self.people = pool.ready()
        self.points = torch.from_numpy(np.stack([landmark_points(pack, c) for c in pool.arrays["codes"][self.people]]))

    def draw(self, count: int) -> tuple[Tensor, FaceReading, Tensor]:
        """Squares ``[count, 3, 96, 96]``, their truth, and ``positive [count]``."""
        arrays = self.pool.arrays
        rows, views = self.rng.integers(0, len(self.people), count), self.rng.integers(0, VIEWS - 1, count)
        who = (self.people[rows], views)
        cameras = torch.from_numpy(arrays["cameras"][who])
        # Every other pixel will do: the squares are 96 pixels wide, and blurred at random anyway.
        rgb = torch.from_numpy(arrays["rgb"][who][:, ::2, ::2]).permute(0, 3, 1, 2).float() / 127.5 - 1
        alpha = torch.from_numpy(arrays["alpha"][who][:, ::2, ::2])[:, None].float() / 255
        yaw, pitch = Camera.from_vector(cameras).angles()
        points, _ = project(self.points[rows], cameras)
        negative = (torch.rand(count) < 0.3) | (yaw.abs() > 88)
        frames = self._frames(count, negative)
        head, cover = self._cut(rgb, alpha, frames)
        keep = torch.rand(count) < 0.35  # of the negatives, these show a piece of a head, the others none
        cover = torch.where((negative & ~keep)[:, None, None, None], torch.zeros_like(cover), cover)
        background = backgrounds(count, rgb)
        squares = distort(head * cover + background * (1 - cover))
        truth = FaceReading((~negative).float(), points_to_photo(points, frames), torch.stack([yaw, pitch], 1), frames,
                            F.adaptive_avg_pool2d(cover, MASK))
        return squares, truth, ~negative

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

    def _cut(self, rgb: Tensor, alpha: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        size = INPUT
        line = (torch.arange(size) + 0.5) / size
        v, u = torch.meshgrid(line, line, indexing="ij")
        local = points_in_squares(torch.stack([u, v], -1).reshape(1, -1, 2).expand(len(frames), -1, -1), frames)
        grid = local.reshape(len(frames), size, size, 2) * 2 - 1
        # The border is repeated, so that a neck goes on below the rendered picture instead of being cut off.
        cut = F.grid_sample(torch.cat([rgb, alpha], 1), grid, padding_mode="border", align_corners=False)
        outside = (grid[..., 1] < -1) | (grid[..., 0].abs() > 1.02) & (grid[..., 1] < 1)
        cut[:, 3:] = cut[:, 3:] * (~outside)[:, None]
        below = (grid[..., 1] > 1)[:, None] & (torch.rand(len(frames), 1, 1, 1) < 0.7)
        clothes = torch.rand(len(frames), 3, 1, 1) * 2 - 1
        shape = grid[..., 0].abs()[:, None] < 1.2 + 0.6 * torch.rand(len(frames), 1, 1, 1)
        cut[:, :3] = torch.where(below & shape, clothes, cut[:, :3])
        cut[:, 3:] = torch.where(below, shape.float(), cut[:, 3:])
        return cut[:, :3], cut[:, 3:]


def backgrounds(count: int, pictures: Tensor, side: int = INPUT) -> Tensor:
    """``[count, 3, side, side]``: coloured noise of all scales, bars and boxes, and scraps of other pictures."""
    out = torch.rand(count, 3, 1, 1) * 2 - 1
    for size in (2, 4, 8, 16, 48):
        strength = torch.rand(count, 1, 1, 1) ** (2 if size < 16 else 5) * 0.8
        grey = torch.rand(count, 1, 1, 1) < 0.5
        noise = torch.randn(count, 3, size, size)
        noise = torch.where(grey, noise[:, :1], noise)
        out = out + strength * F.interpolate(noise, (side, side), mode="bilinear" if torch.rand(()) < 0.6 else "nearest")
    scraps = pictures.roll(1, 0)[:, :, 30:110, 30:110]
    turn = int(torch.randint(1, 4, ()))
    scraps = F.interpolate(torch.rot90(scraps, turn, (2, 3)), (side, side), mode="bilinear")
    use = torch.rand(count, 1, 1, 1) < 0.15
    out = torch.where(use, scraps, out)
    line = torch.linspace(0, 1, side)
    for _ in range(4):
        low = torch.rand(count, 2, 1) - 0.1
        high = low + 0.6 * torch.rand(count, 2, 1) ** 2
        box = ((line > low) & (line < high)).float()
        inside = box[:, 0, :, None] * box[:, 1, None, :] * (torch.rand(count, 1, 1) < 0.6)
        out = out * (1 - inside[:, None]) + inside[:, None] * (torch.rand(count, 3, 1, 1) * 2 - 1)
    return out.clamp(-1, 1)


def distort(x: Tensor) -> Tensor:
    """Photometric distortions of ``[B, 3, S, S]`` in [-1, 1]: gamma, contrast, colour cast, grey, blur, noise, a cover."""
    count = len(x)

    def some(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.empty(count, channels, 1, 1).uniform_(low, high)

    x = ((x + 1) / 2).clamp(1e-4, 1) ** torch.exp(some(-0.6, 0.6))
    x = (x - 0.5) * some(0.6, 1.4) + 0.5 + some(-0.15, 0.15)
    x = x * some(0.85, 1.15, 3)
    ramp = torch.linspace(-1, 1, x.shape[-1])
    x = x * (1 + some(-0.35, 0.35) * ramp + some(-0.35, 0.35) * ramp[:, None])
    grey = x.mean(1, keepdim=True).expand_as(x)
    x = torch.lerp(x, grey, torch.where(some(0, 1) < 0.15, torch.ones(count, 1, 1, 1), some(-0.2, 0.5)))
    large = max(1, x.shape[-1] / 128)
    small = int(large * int(torch.randint(28, 97, ())))
    soft = F.interpolate(F.interpolate(x, (small, small), mode="area"), x.shape[-2:], mode="bilinear")
    x = torch.where(some(0, 1) < 0.5, soft, x)
    x = x + torch.randn_like(x) * some(0, 0.06)
    if torch.rand(()) < 0.4:
        top, left = (int(large * int(torch.randint(0, 70, ()))) for _ in range(2))
        hide, edge = torch.rand(count) < 0.3, int(large * 26)
        x[hide, :, top: top + edge, left: left + edge] = torch.rand(int(hide.sum()), 3, 1, 1)
    return x.clamp(0, 1) * 2 - 1


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


def train(pool: Pool, minutes: float, batch: int = 48, rate: float = 2e-3, out: Path = WEIGHTS, seed: int = 0) -> FaceNetwork:
    """Train for a time budget and write the weights (half precision) with their hash."""
    examples, network = Examples(pool, seed), FaceNetwork()

    def parts() -> dict[str, Tensor]:
        squares, truth, positive = examples.draw(batch)
        return losses(network(squares), truth, positive)

    def save() -> None:
        write_shipped(network.state_dict(), out)

    descend_for(minutes, network, parts, rate, 1e-3, save, lambda line: print(line, flush=True))
    save()
    return network
