"""The heavy part of a visit: a photo's crop to files of a finished head. Yields plain CPU data, so that it may run in another process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from symgan_core.errors import SymganError
from symgan_core.export import orbit_frames, write_strip, write_video
from symgan_core.faces import FaceCrop
from symgan_core.generator import TriPlaneGenerator
from symgan_core.inversion import PhotoRequest, Portrait3D, start_inversion, to_uint8

FRAMES = 60
"""Of the film of a finished head."""
EVERY = 4
"""Frames between two that are reported to a visitor."""
COARSE_SIDE = 128
"""Pixels of a view in the strip that is on the page first."""


@dataclass(frozen=True)
class Progress:
    """Where the work is: ``stage`` with ``step`` of ``total``; ``preview``: uint8 ``[H, W, 3]`` or None.

    The last one has the stage "done" and ``origins``, shares of the turned head by where they come from; ``skipped``: steps that were left
    out because their numbers were not finite.
    """

    stage: str
    step: int
    total: int
    preview: np.ndarray | None = None
    origins: dict[str, float] = field(default_factory=dict)
    skipped: int = 0


@dataclass(frozen=True)
class Refused:
    """An error for the user, as data: of exceptions, ``spaces`` hands over the class's name alone."""

    seen: str
    help: str


def as_told(work: Iterator[Progress]) -> Iterator[Progress | Refused]:
    """The same, for another process; its error for the user comes last."""
    try:
        yield from work
    except SymganError as error:
        yield Refused(error.seen, error.help)


def invert_into(folder: Path, crop: FaceCrop, generator: TriPlaneGenerator, preset: str, request: PhotoRequest, source: str,
                stop: Callable[[], bool]) -> Iterator[Progress]:
    """Invert a crop and write ``portrait.safetensors``, ``report.json``, ``orbit.mp4``, ``strip.webp`` and ``coarse.webp`` into ``folder``.

    Args:
        source: of the generator, as ``load_generator`` knows it.
        stop: asked after each step; when it says so the best so far is filmed.
    """
    Image.fromarray(crop.image if crop.picture is None else crop.picture).save(folder / "input.webp", quality=90)
    inversion = start_inversion(crop, generator, "spi", preset, 0, request, source)
    yield Progress("guess", 0, 2, to_uint8(inversion.target.image))
    for event in inversion:
        yield Progress(event.stage, event.step, event.total, event.preview)
        if stop():
            break
    portrait = inversion.portrait()
    portrait.save(folder)
    yield from film_into(folder, orbit_frames(portrait, FRAMES))
    skipped = sum(portrait.report.get("skipped_steps", {}).values())
    yield Progress("done", 1, 1, origins=inversion.origins()[1], skipped=skipped)


def film_into(folder: Path, pictures: Iterable[np.ndarray], name: str = "orbit.mp4") -> Iterator[Progress]:
    """Write a film of ``pictures`` that are rendered as they are asked for; of an orbit, the strips for the page too."""
    rendered: list[np.ndarray] = []
    yield from _rendering(pictures, rendered)
    write_video(rendered, folder / name)
    if name == "orbit.mp4":
        write_strip(rendered, folder / "strip.webp")
        write_strip(rendered, folder / "coarse.webp", COARSE_SIDE)


def films_of(portrait: Portrait3D, background: str, paths: Sequence[Path], side: int | None = None) -> Iterator[Progress]:
    """Render one turn and write it to ``paths`` (.mp4, .gif or .webp each), ``side`` pixels a side or as it is rendered."""
    rendered: list[np.ndarray] = []
    yield from _rendering(orbit_frames(portrait, FRAMES, background), rendered)
    for path in paths:
        write_video(rendered, path, side)
        yield Progress("video", FRAMES, FRAMES)


def _rendering(pictures: Iterable[np.ndarray], rendered: list[np.ndarray]) -> Iterator[Progress]:
    """Put pictures into a list as they are rendered, and tell how many there are; now and then one is shown."""
    for picture in pictures:
        rendered.append(picture)
        yield Progress("video", len(rendered), FRAMES, picture if len(rendered) % (4 * EVERY) == 0 else None)


def reported(work: Iterator[Progress]) -> Iterator[Progress]:
    """Without most frames of films: each is a step of its own so that others may compute in between, and a page need not hear of all."""
    return (done for done in work if done.stage != "video" or done.step % EVERY == 0)
