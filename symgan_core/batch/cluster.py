"""A Ray cluster: whole jobs for ``workers.py``, and work whose steps come back as they are done, for the page."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import Any

from ..cores import Cores, read_capacity
from ..errors import RequestError, SymganError
from ..memory import FOOTPRINT, jobs_that_fit

BEAT = 1.0
"""Seconds without a step after which that is said."""
ANSWER = 5.0
"""Seconds within which a cluster's machine has to answer; Ray itself tries for two minutes."""
LOST = "The machine that worked on this was lost.", "Start again: nothing of yours is gone."


def connect(address: str, count: int, without: str, instead: str) -> Any:
    """The module ``ray``, connected to a cluster, or to one of ``count`` workers on this machine where the address is "local".

    Args:
        without, instead: how to do without Ray, and how to ask for "local", in words that end a sentence.

    Raises:
        RequestError: Ray is not installed, or there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    try:
        import ray
    except ImportError:
        raise RequestError("Ray is not installed.", f"pip install 'symgan[ray]', or {without}.") from None
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == "local":
            ray.init("local", num_cpus=count, include_dashboard=False, **quiet)
            return ray
        host, _, port = address.rpartition(":")
        if host and port.isdecimal() and "://" not in host:
            socket.create_connection((host, int(port)), ANSWER).close()
        ray.init(address, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        raise RequestError(f"There is no Ray cluster at '{address}' ({str(error).splitlines()[0]}).",
                           f"Check the address, or say {instead}.") from error
    return ray


def needs(ray: Any, gpus: float = 0.0) -> dict[str, float]:
    """What Ray sets aside for one inversion: a core, its memory, a part of a GPU. On small machines memory is what the largest has, so that
    one runs at least."""
    largest = max((node["Resources"].get("memory", 0) for node in ray.nodes() if node["Alive"]), default=0)
    return {"num_cpus": 1, "num_gpus": gpus, "memory": int(min(FOOTPRINT, largest))}


class Cluster:
    """A cluster for work that somebody watches.

    Args:
        address: as ``connect`` has it. A local one has as many workers as there are cores and memory for.
        gpus: the part of a GPU that a job takes.

    Raises:
        RequestError: as ``connect``.
    """

    def __init__(self, address: str, gpus: float, without: str, instead: str):
        if "://" in address:
            raise RequestError(f"'{address}' is for Ray's client, which brings no steps back.",
                               "Join the cluster (ray start --address=HOST:6379 --num-cpus=0), and give HOST:6379.")
        cores = read_capacity().limit
        count = min(cores, jobs_that_fit())
        self._ray = connect(address, count, without, instead)
        self._threads = max(1, cores // count) if address == "local" else 1
        self._needs = needs(self._ray, gpus)
        self._stops = self._ray.remote(num_cpus=0, max_restarts=-1)(_Stops).remote()

    def at_once(self) -> int:
        """How many jobs the cluster can do at a time, whoever asks."""
        there = self._ray.cluster_resources()
        names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
        return max(1, int(min(there.get(names[name], 0) / need for name, need in self._needs.items() if need)))

    def run(self, work: Callable[..., Iterator[Any]], *given: Any, stop: Callable[[], bool]) -> Generator[Any, None, None]:
        """What ``work(stopped, *given)`` yields in a worker, where ``stopped()`` says what ``stop()`` says here; None for each second
        without a word, as while it waits for a worker. Closing this ends the work.

        Raises:
            SymganError: the worker was lost.
        """
        ray, job, asked = self._ray, secrets.token_hex(8), False
        remote = ray.remote(**self._needs, max_retries=0, num_returns="streaming")(_steps)
        items = remote.remote(work, self._stops, job, self._threads, *given)
        try:
            while True:
                there, _ = ray.wait([items], timeout=BEAT)
                if stop() and not asked:
                    self._stops.add.remote(job)
                    asked = True
                try:
                    yield ray.get(next(items)) if there else None
                except StopIteration:
                    return
        except ray.exceptions.RayTaskError:
            raise
        except ray.exceptions.RayError as error:
            raise SymganError(*LOST) from error
        finally:
            with suppress(ray.exceptions.RayError):
                ray.cancel(items)
                self._stops.drop.remote(job)

    def close(self) -> None:
        """Leave the cluster; a local one ends."""
        self._ray.shutdown()


class _Stops:
    """Jobs that are to stop; an actor, for it is asked from any machine."""

    def __init__(self) -> None:
        self._jobs: set[str] = set()

    def add(self, job: str) -> None:
        self._jobs.add(job)

    def drop(self, job: str) -> None:
        self._jobs.discard(job)

    def has(self, job: str) -> bool:
        return job in self._jobs


def _steps(work: Callable[..., Iterator[Any]], stops: Any, job: str, threads: int, *given: Any) -> Iterator[Any]:
    """In a worker."""
    import ray
    import torch
    from ray.exceptions import RayError

    def stopped() -> bool:
        try:
            return ray.get(stops.has.remote(job))
        except RayError:  # its machine is gone: it is begun anew on another
            return False

    torch.set_num_threads(threads)
    cores = Cores()
    for step in work(stopped, *given):
        yield step
        cores.adapt()
