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
from torch.nn import functional as F

from ..errors import RequestError, SymganError
from ..faces import FaceCrop, FaceProvider, align_frame, load_provider, look_closer, read_photo
from ..generator import TriPlaneGenerator
from ..geometry import Camera, unproject, warp_to_view
from ..inversion import Inversion, InversionConfig, Portrait3D, face_region, prepare_photo, start_inversion, to_uint8
from ..losses import identity_similarity
from .metrics import lpips_distance, mean_metrics, picture_metrics, to_side
from .recognition import descriptor, identity_distance

LIST = "people.json"
SIDE, FINE = 256, 512
"""Pixels a side at which other sides are compared, and at which the given view and sharpness are: whatever the render's own size is, so
that figures of generators of different sizes stand beside each other."""
INNER = 17
"""Points from here on are brows, nose, eyes and mouth: the jaw of a half profile is a guess."""
TURNS, TILTS = (-10.0, -5.0, 0.0, 5.0, 10.0), (-6.0, 0.0, 6.0)
"""Degrees around the pose that was read, at which the search for a truth's camera begins."""
STEPS = ((2.5, 3.0), (1.25, 1.5))
"""Degrees of yaw and pitch by which it goes on around the best."""
MAX_YAW, MAX_PITCH = 85.0, 38.0
MARGIN = 9
"""The hull of the truth's points is made wider by a brush of so many pixels."""
LEAST_EYES = 0.12
"""Errors of points are told over the distance of the eyes, or over this share of the picture where a profile hides that."""
SHARP_TURN = 25.0
"""Sharpness is looked at after a turn of so many degrees, to either side of the photo's own view."""
SOLID, TOLERANCE, EDGE = 0.8, 0.03, 2
"""Opacity that is surface, world units by which depths may differ, and pixels left out along the edge of what the photo sees."""
LEAST_SEEN = 0.005
"""Share of the picture below which its sharpness is not told."""


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
    except (OSError, ValueError) as error:
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
        return _scaled(self.crop.image, SIDE)

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
        return _on_white(_tensor(self.fine), self.alpha)


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


def start_person(given: Sitting, generator: TriPlaneGenerator, config: InversionConfig, seed: int) -> Inversion:
    """An inversion of the given photo."""
    return start_inversion(given.crop, generator, config, seed=seed)


def score_real(portrait: Portrait3D, given: Sitting, truths: list[Sitting]) -> dict[str, Any]:
    """A portrait of a real person.

    Returns:
        ``input``: ``picture_metrics`` of the given view at ``FINE`` pixels, head on white; ``sharpness`` (``sharpness_after_turns``);
        ``truths``: ``score_truth`` of each; ``real``: their mean.
    """
    own = _on_white(to_side(portrait.render(portrait.camera).image.cpu(), FINE), given.alpha)
    each = [score_truth(portrait, truth) for truth in truths]
    real = mean_metrics([{key: one[key] for key in REAL} for one in each]) if each else dict.fromkeys(REAL)
    sharpness = sharpness_after_turns(portrait, given)
    return {"input": picture_metrics(own, given.on_white), "sharpness": sharpness, "real": real, "truths": each}


REAL = ("lpips_face", "points", "identity_distance", "id")
"""Measures of ``score_truth``."""


@torch.no_grad()
def score_truth(portrait: Portrait3D, truth: Sitting) -> dict[str, Any]:
    """The turned head beside a photo that the method has not seen.

    Returns:
        ``truth``, its file; ``yaw``, ``pitch`` of the view that fits (``fit_camera``); over the face (the hull of the truth's points, a
        little wider) ``lpips_face``: LPIPS (AlexNet), exposure matched; ``points``: mean distance of the inner points over the eyes'
        distance; ``identity_distance`` (dlib) and ``id`` (insightface's cosine), None where these are not installed.
    """
    import cv2

    fit = fit_camera(portrait, truth)
    moved = cv2.warpAffine(fit.image, fit.similarity, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderValue=(255, 255, 255))
    inside = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(truth.points[0].astype(np.float32)).astype(np.int32), 1)
    inside = cv2.dilate(inside, np.ones((MARGIN, MARGIN), np.uint8)) > 0
    # The camera's exposure and white balance of that other photo are nobody's likeness.
    exposure = (truth.image[inside].mean(0) + 1) / (moved[inside].mean(0) + 1)
    a, b = (np.where(inside[..., None], x, 128).clip(0, 255).astype(np.uint8) for x in (moved * exposure, truth.image))
    same = identity_distance(descriptor(moved), truth.descriptor)
    cosine = identity_similarity(moved, truth.image)
    return {"truth": truth.name, "yaw": round(fit.yaw, 1), "pitch": round(fit.pitch, 1),
            "lpips_face": round(lpips_distance(_tensor(a), _tensor(b)), 4), "points": round(fit.error, 4),
            "identity_distance": None if same is None else round(same, 3), "id": None if cosine is None else round(cosine, 4)}


@dataclass(frozen=True, eq=False)
class Fit:
    """A view of the head beside a truth: degrees, the render uint8 ``[SIDE, SIDE, 3]``, the ``similarity [2, 3]`` that takes its pixels to
    the truth's, and the mean distance of the inner points then, over the eyes' distance."""

    yaw: float
    pitch: float
    image: np.ndarray
    similarity: np.ndarray
    error: float


