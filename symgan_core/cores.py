"""How many threads torch uses: the machine's cores, less those that others keep busy. More threads than free cores wait for each other at
each parallel step: two inversions of two threads each on two cores took eight times as long as one alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

WINDOW = 0.5
"""Seconds over which the use of the cores is measured."""
_STAT = Path("/proc/stat")
_GROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Capacity:
    """Cores: ``machine`` of the whole machine, ``group`` that a container may use, or None; ``limit``: of threads of one process."""

    machine: int
    group: float | None
    limit: int


@dataclass(frozen=True)
class Usage:
    """CPU seconds used so far ``at`` a time in seconds: by this process (``own``), by all of the machine, by all of this container; None
    where the system does not say."""

    at: float
    own: float
    machine: float | None
    group: float | None


def read_capacity() -> Capacity:
    """As the system has it. The limit is torch's own (``OMP_NUM_THREADS``, or the cores that this process may use), or a container's
    quota where that is less: torch does not look at it."""
    group, threads = _quota(), torch.get_num_threads()
    return Capacity(os.cpu_count() or 1, group, threads if group is None else max(1, min(threads, round(group))))


def read_usage() -> Usage:
    """As the system has it: Linux says all, others their own process alone."""
    return Usage(time.monotonic(), time.process_time(), _machine_seconds(), _group_seconds())


class Cores:
    """Gives the threads of this process that compute their share of the machine, again and again.

    Args:
        capacity: what there is.
        read: of the use so far.
    """

    def __init__(self, capacity: Capacity | None = None, read: Callable[[], Usage] = read_usage):
        self.capacity, self._read = capacity or read_capacity(), read
        self._threads, self._last = self.capacity.limit, read()

    def adapt(self) -> int:
        """Set how many threads the calling thread's torch uses, and return it; cheap enough to be called at each step. One thread of a
        process should compute at a time."""
        self._measure()
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        return self._threads

    def _measure(self) -> None:
        before, now = self._last, self._read()
        seconds = now.at - before.at
        if seconds < WINDOW:
            return
        own, free, what = now.own - before.own, float(self.capacity.limit), self.capacity
        for used, earlier, cores in ((now.machine, before.machine, what.machine), (now.group, before.group, what.group)):
            if used is not None and earlier is not None and cores is not None:
                free = min(free, cores - max(used - earlier - own, 0.0) / seconds)
        self._threads, self._last = max(1, round(free)), now


def _machine_seconds() -> float | None:
    try:
        name, *ticks = _STAT.read_text().split("\n", 1)[0].split()
        user, nice, system, _idle, _waiting, interrupts, soft_interrupts = map(int, ticks[:7])
        return (user + nice + system + interrupts + soft_interrupts) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):  # another system, or a sandbox that hides it
        return None


def _group_seconds() -> float | None:
    try:
        entries = dict(line.split() for line in (_GROUP / "cpu.stat").read_text().splitlines())
        return int(entries["usage_usec"]) / 1e6
    except (OSError, ValueError, KeyError):  # not in a container of Linux with control groups, version 2
        return None


def _quota() -> float | None:
    """Cores that the container may use."""
    try:
        quota, period = (_GROUP / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None
