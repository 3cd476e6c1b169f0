"""Stage 1: the code (and, if asked, the camera) whose face is the photo's."""

from __future__ import annotations

import math
from collections.abc import Generator

import torch
from torch import Tensor

from .events import Event
from .rendering import CachedDensityGrid
from .start.camera import adjusted_camera
from .state import PivotStage
from .step import Step, step_event
from .terms.base import Descent, start_terms

CAMERA_RATE = 0.03
"""Adam rate of the camera, in shares of its limits."""
NOISE = 0.05
"""Noise on w, in standard deviations, times max(0, 1 - t/0.75)² (SPI)."""


class _Code:
    """What is optimised: the code in standard deviations from the mean, and the camera's move."""

    def __init__(self, stage: PivotStage):
        pivot, state = stage.method.pivot, stage.state
        self._mean, self._std = stage.statistics
        self._num_ws, self._base, self._moves = stage.generator.config.num_ws, stage.target.camera, pivot.optimize_camera
        rows = 1 if pivot.space == "w" else self._num_ws
        self.offset = ((state.ws - self._mean) / self._std)[:, :rows].clone().requires_grad_(True)
        self._delta = state.camera_delta.requires_grad_(self._moves)
        self._free = torch.ones_like(self._mean, dtype=torch.bool)
        self._free[stage.frozen] = False

    def groups(self, rate: float) -> list[dict[str, object]]:
        """Parameter groups of Adam."""
        code = {"params": [self.offset], "rate": rate}
        return [code, {"params": [self._delta], "rate": CAMERA_RATE}] if self._moves else [code]

    def noisy(self, strength: float, rng: torch.Generator) -> Tensor:
        """``[1, num_ws, w_dim]``: the code with noise on what is not frozen."""
        noise = torch.randn(self.offset.shape, generator=rng).to(self.offset) * strength
        return self._expanded(torch.where(self._free, self.offset + noise, self.offset.detach()))

    @torch.no_grad()
    def found(self) -> Tensor:
        """``[1, num_ws, w_dim]``: the code so far."""
        return self._expanded(self.offset).clone()

    def _expanded(self, offset: Tensor) -> Tensor:
        return (self._mean + self._std * offset).expand(-1, self._num_ws, -1)

    def camera(self) -> Tensor:
        """``[1, 25]``."""
        return adjusted_camera(self._base, self._delta) if self._moves else self._base


def find_pivot(stage: PivotStage) -> Generator[Event, None, None]:
    """Optimise ``stage.state.ws`` (and ``.camera``) step by step, after the preparations; an event a step."""
    pivot, state, generator = stage.method.pivot, stage.state, stage.generator
    losses, code, grid = start_terms(pivot.terms, stage), _Code(stage), CachedDensityGrid(generator)
    optimizer = torch.optim.Adam(code.groups(pivot.learning_rate), lr=pivot.learning_rate, betas=(0.9, 0.99))
    descent, out = Descent(losses, optimizer), None
    for number in range(pivot.steps):
        share = number / pivot.steps
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * _schedule(share)
        ws = code.noisy(NOISE * max(0.0, 1 - share / 0.75) ** 2, stage.rng)
        step = Step(stage, number, share, ws, stage.target.with_camera(code.camera())).with_planes(grid)
        part = 2 if share < pivot.coarse_share else 1
        step.previous, step.stride, step.resolution = out, part * step.stride, generator.config.plane_resolution // part
        found, out = descent.descend(step), step.view.out
        state.ws, state.camera = code.found(), code.camera().detach()
        yield step_event("pivot", step, pivot.steps, found, descent.skipped)
        if descent.ends(step, found):
            break


def _schedule(share: float) -> float:
    """SPI's (StyleGAN2's) learning-rate schedule, as a factor."""
    down = min(1.0, (1 - share) / 0.25)
    return (0.5 - 0.5 * math.cos(down * math.pi)) * min(1.0, (share + 0.01) / 0.05)
