"""``python -m symgan_core``, and the installed command ``symgan``."""

from __future__ import annotations

import os
import sys

from .cli import main as run_command
from .memory import keep_freed_memory


def main() -> int:
    """Set the process up for torch, which must not be imported before, and run one command; returns the exit code."""
    # GNU's OpenMP: a thread that waits spins for a fraction of a millisecond, then sleeps. Without spinning, each parallel step pays for
    # waking the others (a quarter of the time). Threads that spin would starve other busy processes, so cores.py takes fewer beside those.
    # "passive" would forbid spinning where a process has more threads than there are cores. Other systems' OpenMP would spin for ever.
    os.environ.setdefault("OMP_WAIT_POLICY", "active" if sys.platform == "linux" else "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "30000")
    keep_freed_memory()
    return run_command()


if __name__ == "__main__":
    raise SystemExit(main())
