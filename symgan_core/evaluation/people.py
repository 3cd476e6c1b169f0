"""Real people, photographed from several sides: one photo is given, the others say what the turned head should look like."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import RequestError, SymganError
from ..faces import FaceCrop, FaceProvider, align_frame, load_provider, look_closer, read_photo
from ..generator import TriPlaneGenerator
from ..inversion import Inversion, Method, prepare_photo, start_inversion, to_uint8
from .metrics import to_side
from .recognition import descriptor

LIST = "people.json"
SIDE, FINE = 256, 512
"""Pixels a side at which other sides are compared, and at which the given view and sharpness are: whatever the render's own size is, so
that figures of generators of different sizes stand beside each other."""
INNER = 17
"""Points from here on are brows, nose, eyes and mouth: the jaw of a half profile is a guess."""


@dataclass(frozen=True)
class Person:
    """Somebody of a people set: the photo that the methods get, and the others."""

    name: str
    given: Path
    truths: tuple[Path, ...]


def is_people_set(place: Path) -> bool:
    """Whether a folder names people (``people.json``); else it holds photos without truth."""
    return (place / LIST).is_file()


def read_people(folder: Path) -> list[Person]:
    """The people of a folder: ``{"people": [{"name": "ann", "given": "front.jpg", "truths": ["left.jpg"]}]}``, paths within the folder.
    Truths may be none; files may be used several times.

    Raises:
        RequestError: another shape, a missing file, or one outside of the folder.
    """
    try:
        listed = json.loads((folder / LIST).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise RequestError(f"'{LIST}' cannot be read as JSON.", _SHAPE) from error
    if not isinstance(listed, dict) or listed.keys() != {"people"} or not isinstance(listed["people"], list) or not listed["people"]:
        raise RequestError(f"'{LIST}' does not list people.", _SHAPE)
    people = [_person(folder, entry) for entry in listed["people"]]
    names = [person.name for person in people]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise RequestError(f"'{LIST}' has two people named '{double}'.", "Give each entry a name of its own.")
    return people


_SHAPE = 'It must be {"people": [{"name": "…", "given": "front.jpg", "truths": ["left.jpg"]}]}.'


def _person(folder: Path, entry: Any) -> Person:
    if not isinstance(entry, dict) or entry.keys() != {"name", "given", "truths"}:
        raise RequestError(f"An entry of '{LIST}' has other keys than name, given and truths.", _SHAPE)
    name, given, truths = entry["name"], entry["given"], entry["truths"]
    plain = isinstance(truths, list) and all(isinstance(text, str) for text in (name, given, *truths))
    if not plain or not name.strip() or any(c in name for c in "/\\\0") or name.startswith("."):
        raise RequestError(f"An entry of '{LIST}' is of the wrong kind, or its name is no file name.", _SHAPE)
    return Person(name, _within(folder, given), tuple(_within(folder, text) for text in truths))


def _within(folder: Path, text: str) -> Path:
    root = folder.resolve()
    try:
        path = (root / text).resolve()
        inside, there = path.is_relative_to(root), path.is_file()
    except (OSError, ValueError):  # too long, or with a zero byte
        inside, there = True, False
    if not inside:
        raise RequestError(f"'{text}' of '{LIST}' lies outside of its folder.", "Name files relative to the folder, and within it.")
    if not there:
        raise RequestError(f"There is no photo '{text}' beside '{LIST}'.", "Name files relative to the folder.")
    return path


@dataclass(frozen=True, eq=False)
class Sitting:
    """A photo as the intake reads it: its ``crop``, and the same square in ``fine`` uint8 ``[FINE, FINE, 3]``."""

    name: str
    crop: FaceCrop
    fine: np.ndarray

    @property
    def yaw_pitch(self) -> tuple[float, float]:
        """Degrees, as they are read."""
        return self.crop.camera.yaw_pitch()

    @cached_property
    def image(self) -> np.ndarray:
        """uint8 ``[SIDE, SIDE, 3]``."""
        return scaled(self.crop.image, SIDE)

    @cached_property
    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """``[68, 2]`` in pixels of ``image``, and which of them are inner and not hidden ``[68]``."""
        points, visible = read_points(self.image)
        return points, (visible > 0.5) & (np.arange(len(points)) >= INNER)

    @cached_property
    def descriptor(self) -> np.ndarray | None:
        """dlib's."""
        return descriptor(self.image)

    @cached_property
    def alpha(self) -> Tensor:
        """``[1, 1, FINE, FINE]`` in [0, 1]: the head without its body, 0 beyond the photo's border. The same for all methods."""
        crop = self.crop
        head = torch.from_numpy(crop.mask / 255.0 * (1 - crop.body.clip(0, 1)) * crop.inside).float()[None, None]
        return to_side(head, FINE)

    @cached_property
    def on_white(self) -> Tensor:
        """``[1, 3, FINE, FINE]`` in [-1, 1]."""
        return on_white(to_tensor(self.fine), self.alpha)


@dataclass(eq=False)
class Sittings:
    """Photos of a set, each read once, however many entries use it."""

    generator: TriPlaneGenerator
    provider: FaceProvider = field(default_factory=load_provider)
    _known: dict[Path, Sitting] = field(default_factory=dict)

    def read(self, path: Path) -> Sitting:
        """Raises PhotoError, NoFaceFound or RequestError, which name the file."""
        if path not in self._known:
            try:
                photo = read_photo(path)
                crop = prepare_photo(photo, self.generator, provider=self.provider)
                self._known[path] = Sitting(path.name, crop, align_frame(photo, crop.frame, FINE))
            except SymganError as error:
                raise type(error)(f"'{path.name}': {error.seen}", error.help) from error
        return self._known[path]


def start_person(given: Sitting, generator: TriPlaneGenerator, config: Method, seed: int) -> Inversion:
    """An inversion of the given photo."""
    return start_inversion(given.crop, generator, config, seed=seed)


def read_points(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The second look's points ``[68, 2]`` in pixels of a uint8 ``[S, S, 3]`` picture, and the probabilities that they are visible."""
    seen = look_closer(to_tensor(image))
    return np.asarray(seen.landmarks, np.float64), np.asarray(seen.visible)


def to_tensor(image: np.ndarray) -> Tensor:
    """uint8 ``[H, W, 3]`` to ``[1, 3, H, W]`` in [-1, 1]."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1


def scaled(image: np.ndarray, side: int) -> np.ndarray:
    """uint8 ``[S, S, 3]`` to ``[side, side, 3]``."""
    return image if image.shape[0] == side else to_uint8(to_side(to_tensor(image), side))


def on_white(image: Tensor, alpha: Tensor) -> Tensor:
    """``image [1, 3, H, W]`` in [-1, 1], white where ``alpha [1, 1, H, W]`` is 0."""
    return image.clamp(-1, 1) * alpha + (1 - alpha)
