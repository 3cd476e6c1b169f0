"""What an operator may watch: numbers for Prometheus, and whether the page is well. No visitor, no photo and no id is in any of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from symgan_core.errors import SymganError

from .store import VisitorLeft

log = logging.getLogger("symgan.demo")
OUTCOMES = ("done", "stopped", "left", "refused", "failed")
"""Of a run: finished; stopped by its visitor, who keeps the best so far; left by him; not possible with this photo; a fault of ours."""
SECONDS = (1, 2, 5, 10, 20, 40, 80, 160, 320)
"""Bounds of the buckets of stages."""


@dataclass
class Outcome:
    """How a run ended, one of ``OUTCOMES``."""

    name: str = "done"


class Metrics:
    """The numbers of one page. ``waiting``: how many runs, films and files are at work or wait."""

    def __init__(self, waiting: Callable[[], int]):
        self._registry, self._waiting = CollectorRegistry(), waiting
        ProcessCollector(registry=self._registry)  # memory, CPU seconds and files of the process
        self._runs = Counter("symgan_runs", "Photos that were made into heads, or were to be.", ["outcome"], registry=self._registry)
        for outcome in OUTCOMES:
            self._runs.labels(outcome)  # there from the beginning, as 0
        self._stages = Histogram("symgan_stage_seconds", "What the stages of runs take.", ["stage"], buckets=SECONDS,
                                 registry=self._registry)
        Gauge("symgan_line", "Runs, films and files that are at work or wait.", registry=self._registry).set_function(waiting)

    @contextmanager
    def run(self) -> Iterator[Outcome]:
        """Counts and logs one run by how it ends: by an exception, or as the context says."""
        outcome, began = Outcome(), time.monotonic()
        try:
            yield outcome
        except (VisitorLeft, GeneratorExit):
            outcome.name = "left"
            raise
        except SymganError:
            outcome.name = "refused"
            raise
        except BaseException:
            outcome.name = "failed"
            raise
        finally:
            self._runs.labels(outcome.name).inc()
            seconds, line = round(time.monotonic() - began, 1), self._waiting()
            log.info("run %s after %s s, %s in line", outcome.name, seconds, line,
                     extra={"outcome": outcome.name, "seconds": seconds, "line": line})

    def stage(self, stage: str, seconds: float) -> None:
        """A stage of a run has taken so long."""
        self._stages.labels(stage).observe(seconds)
        log.info("stage %s: %.1f s", stage, seconds, extra={"stage": stage, "seconds": round(seconds, 1)})

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)
