"""Stage 2: the generator is tuned to the photo, with pseudo labels for the views that it does not show."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any

import torch
from torch import nn

from ..generator.gated import Planes
from .events import Event
from .rendering import CachedDensityGrid
from .state import TuningStage
from .step import Step, step_event
from .terms.base import Descent, start_terms

UNTUNED = r"\.mapping\.|\.warp\.|\.canvas$"
"""Weights of the backbone that stage 2 always leaves alone: w is found already, and what the canvas could learn the offset on the planes
learns at once."""


def tune_generator(stage: TuningStage, report: dict[str, Any]) -> Generator[Event, None, None]:
    """Tune a copy of the prepared generator in place of it (where the method tunes any of its weights); an event a step.

    ``report`` receives the yaw weight and the share of mirrored pixels that were rejected as conflicts, at the end.
    """
    tuning, state = stage.method.tuning, stage.state
    stage.prepare()
    weights = _trainable_copy(stage)
    generator = stage.generator
    groups = [{"params": weights, "rate": tuning.learning_rate}] if weights else []
    optimizer = torch.optim.Adam([*groups, *stage.groups], tuning.learning_rate, betas=(0.9, 0.99), fused=True)
    losses, grid = start_terms(tuning.terms, stage), CachedDensityGrid(generator)
    descent = Descent(losses, optimizer)
    try:
        for number in range(tuning.steps):
            rate = min(1.0, (number + 1) / 5) * min(1.0, 0.1 + 0.9 * (tuning.steps - number) / (0.3 * tuning.steps))
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * rate
            step = Step(stage, number, number / tuning.steps, state.ws, stage.target).with_planes(grid, lambda: _planes(stage))
            # Without jitter the weights would fit the few places that are sampled and leave floaters between them.
            step.jitter = stage.rng
            found = descent.descend(step)
            yield step_event("tuning", step, tuning.steps, found, descent.skipped)
            if descent.ends(step, found):
                break
    finally:
        generator.requires_grad_(False)
        report |= {"mirror_weight": round(stage.target.mirror_weight, 4), "mirror_rejected_share": None}
        for loss in losses:
            report |= loss.report()


def _trainable_copy(stage: TuningStage) -> list[nn.Parameter]:
    """Give the state a generator of its own, if any of its weights are tuned; these."""
    base, parts = stage.generator, stage.method.tuning.parts
    tuned = {name for name, _ in base.named_parameters() if name.split(".")[0] in parts and not re.search(UNTUNED, name)}
    if tuned:
        stage.state.generator = base.copy_with_trainable(parts)
    weights = [weight for name, weight in stage.generator.named_parameters() if name in tuned]
    for weight in weights:
        weight.requires_grad_(True)
    return weights


def _planes(stage: TuningStage) -> Planes:
    """Of the head as it is now."""
    planes = stage.generator.planes(stage.state.ws) if "backbone" in stage.method.tuning.parts else stage.planes
    return planes if stage.state.offset is None else stage.state.offset.added_to(planes)
