"""Pictures of the head while it is made: from three sides, and turning."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..generator import Head
from ..geometry.images import to_uint8
from .events import Event
from .state import State

THREE_SIDES = (-35.0, 0.0, 35.0)
TURNING = (12.0, 24.0, 12.0, 0.0, -12.0, -24.0, -12.0, 0.0)
"""Yaws, degrees."""


@torch.no_grad()
def views_from(yaws: Sequence[float], state: State, planes: Tensor) -> np.ndarray:
    """uint8 ``[H, N W, 3]``: small views from N yaws, degrees, beside each other; ``planes [1, 3, C, H, W]`` without the offset."""
    resolution = state.generator.config.neural_rendering_resolution * 3 // 4
    planes = planes if state.offset is None else state.offset.added_to(planes)
    head = Head.of(state.generator, state.ws, planes, 2)
    return to_uint8(torch.cat([head.view(head.orbit(yaw), resolution).image for yaw in yaws], 3))


def turning(events: Iterator[Event], state: State, planes: Tensor) -> Iterator[Event]:
    """``events`` with a head that turns in place of their previews."""
    yaws = itertools.cycle(TURNING)
    for event in events:
        yield replace(event, preview=None if event.preview is None else views_from((next(yaws),), state, planes))
