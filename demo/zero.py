"""Where the heavy work is done: in this process, in a worker of a Ray cluster, or on ZeroGPU in a forked one that holds a GPU for a few
seconds.

ZeroGPU gives its GPU to functions that ``spaces.GPU`` decorates, and to nothing else: a call is sent to a fork of this process, and what
it yields comes back pickled. So arguments and yields are plain CPU data, results are files, and the generator, made here on the CPU, is
reached through the fork and moved to the GPU in there. Without the package ``spaces``, or on other hardware, nothing of this happens.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from symgan_core.batch.cluster import Cluster
from symgan_core.devices import moved_in_fork, with_less
from symgan_core.errors import SymganError
from symgan_core.faces import FaceCrop
from symgan_core.generator import TriPlaneGenerator
from symgan_core.inversion import PhotoRequest, Portrait3D

from .computing import CallerThread, WorkerThread
from .remote import Files, invert_remotely
from .work import Progress, Refused, as_told, films_of, invert_into, reported

Work = TypeVar("Work", bound=Callable)
Item = TypeVar("Item")
INVERT_SECONDS = {"fast": 20, "balanced": 30, "best": 60}
"""Of a GPU that a photo is given by its preset: on an H100, ``balanced`` takes 5.5 and ``best`` 14.5 seconds, the first photo of a process
7 more. A visitor's quota must cover what is asked for, so it is little."""
FILM_SECONDS = 20
STOP_FILE = ".stop"
"""In a result's folder: asks the process that works on it to end."""


def on_zero_gpu(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is ZeroGPU hardware with the package ``spaces``; the environment is read as ``spaces`` reads it."""
    wanted = environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
    return wanted and importlib.util.find_spec("spaces") is not None


def gpu(seconds: int | Callable[..., int]) -> Callable[[Work], Work]:
    """A decorator for a generator function that needs the GPU for ``seconds``, which may depend on its arguments: ``spaces.GPU`` on
    ZeroGPU, and nothing elsewhere."""
    if not on_zero_gpu():
        return lambda work: work
    import spaces

    return spaces.GPU(duration=seconds)


class Room:
    """Does the heavy work of the page, here, on a cluster or on ZeroGPU's GPU; callers see no difference. What else torch computes for the
    page goes through ``computing``.

    Args:
        generator: on ZeroGPU, on the CPU.
        source: what it was loaded from, as ``load_generator`` knows it.
        place: ZeroGPU's device; another one for tests.
        cluster: does inversions, where there is one.
    """

    def __init__(self, generator: TriPlaneGenerator, source: str, place: str = "cuda", cluster: Cluster | None = None):
        self._generator, self._source, self._place, self._cluster = generator, source, place, cluster
        self.apart = on_zero_gpu()
        self.computing = CallerThread() if self.apart else WorkerThread()
        self._invert = gpu(_invert_seconds)(self._invert_apart)
        self._films = gpu(FILM_SECONDS)(self._films_apart)

    def invert(self, folder: Path, crop: FaceCrop, preset: str, request: PhotoRequest, stop: Callable[[], bool]) -> Iterator[Progress]:
        """Invert a crop into the files of ``folder``; see ``work.invert_into``.

        Raises:
            SymganError: what the user can do something about.
        """
        if self._cluster:
            last = Progress("guess", 0, 2)
            with closing(self._cluster.run(invert_remotely, crop, preset, request, self._source, stop=stop)) as steps:
                for done in _accepted(steps):
                    if isinstance(done, Files):
                        done.write(folder)
                        continue
                    last = done or replace(last, preview=None)  # told again while nothing comes, for the visitor may have left
                    yield last
            return
        if not self.apart:
            work = with_less(lambda g: invert_into(folder, crop, g, preset, request, self._source, stop), self._generator)
            yield from reported(self.computing.steps(work))
            return
        flag = folder / STOP_FILE
        try:
            for done in _accepted(self._invert(folder, crop, preset, request)):
                yield done
                if stop():
                    flag.touch()
        finally:
            flag.unlink(missing_ok=True)

    def films(self, portrait: Portrait3D, background: str, paths: Sequence[Path], side: int | None = None) -> Iterator[Progress]:
        """Write one turn of a head to ``paths`` of one folder; see ``work.films_of``.

        Raises:
            SymganError: what the user can do something about.
        """
        if not self.apart:
            yield from reported(self.computing.steps(films_of(portrait, background, paths, side)))
            return
        folder = paths[0].parent
        if not (folder / "portrait.safetensors").is_file():
            portrait.save(folder)
        yield from _accepted(self._films(folder, background, paths, side))

    # -- what runs in the fork --------------------------------------------------------------------------------------

    def _invert_apart(self, folder: Path, crop: FaceCrop, preset: str, request: PhotoRequest) -> Iterator[Progress | Refused]:
        generator = moved_in_fork(self._generator, self._place)
        stop = (folder / STOP_FILE).exists
        work = with_less(lambda g: invert_into(folder, crop, g, preset, request, self._source, stop), generator)
        yield from as_told(reported(work))

    def _films_apart(self, folder: Path, background: str, paths: Sequence[Path], side: int | None) -> Iterator[Progress | Refused]:
        generator = moved_in_fork(self._generator, self._place)
        yield from as_told(reported(films_of(Portrait3D.load(folder, base=generator), background, paths, side)))


def _invert_seconds(folder: Path, crop: FaceCrop, preset: str, request: PhotoRequest) -> int:
    return INVERT_SECONDS.get(preset, max(INVERT_SECONDS.values()))


def _accepted(work: Iterator[Item | Refused]) -> Iterator[Item]:
    for done in work:
        if isinstance(done, Refused):
            raise SymganError(done.seen, done.help)
        yield done
