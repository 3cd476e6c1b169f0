"""A run in a worker of a Ray cluster, which has neither the page's memory nor its disk: the crop comes as an argument, and files go back as
bytes. A worker needs this checkout and no Gradio.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from symgan_core.devices import with_less
from symgan_core.faces import FaceCrop
from symgan_core.files import clear_partials, partial_of
from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.inversion import PhotoRequest

from .work import Progress, Refused, as_told, invert_into, reported


@dataclass(frozen=True)
class Files:
    """Contents of the files of a result, by name."""

    contents: dict[str, bytes]

    def write(self, folder: Path) -> None:
        """Write them into ``folder``."""
        for name, content in self.contents.items():
            (folder / Path(name).name).write_bytes(content)


def invert_remotely(stopped: Callable[[], bool], crop: FaceCrop, preset: str, request: PhotoRequest, source: str,
                    ) -> Iterator[Progress | Refused | Files]:
    """What ``work.invert_into`` yields, and its files before the last of it.

    On the worker's disk they lie in a temporary folder of mode 0700 until then; what a killed worker has left of such is deleted first.
    """
    place = Path(tempfile.gettempdir())
    clear_partials(place)
    folder = partial_of(place / "symgan-run")
    folder.mkdir(0o700)
    try:
        work = with_less(lambda g: invert_into(folder, crop, g, preset, request, source, stopped), _generator(source))
        for done in as_told(reported(work)):
            if isinstance(done, Progress) and done.stage == "done":
                yield Files({path.name: path.read_bytes() for path in folder.iterdir()})
            yield done
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@lru_cache(maxsize=1)
def _generator(source: str) -> TriPlaneGenerator:
    """Loaded once a worker, on the GPU where Ray has given it a part of one."""
    return load_generator(source)
