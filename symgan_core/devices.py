"""Where a generator computes: in a process that was forked off, and with less where memory runs out."""

from __future__ import annotations

import copy
import gc
import logging
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TypeVar

import torch

from .errors import TOO_LITTLE_MEMORY, SymganError, is_out_of_memory
from .generator import TriPlaneGenerator
from .generator.model import half_precision_pays

Shown = TypeVar("Shown")
Result = TypeVar("Result")
log = logging.getLogger("symgan")


def moved_in_fork(generator: TriPlaneGenerator, place: str) -> TriPlaneGenerator:
    """The generator on ``place`` ("cuda", "cpu"), for a process that was forked off the one that made it; the caller's thread may compute.

    GNU's OpenMP does not survive a fork: a child of a process that has used several threads waits for ever at its first parallel
    region. So the CPU's share is done in one thread there.
    """
    torch.set_num_threads(1)
    return generator.to(place)


def frugal(generator: TriPlaneGenerator) -> TriPlaneGenerator:
    """The same head from about half the memory: half the samples a ray while optimising, a quarter of the rays at a time."""
    twin = generator.copy_with_trainable(())
    coarse, fine = generator.config.draft_samples
    twin.config = replace(generator.config, draft_samples=(max(4, coarse // 2), max(4, fine // 2)))
    twin.chunk_rays = max(256, generator.chunk_rays // 4)
    return twin


def on_cpu(generator: TriPlaneGenerator) -> TriPlaneGenerator:
    """A copy on the CPU."""
    twin = copy.deepcopy(generator).to("cpu")
    twin.half_precision = half_precision_pays(twin.device)
    return twin


def with_less(work: Callable[[TriPlaneGenerator], Generator[Shown, None, Result]],
              generator: TriPlaneGenerator) -> Generator[Shown, None, Result]:
    """What ``work(generator)`` yields and returns; where memory runs out, it begins again with less: fewer samples, then on the CPU.

    Raises:
        SymganError: the last way had too little memory too.
    """
    ways = [("", lambda g: g), ("with fewer samples", frugal)]
    if generator.device.type != "cpu":
        ways.append(("on the CPU", on_cpu))
    for name, way in ways:
        if name:
            log.warning("Memory ran out; the work begins again %s.", name)
        try:
            return (yield from work(way(generator)))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        # Out of the handler, whose traceback holds all that the work has made.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    raise SymganError(*TOO_LITTLE_MEMORY)
