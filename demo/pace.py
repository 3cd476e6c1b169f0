"""How far a run is as a whole, and how long it takes yet: from the pace of earlier runs on this machine, and from its own so far."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from symgan_core.inversion import settings

from .work import FRAMES

FIRST = {"look": 3.0, "guess": 2.0, "pivot": 0.2, "tuning": 0.25, "video": 0.13}
"""Seconds of one unit of each stage, on two cores, until there is experience: the look at the photo, one of the two steps of the guess, a
step of optimisation, a frame."""
HABIT = 0.5
"""Of what a stage's unit is taken to cost, so much is what it cost before, the rest what it has cost now."""
TRUST = 6.0
"""Seconds after which a run's own pace counts as much as that of earlier ones."""


def stages_of(preset: str) -> dict[str, int]:
    """Units of the stages of a run, in their order."""
    config = settings("spi", preset)
    return {"look": 1, "guess": 2, "pivot": config.pivot.steps, "tuning": config.tuning.steps, "video": FRAMES}


class Pace:
    """Seconds of one unit of each stage, learnt from the runs of this process; ``told`` hears each stage and its seconds."""

    def __init__(self, first: Mapping[str, float] = FIRST, told: Callable[[str, float], None] = lambda stage, seconds: None):
        self._seconds, self._told = dict(first), told
        self._lock = threading.Lock()

    def seconds(self, units: Mapping[str, float]) -> float:
        """What so many units of each stage take."""
        return _sum(self._seconds, units)

    def costs(self) -> dict[str, float]:
        """Seconds of one unit of each stage, as they are known now."""
        return dict(self._seconds)

    def learn(self, stage: str, units: float, seconds: float) -> None:
        """A stage has been done."""
        self._told(stage, seconds)
        if units > 0:
            with self._lock:
                self._seconds[stage] = HABIT * self._seconds[stage] + (1 - HABIT) * seconds / units


@dataclass
class Run:
    """One run: told each step, it says how far it is. ``units`` of its stages, in their order, as ``stages_of`` has them."""

    pace: Pace
    units: dict[str, int]
    begun: float = field(default_factory=time.monotonic)
    _stage: str = ""
    _since: float = 0.0
    _done: float = 0.0
    _share: float = 0.0

    def __post_init__(self) -> None:
        self._costs = self.pace.costs()  # as they were at its begin: what it is measured by does not change beneath it

    def at(self, stage: str, step: int, total: int) -> tuple[float, float]:
        """A step of a stage is done: the share of the whole in [0, 1], which never falls, and the seconds that are left.

        A stage may be left before its end (a stop), or out (a method that has none of it); then the rest is expected to follow at once.
        """
        now = time.monotonic()
        if stage != self._stage:
            if self._stage:
                self.pace.learn(self._stage, self._done, now - self._since)
            self._stage, self._since = stage, now
        names = list(self.units)
        self._done = self.units[stage] * step / max(total, 1)
        later = {name: self.units[name] for name in names[names.index(stage) + 1:]}
        left = _sum(self._costs, {stage: self.units[stage] - self._done} | later)
        whole = _sum(self._costs, self.units)
        spent, expected = now - self.begun, whole - left
        speed = (spent + TRUST) / (expected + TRUST)
        self._share = max(self._share, 1 - left / whole)
        return self._share, left * speed

    def end(self) -> None:
        """All is done."""
        if self._stage:
            self.pace.learn(self._stage, self._done, time.monotonic() - self._since)


def _sum(costs: Mapping[str, float], units: Mapping[str, float]) -> float:
    return sum(costs[stage] * count for stage, count in units.items())
