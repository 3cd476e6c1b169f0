"""Memory: what there is for jobs, and what entry points (command line, page, training) do for their whole process, never at import."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

FOOTPRINT = 2_500_000_000
"""Bytes that one inversion takes at most, with its process; docs/operations.md says how they were measured."""
_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8  # names of mallopt(3)


def jobs_that_fit(own: int = 0) -> int:
    """How many inversions there is memory for, one at least; as many as one likes where the system does not say.

    Args:
        own: bytes that such jobs have already, which are theirs to use.
    """
    free = free_memory()
    return sys.maxsize if free is None else max(1, (free + own) // FOOTPRINT)


def free_memory(proc: Path = _PROC, groups: Path = _GROUPS) -> int | None:
    """Bytes that programs may take yet, of the machine and of the limits of the control groups (containers) that this process is in; None
    where the system does not say."""
    try:
        fields = dict(line.split(":") for line in (proc / "meminfo").read_text().splitlines())
        machine = 1024 * int(fields["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError):  # another system than Linux
        return None
    return max(0, min([machine, *_left_in_groups(proc, groups)]))


def resident(processes: Iterable[int | None]) -> int:
    """Bytes of memory that these processes have, by their numbers; those that have ended have none."""
    total = 0
    for number in processes:
        with suppress(OSError, ValueError):
            total += int((_PROC / str(number) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return total


def _left_in_groups(proc: Path, groups: Path) -> Iterator[int]:
    """Of each group of this process, and those above it: its limit, less what is used and cannot be dropped. Versions 1 and 2."""
    try:
        lines = [line.split(":", 2) for line in (proc / "self" / "cgroup").read_text().splitlines()]
    except OSError:
        return
    for _, kinds, path in lines:
        if kinds == "":
            root, names = groups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in kinds.split(","):
            root, names = groups / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = root / path.strip("/")
        for folder in (group, *group.parents):
            with suppress(OSError, ValueError, KeyError):  # a container may see its own alone; "max" is no limit
                limit, used = (int((folder / name).read_text()) for name in names[:2])
                dropped = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())[names[2]]
                yield limit - used + int(dropped)
            if folder == root:
                break


def give_back_memory() -> bool:
    """Give memory that is free, but kept, back to the kernel; returns whether there was any. For when no work follows soon: what is asked
    for next costs page faults again. An idle page kept gigabytes otherwise."""
    gc.collect()
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (OSError, AttributeError):  # another libc
        return False


def keep_freed_memory() -> bool:
    """Ask glibc to keep large freed blocks instead of giving them back to the kernel; returns whether it did.

    Rendering makes and drops temporaries of many megabytes. Each return trip costs page faults: a view and its gradient took 1.28 s
    of one core without this and 0.94 s with it (built-in generator). All threads share one arena, for those of other threads than the
    first hold blocks of 64 MB at most. On other systems nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another libc
        return False
    settings = ((_MMAP_THRESHOLD, 1 << 30), (_TRIM_THRESHOLD, (1 << 31) - 1), (_TOP_PAD, 1 << 28), (_ARENA_MAX, 1))
    taken = [mallopt(name, value) for name, value in settings]  # all are asked for, whatever one answers
    return all(taken)
