"""Progress on stderr: a bar on a terminal, elsewhere a line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from typing import TextIO, TypeVar

EVERY = 5.0
"""Seconds between lines where there is no terminal."""
Result = TypeVar("Result")


class Bar:
    """The progress of one command.

    Args:
        stream: stderr, if none is given.
        clock: seconds.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic):
        self._stream, self._clock = stream or sys.stderr, clock
        self.live = self._stream.isatty()
        self._last, self._width = clock(), 0

    def show(self, stage: str, step: int, total: int, note: str = "") -> None:
        """``step`` of ``total`` is done of a stage; ``note`` is put behind it."""
        if self.live:
            filled = 30 * step // max(total, 1)
            line = f"{stage:8} [{'#' * filled}{'.' * (30 - filled)}] {step}/{total} {note}"
            print(f"\r{line:{self._width}}", end="", file=self._stream, flush=True)
            self._width = len(line)
        elif self._clock() - self._last >= EVERY:
            self._last = self._clock()
            print(f"{stage} {step}/{total} {note}".rstrip(), file=self._stream, flush=True)

    def say(self, line: str) -> None:
        """A line of its own, at once."""
        if self.live:
            print(f"\r{line:{self._width}}", file=self._stream, flush=True)
        else:
            print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Leave the bar's line."""
        if self.live:
            print(file=self._stream)


def driven(work: Generator[tuple[str, int, int], None, Result], show: Callable[[str, int, int], None]) -> Result:
    """Run work that yields (stage, step, total), showing each, with as many threads as there are free cores; returns what it returns."""
    from .cores import Cores  # imports torch, which the command line must not do before it has set OpenMP up

    cores = Cores()
    try:
        while True:
            show(*next(work))
            cores.adapt()
    except StopIteration as end:
        return end.value
    finally:
        work.close()
