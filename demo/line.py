"""Heavy work waits here and is done one at a time, in the order in which it was asked for; who waits is told his place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
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
    """The line of one process, of at most ``length`` places; the first of them is at work."""

    def __init__(self, length: int):
        self.length = length
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
        """How many stand before a place, and the seconds until they are done."""
        with self._moved:
            ahead = self._places[:self._places.index(place)]
            return len(ahead), sum(max(other.left, 0) for other in ahead)

    def pause(self) -> None:
        """Wait until somebody has left, for ``LOOK_EVERY`` seconds at most."""
        with self._moved:
            self._moved.wait(LOOK_EVERY)

    def __len__(self) -> int:
        return len(self._places)
