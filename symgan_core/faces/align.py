"""From a face in a photo to the crop that a generator expects, and its camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..errors import PhotoError
from ..geometry import Camera
from ..geometry.rays import pixel_centres
from .frames import as_tensor, cut_squares, points_in_squares, points_to_photo
from .provider import Face

MIN_FACE = 48
"""Least side, in photo pixels, of the aligned frame."""

FINE = (512, 1024)
"""Least and largest side, in pixels, of the picture whose detail is kept."""

STANDARD_POINTS = np.array([
    [-0.31148657, 0.29036078, 0.13377953], [0.30979887, 0.28972036, 0.13179526], [0.0032535, -0.04617932, 0.55244243],
    [-0.25216928, -0.38133916, 0.22405732], [0.2484662, -0.38128236, 0.22235769]])
"""Eyes, nose and mouth corners of the Deep3DFaceRecon alignment (eg3d.md 9.1); x right, y up, z to the viewer."""


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """An aligned face.

    Attributes:
        image: uint8 ``[R, R, 3]``.
        camera: one camera, from yaw and pitch; roll is taken out by the crop.
        landmarks: ``[6, 2]`` in crop pixels.
        mask: uint8 ``[R, R]``, 255 = head (hair and neck included), soft edges; beyond the photo, as if its border went on.
        frame: ``[4]`` (a, b, x, y): the crop's x axis and centre in photo pixels; takes the crop back to the photo.
        face: what was found.
        contour: ``[68, 2]`` in crop pixels (iBUG's scheme), ``visible [68]``: probability that nothing hides them.
        inside: bool ``[R, R]``: what lies within the photo.
        body: float32 ``[R, R]``, the probability that a pixel of the mask shows what is below the head: neck, shoulders, clothing.
        loose: float32 ``[R, R]``, the same for what hangs beside face and neck: hair, or what was taken for it.
        hair, skin: float32 ``[R, R]``, the same for hair, and for the face's skin with eyes, brows, nose and ears.
        picture: uint8 ``[S, S, 3]``: the image as fine as the photo has it (``fine_side``); beyond the photo it goes on as its reflection.
    """

    image: np.ndarray
    camera: Camera
    landmarks: np.ndarray
    mask: np.ndarray
    frame: np.ndarray
    face: Face
    contour: np.ndarray
    visible: np.ndarray
    inside: np.ndarray
    body: np.ndarray
    loose: np.ndarray
    picture: np.ndarray
    hair: np.ndarray
    skin: np.ndarray


def fine_side(frame: np.ndarray) -> int:
    """Pixels of the photo in a side of the square ``frame [4]``, in steps of 128 from ``FINE[0]`` to ``FINE[1]``."""
    return int(np.clip(np.ceil(np.hypot(*frame[:2]) / 128) * 128, *FINE))


def align_frame(photo: np.ndarray, frame: np.ndarray, resolution: int, padding: str = "border") -> np.ndarray:
    """Cut a rotated square (a, b, x, y) out of a photo: uint8 ``[resolution, resolution, 3]``; ``padding`` as ``cut_squares``
    has it.

    Raises:
        PhotoError: the face is too small.
    """
    side = float(np.hypot(*frame[:2]))
    if side < MIN_FACE:
        raise PhotoError("The face is only about {width:.0f} pixels wide.", "Use a photo with at least {least} on it.",
                         width=side * 0.5, least=MIN_FACE // 2)
    square = cut_squares(as_tensor(photo), torch.as_tensor(frame, dtype=torch.float32)[None], resolution, padding)
    return (square[0].permute(1, 2, 0) * 127.5 + 127.5).round().clamp(0, 255).byte().numpy()


def inside_photo(frame: np.ndarray, photo_shape: tuple[int, ...], resolution: int) -> np.ndarray:
    """bool ``[resolution, resolution]``: which pixels of a square (a, b, x, y) lie within a photo of that shape (H, W, ...)."""
    places = points_to_photo(pixel_centres(resolution)[None], torch.as_tensor(frame, dtype=torch.float32)[None])[0].numpy()
    return ((places >= 0) & (places < (photo_shape[1], photo_shape[0]))).all(1).reshape(resolution, resolution)


def eg3d_frame(points: np.ndarray) -> np.ndarray:
    """The square that EG3D's FFHQ crop shows (eg3d.md 9.1), as (a, b, x, y) in photo pixels, without rotation.

    Args:
        points: ``[5, 2]``: eyes, nose, mouth corners, those on the left of the picture first.
    """
    flipped = points * [1, -1]
    system = np.concatenate([STANDARD_POINTS, np.ones((5, 1))], 1)
    solution, *_ = np.linalg.lstsq(system, flipped, rcond=None)
    scale = np.linalg.norm(solution[:3], axis=0).mean()
    # The public code resizes by 300/scale, cuts 1024 pixels around the origin of the fit, and keeps the central 700.
    side = 700 * scale / 300
    return np.array([side, 0.0, solution[3, 0], -solution[3, 1]])


def frame_for(face: Face, style: str) -> np.ndarray:
    """The square for a generator: "head" (built-in) or "ffhq" (EG3D's rule)."""
    return eg3d_frame(face.landmarks[:5]) if style == "ffhq" else face.frame


def nudged(frame: np.ndarray, roll: float = 0.0, zoom: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """A square (a, b, x, y) after a user's corrections.

    Args:
        roll: degrees by which the picture is turned clockwise; zoom: above 1, the head becomes larger in the crop.
        shift: of the crop's content to the right and down, in crop widths.
    """
    a, b, x, y = frame
    x, y = x - a * shift[0] + b * shift[1], y - b * shift[0] - a * shift[1]
    cos, sin = np.cos(np.radians(roll)) / zoom, np.sin(np.radians(roll)) / zoom
    return np.array([a * cos + b * sin, b * cos - a * sin, x, y])


def to_crop(points: np.ndarray, frame: np.ndarray, resolution: int) -> np.ndarray:
    """Photo pixels ``[P, 2]`` to crop pixels."""
    places, square = (torch.as_tensor(np.asarray(x, np.float64))[None] for x in (points, frame))
    return points_in_squares(places, square)[0].numpy() * resolution
