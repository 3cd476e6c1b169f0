"""Where a generator computes, in a process that was forked off."""

from __future__ import annotations

import torch

from .generator import TriPlaneGenerator


def moved_in_fork(generator: TriPlaneGenerator, place: str) -> TriPlaneGenerator:
    """The generator on ``place`` ("cuda", "cpu"), for a process that was forked off the one that made it; the caller's thread may compute.

    GNU's OpenMP does not survive a fork: a child of a process that has used several threads waits for ever at its first parallel
    region. So the CPU's share is done in one thread there.
    """
    torch.set_num_threads(1)
    return generator.to(place)
