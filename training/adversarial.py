"""The adversarial phase: a critic of picture patches, given pose and place, that makes hair, skin and eyes crisp.

The true picture of the same person from the same side is at hand, so beside being fooled the critic's features have to agree too (feature
matching, Wang et al. 2018, arXiv 1711.11585): a learned perceptual distance. Geometry stays with the supervised losses, which go on.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

CONDITION = 6
"""Sine and cosine of yaw, sine of pitch, centre of the patch (two), a constant."""


class Critic(nn.Module):
    """Logits of small fields, by projection on the condition (arXiv 1802.05637), with spectral normalisation."""

    def __init__(self, width: int = 32):
        super().__init__()
        widths = (3, width, 2 * width, 3 * width, 4 * width)
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.layers = nn.ModuleList(spectral_norm(nn.Conv2d(a, b, 4 if n else 3, 2 if n else 1, 1)) for n, (a, b) in enumerate(pairs))
        self.score = spectral_norm(nn.Conv2d(widths[-1], 1, 3, 1, 1))
        self.condition = spectral_norm(nn.Linear(CONDITION, widths[-1]))

    def forward(self, image: Tensor, condition: Tensor) -> tuple[Tensor, list[Tensor]]:
        """``image [B, 3, S, S]``, ``condition [B, CONDITION]``: logits and the features of all layers."""
        x, features = image, []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.score(x) + (x * self.condition(condition)[:, :, None, None]).sum(1, keepdim=True) / x.shape[1], features


class Adversary:
    """A critic with its optimizer; hinge loss. ``losses`` first, ``learn`` after the generator's step."""

    def __init__(self, device: torch.device, rate: float = 4e-4):
        self.critic = Critic().to(device)
        self.optimizer = torch.optim.Adam(self.critic.parameters(), rate, betas=(0.5, 0.99))
        self._last: tuple[Tensor, Tensor, Tensor] | None = None

    def losses(self, fake: Tensor, real: Tensor, condition: Tensor, weight: float, matching: float) -> dict[str, Tensor]:
        """What the generator pays. ``fake`` and ``real`` are patches ``[B, 3, S, S]`` in [-1, 1]."""
        self._last = fake.detach(), real, condition
        self.critic.requires_grad_(False)
        logits, features = self.critic(fake, condition)
        with torch.no_grad():
            _, wanted = self.critic(real, condition)
        apart = sum((a - b).abs().mean() / b.abs().mean().clamp(min=1e-3) for a, b in zip(features, wanted, strict=True))
        return {"fool": -weight * logits.mean(), "matching": matching * apart / len(features)}

    def learn(self) -> Tensor:
        """One step of the critic on what it was shown last; returns its loss (2 is guessing, 0 is certain)."""
        fake, real, condition = self._last
        self.critic.requires_grad_(True)
        loss = F.relu(1 - self.critic(real, condition)[0]).mean() + F.relu(1 + self.critic(fake, condition)[0]).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def save(self, path: Path) -> None:
        """Write the critic's weights; its optimizer's moments are soon found again."""
        save_file({k: v.detach().cpu().contiguous() for k, v in self.critic.state_dict().items()}, str(path))

    def load(self, path: Path) -> None:
        """Read what ``save`` wrote; a missing file leaves a fresh critic."""
        if path.exists():
            self.critic.load_state_dict(load_file(path))


def describe(yaw: Tensor, pitch: Tensor, centre: Tensor) -> Tensor:
    """``[B, CONDITION]`` from angles in degrees ``[B]`` and patch centres ``[B, 2]`` in [0, 1]."""
    yaw, pitch = torch.deg2rad(yaw), torch.deg2rad(pitch)
    return torch.cat([torch.stack([yaw.sin(), yaw.cos(), pitch.sin(), torch.ones_like(yaw)], 1), centre * 2 - 1], 1)
