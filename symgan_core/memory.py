"""What entry points (command line, page, training) do for their whole process; never at import."""

from __future__ import annotations

import ctypes
import gc
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8  # names of mallopt(3)


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
