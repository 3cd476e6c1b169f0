"""A method is a value: what is prepared and which terms are added up in each of two stages. A preset says how many steps they take."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import RequestError
from ..files import check_readable
from .preparation import Masking, Preparation, Start
from .start.latent import MeanStart
from .terms.base import Term
from .views.warping import PhotoWarp

PARTS = ("backbone", "decoder", "superresolution")
"""Of a generator, whose weights stage 2 may tune."""


@dataclass(frozen=True)
class Pivot:
    """Stage 1: a code (and, if asked, a camera) whose face is the photo's.

    Attributes:
        terms: what is added up, in this order.
        start: the first code; prepare: what is done to it before the first step, in this order.
        steps: None: as many as the preset says.
        space: "w" (one code for all layers) or "w_plus".
        learning_rate: of Adam, in standard deviations of w; warm-up over the first 5 %, cosine fall over the last 25 % (SPI).
        coarse_share: over this first share of the steps, planes and renders have half their resolution: the code has no detail yet.
        optimize_camera: yaw, pitch, roll, crop offset and zoom move with the code, within limits (arXiv 2210.07301).
    """

    terms: tuple[Term, ...]
    start: Start = MeanStart()
    prepare: tuple[Preparation, ...] = ()
    steps: int | None = None
    space: str = "w_plus"
    learning_rate: float = 0.06
    coarse_share: float = 0.5
    optimize_camera: bool = False


@dataclass(frozen=True)
class Tuning:
    """Stage 2: the generator, and an offset on its planes, learn the photo.

    Attributes:
        terms, prepare, steps: as ``Pivot`` has them.
        parts: the generator's parts whose weights are tuned (``PARTS``). Without the backbone no step has to pass through it; a tuned
            decoder tints what no view shows.
        learning_rate: of Adam, of these weights (SPI: 3e-4 over 1,000 steps).
        masks: what of the photo is not learned.
    """

    terms: tuple[Term, ...]
    prepare: tuple[Preparation, ...] = ()
    steps: int | None = None
    parts: tuple[str, ...] = PARTS
    learning_rate: float = 5e-3
    masks: tuple[Masking, ...] = ()


@dataclass(frozen=True)
class Method:
    """A way to invert a photo, at a preset.

    Attributes:
        tuning: None: there is no stage 2.
        perceptual: the perceptual loss of both stages (``losses.PERCEPTUAL``).
        warp: how the photo is brought to other views.
        detail: views show the photo's own detail (``portrait/detail.py``).
        draft: while optimising, renders of the generator's draft resolution with its draft samples do (``rendering.py``).
    """

    name: str
    pivot: Pivot
    tuning: Tuning | None = None
    perceptual: str = "lpips-alex"
    warp: PhotoWarp = PhotoWarp()
    detail: bool = False
    draft: bool = True
    preset: str = "balanced"


METHODS: dict[str, Method] = {}
"""By name; filled by ``register_method``."""

PRESETS: dict[str, tuple[int, int]] = {"fast": (36, 25), "balanced": (70, 50), "best": (200, 150)}
"""Steps of stage 1 and of stage 2."""


def register_method(method: Method) -> Method:
    """Make a method known by its name: to ``settings``, ``invert_crop``, the command line and ``evaluate``. Returns it.

    Raises:
        RequestError: the name is another method's, or cannot name a file.
    """
    if not re.fullmatch(r"\w[\w.+-]*", method.name):
        raise RequestError(f"'{method.name}' cannot name a method.", "Use letters, digits, and . + - _ after the first letter.")
    if METHODS.get(method.name, method) != method:
        raise RequestError(f"There is a method '{method.name}' already.", "Give yours another name.")
    METHODS[method.name] = method
    return method


def load_method(file: str | Path) -> str:
    """Run a Python file that registers a method; returns the name of the last one that it registers.

    Raises:
        RequestError: there is no such file, or it registers nothing.
    """
    path = Path(file)
    check_readable(path)
    if not path.is_file():
        raise RequestError(f"There is no file '{path}'.", "Name a Python file that calls register_method.")
    before = set(METHODS)
    spec = importlib.util.spec_from_file_location(f"symgan_method_{path.stem}", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    found = [name for name in METHODS if name not in before]
    if not found:
        raise RequestError(f"'{path}' registers no new method.", "It must call symgan_core.inversion.register_method.")
    return found[-1]


def settings(method: str = "spi", preset: str = "balanced", optimize_camera: bool = False) -> Method:
    """A method at a preset. Raises RequestError for unknown names."""
    if method not in METHODS:
        raise RequestError(f"There is no method '{method}'.", f"Choose one of: {', '.join(METHODS)}.")
    if preset not in PRESETS:
        raise RequestError(f"There is no preset '{preset}'.", f"Choose one of: {', '.join(PRESETS)}.")
    return at_preset(replace(METHODS[method], preset=preset), optimize_camera)


def at_preset(method: Method, optimize_camera: bool = False) -> Method:
    """The method with its preset's numbers of steps, where it has none of its own."""
    first, second = PRESETS[method.preset]
    pivot, tuning = method.pivot, method.tuning
    pivot = replace(pivot, steps=first if pivot.steps is None else pivot.steps, optimize_camera=optimize_camera or pivot.optimize_camera)
    if tuning is not None and tuning.steps is None:
        tuning = replace(tuning, steps=second)
    return replace(method, pivot=pivot, tuning=tuning)
