"""Heavy work waits here and is done one at a time, or as many as there is room for, in the order in which it was asked for; who waits is
told his place."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from symgan_core.errors import SymganError

from .texts import ENGLISH

LOOK_EVERY = 1.0
"""Seconds between two reports to somebody who waits."""


class LineFull(SymganError):
    """Too many wait already."""


@dataclass(eq=False)
class Place:
    """A place in the line; ``left``: seconds that its own work is expected to take yet."""

    line: Line
    left: float

    def wait(self) -> Iterator[tuple[int, float]]:
        """Ends when it is this one's turn. Until then, every ``LOOK_EVERY`` seconds: how many are before it, and the seconds they take."""
        while (before := self.line.before(self)) and before[0]:
            yield before
            self.line.pause()


class Line:
    """The line of one process, of at most ``length`` places; the first of them are at work, ``at_once`` of them."""

    def __init__(self, length: int, at_once: Callable[[], int] = lambda: 1):
        self.length, self._at_once = length, at_once
        self._places: list[Place] = []
        self._moved = threading.Condition()

    @contextmanager
    def stand(self, seconds: float) -> Iterator[Place]:
        """A place at the end of the line for as long as the context lasts; its work takes about so many seconds.

        Raises:
            LineFull: there is no room.
        """
        place = Place(self, seconds)
        with self._moved:
            if len(self._places) >= self.length:
                raise LineFull(ENGLISH.LINE_FULL, ENGLISH.LINE_FULL_HELP)
            self._places.append(place)
        try:
            yield place
        finally:
            with self._moved:
                self._places.remove(place)
                self._moved.notify_all()

    def before(self, place: Place) -> tuple[int, float]:
        """How many have to be done before a place is at work, and the seconds until they are."""
        most = self._at_once()
        with self._moved:
            ahead = [max(other.left, 0) for other in self._places[:self._places.index(place)]]
        if len(ahead) < most:
            return 0, 0
        ends = sorted(ahead[:most])
        for seconds in ahead[most:]:
            heapq.heapreplace(ends, ends[0] + seconds)  # each takes the place of the first that is done
        return len(ahead) - most + 1, ends[0]

    def pause(self) -> None:
        """Wait until somebody has left, for ``LOOK_EVERY`` seconds at most."""
        with self._moved:
            self._moved.wait(LOOK_EVERY)

    def __len__(self) -> int:
        return len(self._places)