@torch.no_grad()
def fit_camera(portrait: Portrait3D, truth: Sitting) -> Fit:
    """The view whose inner points fit the truth's best after a similarity of the picture: so the head is judged, and not how well the
    truth's pose and frame were read. A grid around the pose that was read, then smaller and smaller steps around the best."""
    yaw, pitch = truth.yaw_pitch
    wanted, inner = truth.points
    tried: dict[tuple[float, float], Fit] = {}

    def at(turned: float, tilted: float) -> Fit:
        place = float(np.clip(turned, -MAX_YAW, MAX_YAW)), float(np.clip(tilted, -MAX_PITCH, MAX_PITCH))
        if place not in tried:
            image = _scaled(to_uint8(portrait.render(yaw=place[0], pitch=place[1]).image), SIDE)
            tried[place] = Fit(*place, image, *similarity(read_points(image)[0], wanted, inner))
        return tried[place]

    best = min((at(yaw + turn, pitch + tilt) for turn in TURNS for tilt in TILTS), key=_error)
    for turn, tilt in STEPS:
        around = ((turn, 0), (-turn, 0), (0, tilt), (0, -tilt))
        while (better := min((at(best.yaw + a, best.pitch + b) for a, b in around), key=_error)).error < best.error:
            best = better
    return best


def _error(fit: Fit) -> float:
    return fit.error


def similarity(points: np.ndarray, wanted: np.ndarray, inner: np.ndarray, rounds: int = 10) -> tuple[np.ndarray, float]:
    """The similarity ``[2, 3]`` (turn, scale, shift) of the picture with the least mean distance of ``points`` from those ``wanted``, both
    ``[68, 2]`` in pixels of ``SIDE``, where ``inner [68]``; and that distance over the eyes'.

    Least squares, weighted anew by one over the distance: a single misread point moves nothing.
    """
    chosen = inner if inner.sum() >= 3 else np.arange(len(points)) >= INNER
    a, b = (x[chosen].astype(np.float64) @ (1, 1j) for x in (points, wanted))
    weights = np.ones(len(a))
    for _ in range(rounds):
        middle_a, middle_b = ((weights * x).sum() / weights.sum() for x in (a, b))
        turn = (weights * (b - middle_b) * (a - middle_a).conj()).sum() / max((weights * np.abs(a - middle_a) ** 2).sum(), 1e-9)
        shift = middle_b - turn * middle_a
        apart = np.abs(turn * a + shift - b)
        weights = 1 / np.maximum(apart, 0.1)
    eyes = max(float(np.linalg.norm(wanted[36:42].mean(0) - wanted[42:48].mean(0))), LEAST_EYES * SIDE)
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return matrix, float(apart.mean()) / eyes


@torch.no_grad()
def sharpness_after_turns(portrait: Portrait3D, given: Sitting) -> dict[str, float | None]:
    """How much of the photo's fine detail is left when the head turns: gradient energy (mean squared Sobel of grey, ``FINE`` pixels) of
    what the photo sees of the face, over that of the photo warped there through the rendered depth; 1 is as sharp as the photo.

    Returns:
        ``left`` and ``right``: ``SHARP_TURN`` degrees from the photo's view towards the person's left and right; ``mean``. None where the
        photo sees next to nothing.
    """
    device, own = portrait.ws.device, portrait.render(portrait.camera)
    photo, alpha = given.on_white.to(device), given.alpha.to(device)
    yaw, pitch = Camera.from_vector(portrait.camera).yaw_pitch()
    out: dict[str, float | None] = {}
    for side, turn in (("left", SHARP_TURN), ("right", -SHARP_TURN)):
        camera = portrait.orbit_camera(float(np.clip(yaw + turn, -MAX_YAW, MAX_YAW)), float(np.clip(pitch, -MAX_PITCH, MAX_PITCH)))
        seen = portrait.render(camera)
        warp = warp_to_view(photo, portrait.camera, own.image_depth, camera, seen.image_depth, alpha, TOLERANCE)
        face = face_region(unproject(to_side(seen.image_depth, FINE), camera))[:, None]
        shown = warp.visible * face * (to_side(seen.image_opacity, FINE) > SOLID)
        shown = -F.max_pool2d(-shown, 2 * EDGE + 1, 1, EDGE)
        here, there = (float((gradient_energy(x) * shown).sum()) for x in (to_side(seen.image.clamp(-1, 1), FINE), warp.image))
        out[side] = round(here / there, 4) if float(shown.mean()) > LEAST_SEEN and there > 0 else None
    return out | {"mean": mean_metrics([{"mean": value} for value in out.values()])["mean"]}


def gradient_energy(image: Tensor) -> Tensor:
    """``[1, 3, H, W]`` to ``[1, 1, H, W]``: squared Sobel gradient of the grey."""
    across = image.new_tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    grey = F.pad(image.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    return F.conv2d(grey, torch.stack([across, across.T])[:, None]).square().sum(1, keepdim=True)


def read_points(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The second look's points ``[68, 2]`` in pixels of a uint8 ``[S, S, 3]`` picture, and the probabilities that they are visible."""
    seen = look_closer(_tensor(image))
    return np.asarray(seen.landmarks, np.float64), np.asarray(seen.visible)


def _tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1


def _scaled(image: np.ndarray, side: int) -> np.ndarray:
    return image if image.shape[0] == side else to_uint8(to_side(_tensor(image), side))


def _on_white(image: Tensor, alpha: Tensor) -> Tensor:
    return image.clamp(-1, 1) * alpha + (1 - alpha)
