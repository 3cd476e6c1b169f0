"""Training of the encoder on the pool: a picture of a known person, distorted as photos are, to that person's traits."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from symgan_core.generator.encoder import ENCODER_FILE, INPUT, Encoder
from symgan_core.geometry import Camera
from symgan_core.weights import write_shipped

from .mapping import SHIFT
from .pool import Pool

MAX_YAW = 70.0


class Pictures:
    """Draws pictures of the pool with their truths; one person in twelve is kept back for ``test``."""

    def __init__(self, pool: Pool, w_dim: int, seed: int = 0):
        self.pool, self.rng = pool, np.random.default_rng(seed)
        self.traits = torch.from_numpy(pool.ws(w_dim))
        cameras = torch.from_numpy(np.array(pool.arrays["cameras"]))
        self.angles = torch.stack(Camera.from_vector(cameras.reshape(-1, 25)).angles(), -1).reshape(*cameras.shape[:2], 2)
        rows = np.array([(n, v) for n in pool.ready() for v in range(cameras.shape[1]) if abs(self.angles[n, v, 0]) < MAX_YAW])
        held = rows[:, 0] % 12 == 0
        self.train, self.test = rows[~held], rows[held]

    def load(self, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pictures ``[B, 3, 128, 128]``, opacity ``[B, 1, 128, 128]``, traits and angles in degrees."""
        who = rows[:, 0], rows[:, 1]
        rgb = torch.from_numpy(self.pool.arrays["rgb"][who]).permute(0, 3, 1, 2).float() / 127.5 - 1
        alpha = torch.from_numpy(self.pool.arrays["alpha"][who])[:, None].float() / 255
        return F.avg_pool2d(rgb, 2), F.avg_pool2d(alpha, 2), self.traits[who[0]], self.angles[who]

    def draw(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Distorted pictures, traits and angles."""
        rgb, alpha, traits, angles = self.load(self.train[self.rng.integers(0, len(self.train), count)])
        return distort(rgb, alpha), traits, angles


def distort(rgb: Tensor, alpha: Tensor) -> Tensor:
    """What separates a photo's crop from a render: a frame that is a little off, tone, noise, blur, and a mask that is wrong in places."""
    count = len(rgb)

    def some(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.empty(count, channels, 1, 1).uniform_(low, high)

    x = ((rgb + 1) / 2).clamp(1e-4, 1) ** torch.exp(some(-0.2, 0.2))
    x = (x - 0.5) * some(0.85, 1.15) + 0.5
    x = x * some(0.94, 1.06, 3)
    lost = F.interpolate((torch.rand(count, 1, 5, 5) < 0.06).float(), (INPUT, INPUT), mode="bilinear")
    cover = alpha * (1 - lost * (some(0, 1) < 0.3))
    x = (x * cover + 1 - cover).clamp(0, 1) * 2 - 1
    angle, zoom = some(-0.07, 0.07)[:, 0, 0, 0], torch.exp(some(-0.06, 0.06)[:, 0, 0, 0])
    turn = torch.stack([zoom * angle.cos(), -zoom * angle.sin(), zoom * angle.sin(), zoom * angle.cos()], 1).reshape(-1, 2, 2)
    grid = F.affine_grid(torch.cat([turn, 0.08 * (torch.rand(count, 2, 1) * 2 - 1)], 2), list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)  # what reaches the frame goes on beyond it
    size = int(torch.randint(40, INPUT + 1, ()))
    soft = F.interpolate(F.interpolate(x, (size, size), mode="area"), (INPUT, INPUT), mode="bilinear")
    x = torch.where(some(0, 1) < 0.4, soft, x)
    return (x + torch.randn_like(x) * some(0, 0.05)).clamp(-1, 1)


def train_encoder(pool: Pool, minutes: float, batch: int = 48, rate: float = 2e-3, out: Path = ENCODER_FILE, seed: int = 0) -> Encoder:
    """Train for a time budget and write the weights (half precision) with their hash."""
    torch.manual_seed(seed)
    encoder = Encoder()
    pictures = Pictures(pool, len(encoder.mean), seed)
    mean, std = pictures.traits.mean(0), pictures.traits.std(0).clamp(min=1e-3)
    encoder.mean.copy_(mean + SHIFT)
    encoder.scale.copy_(std)
    optimizer = torch.optim.AdamW(encoder.parameters(), rate, weight_decay=0.02)
    begin, step, history = time.monotonic(), 0, []
    while (share := (time.monotonic() - begin) / 60 / minutes) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * share)) + 1e-5
        x, traits, angles = pictures.draw(batch)
        guess, turned = encoder.standardised(x)
        loss = (guess - (traits - mean) / std).square().mean() + 0.3 * (turned - angles / 30).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        history.append(float(loss.detach()))
        if step % 200 == 0:
            print(step, round((time.monotonic() - begin) / 60, 1), round(float(np.mean(history)), 4), flush=True)
            history.clear()
    encoder.eval()
    print(judge(encoder, pictures))
    write_shipped(encoder.state_dict(), out)
    return encoder


@torch.no_grad()
def judge(encoder: Encoder, pictures: Pictures, limit: int = 600) -> str:
    """On people kept back: share of the traits' variance that is read, and the mean error of the angles."""
    parts = [pictures.load(pictures.test[i: i + 100]) for i in range(0, min(limit, len(pictures.test)), 100)]
    found = [encoder(rgb) for rgb, *_ in parts]
    w, traits = torch.cat([f.w for f in found]) - SHIFT, torch.cat([p[2] for p in parts])
    angles = torch.cat([f.angles for f in found]) - torch.cat([p[3] for p in parts])
    share = 1 - (w - traits).square().mean(0) / traits.var(0).clamp(min=1e-4)
    return f"kept back: {share[traits.std(0) > 0.05].mean():.3f} of the variance read, angles within {angles.abs().mean():.2f} degrees"
