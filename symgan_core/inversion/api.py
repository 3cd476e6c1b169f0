"""The doors: from a photo or a crop to a ``Portrait3D``, in one call or step by step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import RequestError
from ..faces import (
    Face,
    FaceCrop,
    FaceProvider,
    Pyramid,
    align_frame,
    as_tensor,
    choose_face,
    fine_side,
    frame_for,
    head_mask,
    head_share,
    inside_photo,
    load_provider,
    look_closer,
    nudged,
    person_share,
    read_photo,
    to_crop,
)
from ..generator import TriPlaneGenerator
from ..geometry import Camera
from ..portrait import Portrait3D
from .method import Method, settings
from .runner import Inversion
from .target.make import PhotoMaps, make_target
from .target.parts import SKIN

MAX_PHOTO_YAW, MAX_PHOTO_PITCH = 75.0, 45.0
"""Degrees."""


def invert_crop(crop: np.ndarray, camera: Tensor | np.ndarray, mask: np.ndarray | None = None, method: str | Method = "spi",
                preset: str = "balanced", generator: TriPlaneGenerator | None = None, seed: int = 0) -> Portrait3D:
    """Invert an aligned crop whose camera is known.

    Args:
        crop: uint8 ``[H, H, 3]``.
        camera: float ``[25]``.
        mask: uint8 ``[H, H]`` (255 = head) or None.
        method: a name (``METHODS``), or a method with its preset.
        generator: default: the built-in one.

    Raises:
        RequestError: wrong shapes, unknown method or preset.
    """
    from ..generator import load_generator

    generator = generator or load_generator()
    chosen = settings(method, preset) if isinstance(method, str) else method
    return Inversion(make_target(crop, camera, mask, generator), generator, chosen, seed).finish()


@dataclass(frozen=True)
class PhotoRequest:
    """What a user may say about a photo: which face, its pose if it is known (degrees), and corrections of the crop (``faces.nudged``)."""

    face: int | None = None
    yaw: float | None = None
    pitch: float | None = None
    roll: float = 0.0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)


def prepare_photo(photo: np.ndarray, generator: TriPlaneGenerator, request: PhotoRequest = PhotoRequest(),
                  provider: FaceProvider | None = None) -> FaceCrop:
    """Find the face, cut it out as the generator expects, give it a camera and a mask.

    Args:
        photo: uint8 ``[H, W, 3]`` (``faces.read_photo``).

    Raises:
        NoFaceFound, PhotoError, RequestError.
    """
    face = choose_face((provider or load_provider()).find(photo), request.face)
    return crop_face(photo, face, generator, request)


def crop_face(photo: np.ndarray, face: Face, generator: TriPlaneGenerator, request: PhotoRequest = PhotoRequest()) -> FaceCrop:
    """The same for a face that was found before."""
    config = generator.config
    yaw = face.yaw if request.yaw is None else request.yaw
    pitch = face.pitch if request.pitch is None else request.pitch
    if not (abs(yaw) <= MAX_PHOTO_YAW and abs(pitch) <= MAX_PHOTO_PITCH):
        raise RequestError(f"The pose (yaw {yaw:.0f}, pitch {pitch:.0f}) is beyond what one photo allows.",
                           f"Keep yaw within ±{MAX_PHOTO_YAW:.0f} and pitch within ±{MAX_PHOTO_PITCH:.0f} degrees.")
    head, frame = (nudged(frame_for(face, style), request.roll, request.zoom, request.shift)
                   for style in ("head", "head" if config.white_back else "ffhq"))
    whole = Pyramid(as_tensor(photo))
    close = look_closer(whole, torch.from_numpy(head))
    image = align_frame(photo, frame, config.image_resolution)
    landmarks = to_crop(face.landmarks, frame, config.image_resolution)
    camera = Camera.orbit(yaw, pitch, config.orbit_radius, config.orbit_pivot)
    shown = 1 - close.share(("background",), frame, config.image_resolution)
    person = person_share(whole, frame, config.image_resolution)
    outline = shown if person is None else head_share(person, shown, landmarks)
    return FaceCrop(image, camera, landmarks, head_mask(image, outline, landmarks), frame, face,
                    to_crop(close.landmarks, frame, config.image_resolution), close.visible,
                    inside_photo(frame, photo.shape, config.image_resolution),
                    close.body_share(frame, config.image_resolution), close.loose_share(frame, config.image_resolution),
                    align_frame(photo, frame, fine_side(frame), "reflection"),
                    *(close.share(names, frame, config.image_resolution) for names in (("hair",), SKIN)))


def start_inversion(crop: FaceCrop, generator: TriPlaneGenerator, method: str | Method = "spi", preset: str = "balanced",
                    seed: int = 0, request: PhotoRequest = PhotoRequest(), source: str = "builtin") -> Inversion:
    """An inversion of a prepared photo; the pose is refined unless the user gave it.

    Args:
        method: a name (``METHODS``), or a method with its preset.
        source: of the generator, as ``load_generator`` knows it; for the report.
    """
    maps = PhotoMaps(crop.inside, crop.body, crop.loose, crop.hair, crop.skin)
    target = make_target(crop.image, crop.camera.vector()[0], crop.mask, generator, maps, crop.picture)
    refine = request.yaw is None and request.pitch is None
    chosen = settings(method, preset) if isinstance(method, str) else method
    pivot = replace(chosen.pivot, optimize_camera=refine or chosen.pivot.optimize_camera)
    return Inversion(target, generator, replace(chosen, pivot=pivot), seed, source)


def invert_photo(photo: str | Path | np.ndarray, preset: str = "balanced", method: str = "spi",
                 generator: TriPlaneGenerator | None = None, seed: int = 0, request: PhotoRequest = PhotoRequest()) -> Portrait3D:
    """A picture file, or what ``faces.read_photo`` made of one, to a head that can be turned.

    Args:
        generator: default: the built-in one.
        request: which face, and what is known of its pose.

    Raises:
        PhotoError, NoFaceFound: the picture cannot be used.
        RequestError: unknown method or preset.
    """
    from ..generator import load_generator

    settings(method, preset)  # a wrong name is said before any work
    pixels = photo if isinstance(photo, np.ndarray) else read_photo(photo)
    generator = generator or load_generator()
    return start_inversion(prepare_photo(pixels, generator, request), generator, method, preset, seed, request).finish()
