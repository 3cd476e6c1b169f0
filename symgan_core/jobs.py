"""One photo to the files of a finished head: what ``invert`` and ``batch`` do with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .devices import with_less
from .errors import is_out_of_memory
from .export import orbit_frames, origins_picture
from .faces import FaceProvider, load_provider
from .files import whole_file
from .films import write_video
from .generator import TriPlaneGenerator, load_generator
from .inversion import ORIGIN_YAWS, Method, PhotoRequest, load_method, prepare_photo, settings, start_inversion, to_uint8

RESULTS = ("orbit.mp4", "input.png", "reconstruction.png", "origins.png", "portrait.safetensors", "report.json")
"""Files that a job writes."""
FRAMES = 60
Steps = Generator[tuple[str, int, int], None, dict[str, Any]]
"""Yields (stage, step, total); returns the report."""


@dataclass(frozen=True)
class Order:
    """How photos are inverted: plain words, so that it may be sent to other processes.

    Attributes:
        method: a name, or a .py file that registers one.
        generator: "builtin", or a converted file.
        device: "auto", "cpu" or "cuda".
    """

    method: str = "spi"
    preset: str = "balanced"
    generator: str = "builtin"
    device: str = "auto"
    seed: int = 0
    request: PhotoRequest = PhotoRequest()


@dataclass(frozen=True)
class Tools:
    """What all jobs of an order share."""

    method: Method
    generator: TriPlaneGenerator
    provider: FaceProvider


def chosen_method(order: Order) -> Method:
    """The method at its preset. Raises RequestError for unknown names."""
    return settings(load_method(order.method) if order.method.endswith(".py") else order.method, order.preset)


def load_tools(order: Order, method: Method | None = None) -> Tools:
    """Load what an order needs; the generator on the CPU where the GPU is full.

    Args:
        method: that of the order, if it has been chosen already (a file registers its method once).
    """
    method = method or chosen_method(order)
    generator = None
    try:
        generator = load_generator(order.generator, order.device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    return Tools(method, load_generator(order.generator, "cpu") if generator is None else generator, load_provider())


def invert_into(folder: Path, photo: np.ndarray, order: Order, tools: Tools, stop: Callable[[], bool] = lambda: False,
                begun: float | None = None) -> Steps:
    """Invert a photo (``faces.read_photo``) and write ``RESULTS`` into ``folder``, which is there.

    Args:
        stop: asked after each step of the optimisation; when it says so, the best so far is written.
        begun: when the work on this photo began (``time.monotonic()``), if before this call.
    """
    begun = time.monotonic() if begun is None else begun
    return with_less(lambda generator: _inverted(folder, photo, order, Tools(tools.method, generator, tools.provider), stop, begun),
                     tools.generator)


def _inverted(folder: Path, photo: np.ndarray, order: Order, tools: Tools, stop: Callable[[], bool], begun: float) -> Steps:
    generator, request = tools.generator, order.request
    crop = prepare_photo(photo, generator, request, tools.provider)
    inversion = start_inversion(crop, generator, tools.method, order.preset, order.seed, request, order.generator)
    intake = time.monotonic() - begun
    for event in inversion.events(previews=False):
        yield event.stage, event.step, event.total
        if stop():
            break
    portrait = inversion.portrait()
    begin = time.monotonic()
    film: list[np.ndarray] = []
    for picture in orbit_frames(portrait, FRAMES):
        film.append(picture)
        yield "video", len(film), FRAMES
    write_video(film, folder / "orbit.mp4")
    seconds = {"intake": round(intake, 2), **portrait.report["seconds"], "video": round(time.monotonic() - begin, 2)}
    portrait.report |= {"seconds": seconds, "face_provider": tools.provider.name, "face": crop.face.to_dict()}
    reconstruction = to_uint8(portrait.render(portrait.camera).image)
    _write_picture(reconstruction, folder / "reconstruction.png")
    _write_picture(inversion.target.input_picture(reconstruction.shape[0]), folder / "input.png")
    maps, portrait.report["origins"] = inversion.origins()
    views = [to_uint8(portrait.render(yaw=yaw).image) for yaw in ORIGIN_YAWS]
    _write_picture(origins_picture(views, maps), folder / "origins.png")
    portrait.save(folder)
    return portrait.report


def _write_picture(picture: np.ndarray, path: Path) -> None:
    with whole_file(path) as partial:
        Image.fromarray(picture).save(partial)
