"""The loops for small networks: those that are fitted to known numbers, and those that learn from endless examples for a time budget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from symgan_core.weights import write_shipped

Log = Callable[[str], None]


@dataclass(frozen=True)
class Schedule:
    """``steps`` at a ``rate`` that rises over ``warm_up`` steps, and ends at ``floor``, as a share of it, after half a cosine."""

    steps: int
    rate: float
    warm_up: int
    floor: float


@dataclass(frozen=True)
class Recipe:
    """AdamW's ``rate`` and ``weight_decay``, and the largest norm of the gradient."""

    rate: float
    weight_decay: float
    clip: float = math.inf


@dataclass(frozen=True)
class Run:
    """One training of a network that learns from examples.

    Attributes:
        minutes: time budget.
        out: the file of weights to write.
        start: weights to go on from.
        workers: processes that draw examples, which can take as long as learning from them; 0: none beside this one.
    """

    minutes: float
    out: Path
    seed: int = 0
    start: Path | None = None
    workers: int = 0
    log: Log = print


def descend(weights: Iterable[nn.Parameter], loss: Callable[[], Tensor], schedule: Schedule, log: Log, what: str) -> None:
    """Adam on fresh values of ``loss``, which is the share of the squares that is left; a line of the log every thousand steps, whose first
    word is ``what``."""
    optimizer = torch.optim.Adam(weights, schedule.rate, betas=(0.9, 0.99))
    begin, total, floor = time.monotonic(), 0.0, schedule.floor
    for step in range(schedule.steps):
        cosine = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * step / schedule.steps))
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate * min(1, (step + 1) / schedule.warm_up) * cosine
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        total += float(value.detach())
        if (step + 1) % 1000 == 0:
            log(f"{what} {step + 1}: {total / 1000:.4f} of the squares left, {time.monotonic() - begin:.0f} s")
            total = 0.0


def learn(network: nn.Module, examples: IterableDataset, losses: Callable[[Any], dict[str, Tensor]], recipe: Recipe, run: Run) -> None:
    """AdamW on the sum of the ``losses`` of one example after the other, for a time budget; a line of their means every hundred steps.

    The rate rises over 100 steps and falls with half a cosine over the time. The weights (half precision) and their hash are written every
    thousand steps and at the end.
    """
    drawn = iter(DataLoader(examples, batch_size=None, num_workers=run.workers, prefetch_factor=4 if run.workers else None))
    optimizer = torch.optim.AdamW(network.parameters(), recipe.rate, weight_decay=recipe.weight_decay)
    begin, step, history = time.monotonic(), 0, []
    while (share := (time.monotonic() - begin) / 60 / run.minutes) < 1:
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * share)) + 1e-5
        now = losses(next(drawn))
        optimizer.zero_grad()
        sum(now.values()).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()
        step += 1
        history.append({k: float(v.detach()) for k, v in now.items()})
        if step % 100 == 0:
            means = {k: round(sum(h[k] for h in history) / len(history), 4) for k in history[0]}
            run.log(f"{step} {60 * run.minutes * share:.0f}s {means}")
            history.clear()
        if step % 1000 == 0:
            write_shipped(network.state_dict(), run.out)
    write_shipped(network.state_dict(), run.out)
