"""Who works on many photos: this process, several processes, or a Ray cluster. All do the same work, ``done_task``."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..cores import read_capacity
from ..errors import RequestError, SymganError
from ..files import check_results, told, whole_folder
from ..jobs import Order, Tools, invert_into, load_tools
from ..memory import jobs_that_fit, resident
from ..progress import driven
from .cluster import connect, needs
from .photos import Photo

WAITING = 1000
"""Tasks that a Ray cluster is given at a time; it does the scheduling."""
TRIES = 3
"""Of a photo whose Ray worker was lost."""
LOOK_EVERY = 10.0
"""Seconds between two looks whether there is memory for one more."""


@dataclass(frozen=True)
class Workers:
    """``count``: processes here; ``ray``: address of a cluster, "local" for one of ``count`` here, or None; ``gpus``: the part of a GPU
    that a task takes there."""

    count: int = 1
    ray: str | None = None
    gpus: float = 0.0

    def __post_init__(self) -> None:
        """Raise RequestError for workers that cannot be."""
        if self.count < 1:
            raise RequestError(f"{self.count} workers do nothing.", "Give --workers 1 or more.")
        if not (self.gpus >= 0 and math.isfinite(self.gpus)):
            raise RequestError(f"{self.gpus} is no part of a GPU.", "Give --gpus 0.5, for example.")
        if self.gpus and not self.ray:
            raise RequestError("Parts of a GPU are Ray's.", "Give --ray ADDRESS or --ray local too.")


@dataclass(frozen=True)
class Task:
    """A photo, the folder that its result becomes, and how it is made."""

    photo: Photo
    folder: Path
    order: Order


def start_workers(workers: Workers, tasks: list[Task]) -> Generator[tuple[Task, str], None, None]:
    """Each task with why it failed, or "", as they end. Closing the iterator ends all work at once.

    Raises:
        RequestError: Ray is not installed, or there is no cluster at the address.
    """
    if workers.ray:
        return _on_ray(workers, tasks)
    return _in_processes(workers.count, tasks) if workers.count > 1 else ((task, done_task(task)) for task in tasks)


def done_task(task: Task) -> str:
    """Do a task; returns why it failed, or "". The folder appears whole or not at all."""
    from ..faces import read_photo

    try:
        check_results(task.folder.parent, ())
        tools = _tools(task.order)
        photo = read_photo(task.photo.path)
        with whole_folder(task.folder) as folder:
            driven(invert_into(folder, photo, task.order, tools), lambda *_: None)
    except SymganError as error:
        return " ".join(str(error).split())
    except OSError as error:
        return told(error)
    except Exception as error:  # one photo among thousands: the others go on
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no word why'}"
    return ""


@lru_cache(maxsize=1)
def _tools(order: Order) -> Tools:
    """Loaded once a process."""
    return load_tools(order)


def share_of_cores(count: int) -> int:
    """Threads for each of ``count`` workers on this machine."""
    return max(1, read_capacity().limit // count)


# -- several processes ----------------------------------------------------------------------------------------------------


def _in_processes(count: int, tasks: list[Task]) -> Generator[tuple[Task, str], None, None]:
    """As many tasks at a time as there are workers, and as there is memory for. If one is killed, those that were under way are done again,
    each alone, so that a photo which kills its worker takes no other with it."""
    waiting = deque(tasks)
    while waiting:
        under_way: dict[Future[str], Task] = {}
        with _pool(min(count, len(waiting)), share_of_cores(count)) as pool:
            try:
                while waiting or under_way:
                    own = resident(child.pid for child in multiprocessing.active_children())
                    while waiting and len(under_way) < min(count, jobs_that_fit(own)):
                        under_way[pool.submit(done_task, waiting[0])] = waiting[0]
                        waiting.popleft()
                    more = LOOK_EVERY if waiting and len(under_way) < count else None  # others may end meanwhile
                    for future in wait(under_way, more, FIRST_COMPLETED).done:
                        reason = future.result()
                        yield under_way.pop(future), reason
            except BrokenProcessPool:
                pass
        for task in under_way.values():
            with _pool(1, share_of_cores(count)) as pool:
                try:
                    reason = pool.submit(done_task, task).result()
                except BrokenProcessPool:
                    reason = "The process that worked on it was killed, twice. Is there memory enough? Use fewer --workers."
            yield task, reason


@contextmanager
def _pool(count: int, threads: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes of so many threads each; if they are not waited for to the end, they are killed."""
    before, others = os.environ.get("OMP_NUM_THREADS"), set(multiprocessing.active_children())
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is imported, in the new processes
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _settle, (threads,))
    try:
        yield pool
    finally:
        for child in set(multiprocessing.active_children()) - others:
            child.kill()  # nothing is under way, or it is not wanted
        pool.shutdown(cancel_futures=True)
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _settle(threads: int) -> None:
    """In a new worker: its threads, Ctrl-C left to the parent, and an end when the parent ends, however that is."""
    import torch

    from ..memory import keep_freed_memory

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    keep_freed_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


# -- Ray ------------------------------------------------------------------------------------------------------------------


def _on_ray(workers: Workers, tasks: list[Task]) -> Generator[tuple[Task, str], None, None]:
    """Ray Core tasks; a worker that is lost is Ray's to replace. Photos and results lie where all machines see them under the same path."""
    ray = connect(workers.ray or "", workers.count, "leave --ray out", "--ray local")
    try:
        threads = share_of_cores(workers.count) if workers.ray == "local" else 1
        remote = ray.remote(**needs(ray, workers.gpus), max_retries=TRIES - 1)(_ray_task)
        waiting, under_way = deque(tasks), {}
        while waiting or under_way:
            while waiting and len(under_way) < WAITING:
                task = waiting.popleft()
                under_way[remote.remote(task, threads)] = task
            for found in ray.wait(list(under_way), num_returns=1)[0]:
                try:
                    reason = ray.get(found)
                except ray.exceptions.RayError as error:
                    reason = f"Its Ray worker was lost {TRIES} times ({type(error).__name__}). Is there memory enough?"
                yield under_way.pop(found), reason
    finally:
        ray.shutdown()


def _ray_task(task: Task, threads: int) -> str:
    import torch

    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    return done_task(task)
