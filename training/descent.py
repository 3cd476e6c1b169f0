"""One loop for the small networks that are fitted to known numbers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def descend(weights: Iterable[nn.Parameter], loss: Callable[[], Tensor], steps: int, rate: float, warm_up: int, floor: float,
            log: Callable[[str], None], what: str) -> None:
    """Adam on fresh values of ``loss``, which is the share of the squares that is left; a line of the log every thousand steps.

    Args:
        warm_up: steps over which the rate rises; floor: its end, as a share of ``rate``, after half a cosine.
        what: the first word of a line.
    """
    optimizer = torch.optim.Adam(weights, rate, betas=(0.9, 0.99))
    begin, total = time.monotonic(), 0.0
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / warm_up) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * step / steps)))
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        total += float(value.detach())
        if (step + 1) % 1000 == 0:
            log(f"{what} {step + 1}: {total / 1000:.4f} of the squares left, {time.monotonic() - begin:.0f} s")
            total = 0.0


def descend_for(minutes: float, network: nn.Module, parts: Callable[[], dict[str, Tensor]], rate: float, weight_decay: float,
                save: Callable[[], None], log: Callable[[str], None], clip: float = math.inf) -> None:
    """AdamW on the sum of fresh ``parts`` for a time budget; a line of their means every hundred steps, ``save`` every thousand.

    The rate rises over 100 steps and falls with half a cosine over the time; ``clip``: the largest norm of the gradient.
    """
    optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=weight_decay)
    begin, step, history = time.monotonic(), 0, []
    while (share := (time.monotonic() - begin) / 60 / minutes) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * share)) + 1e-5
        now = parts()
        optimizer.zero_grad()
        sum(now.values()).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimizer.step()
        step += 1
        history.append({k: float(v.detach()) for k, v in now.items()})
        if step % 100 == 0:
            means = {k: round(sum(h[k] for h in history) / len(history), 4) for k in history[0]}
            log(f"{step} {60 * minutes * share:.0f}s {means}")
            history.clear()
        if step % 1000 == 0:
            save()
