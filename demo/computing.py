"""Where torch computes: in one thread of the page's process, piece by piece, with as many cores as are free.

Each thread that computes has helpers of its own (OpenMP), and on few cores two such teams wait for each other most of the time. So steps of
a run, frames of a film and views for visitors take turns in one thread: a view waits for one step of a run, and not for the run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from symgan_core.cores import Cores

from .store import VisitorLeft

Given, Found, Item = ParamSpec("Given"), TypeVar("Found"), TypeVar("Item")


class CallerThread:
    """Computes in the caller's own thread: on ZeroGPU, where no thread lives on in the process that computes."""

    def busy(self) -> float:
        """Seconds that the piece which is at work has taken so far; 0 where nothing is, or where that is not known."""
        return 0.0

    def waiting(self) -> int:
        """How many pieces of work wait for their turn; 0 where that is not known."""
        return 0

    def take_over(self) -> None:
        """The calling thread is the one that computes, as soon as it calls ``serve``. To be called before anything is computed."""

    def serve(self) -> None:
        """Compute what comes, for ever; an interrupt ends it, and what waits. Returns at once where callers compute for themselves."""

    def call(self, work: Callable[Given, Found], *args: Given.args, **named: Given.kwargs) -> Found:
        """What ``work`` returns for these arguments."""
        return work(*args, **named)

    def steps(self, items: Iterator[Item]) -> Iterator[Item]:
        """Each of ``items``, which are computed when they are asked for."""
        return items


class WorkerThread(CallerThread):
    """Computes in one thread; pieces of work are done in the order in which they come. That thread is one of its own, or, in a process
    that has nothing else to do there, the main thread (``take_over``): OpenMP's teams of other threads than the first are a quarter
    slower on few cores, for they may not wait awake."""

    def __init__(self) -> None:
        self._cores = Cores()
        self._waiting: SimpleQueue[tuple[Future, Callable[[], Any]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._begun: float | None = None

    def busy(self) -> float:
        """As ``CallerThread`` has it."""
        begun = self._begun
        return 0.0 if begun is None else time.monotonic() - begun

    def waiting(self) -> int:
        """As ``CallerThread`` has it."""
        return self._waiting.qsize()

    def take_over(self) -> None:
        """As ``CallerThread`` has it."""
        self._thread = threading.get_ident()

    def serve(self) -> None:
        """As ``CallerThread`` has it."""
        try:
            while True:
                future, work = self._waiting.get()
                self._begun = time.monotonic()
                try:
                    self._cores.adapt()
                    future.set_result(work())
                except Exception as error:
                    future.set_exception(error)
                except BaseException:
                    future.cancel()
                    raise
                finally:
                    self._begun = None
        finally:
            self._thread = None  # whoever still computes while the process ends gets a thread of its own
            while not self._waiting.empty():
                self._waiting.get()[0].cancel()

    def call(self, work: Callable[Given, Found], *args: Given.args, **named: Given.kwargs) -> Found:
        """What ``work`` returns, in its turn. Work within work is part of it.

        Raises:
            VisitorLeft: the page closes, and all have to leave.
        """
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self.serve, name="torch", daemon=True)
                thread.start()
                self._thread = thread.ident
        if threading.get_ident() == self._thread:
            return work(*args, **named)
        future: Future[Found] = Future()
        self._waiting.put((future, partial(work, *args, **named)))
        try:
            return future.result()
        except CancelledError:
            raise VisitorLeft from None

    def steps(self, items: Iterator[Item]) -> Iterator[Item]:
        """Each of ``items`` in a turn of its own; closing this closes them."""
        try:
            while (item := self.call(next, items, self)) is not self:
                yield item
        finally:
            if close := getattr(items, "close", None):
                self.call(close)
