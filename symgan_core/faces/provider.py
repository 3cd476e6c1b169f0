"""What a face of a photo is, and who finds them: providers behind one small protocol."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, Protocol

import numpy as np

from ..errors import NoFaceFound, RequestError
from .network import POINTS

PROVIDERS = ("mediapipe", "builtin", "insightface")
"""Those that ship."""
GROUP = "symgan.faces"
"""The group of entry points in which other packages name theirs."""
VARIABLE = "SYMGAN_FACES"
"""The environment variable that names one of them."""
MOST_FACES = 12
"""Faces of a photo, the largest, that a provider tells of."""
CLEAR, FIRM = 0.86, 0.157
"""Probability (of MediaPipe's detector) and sureness of the second look that people's faces have: beside 30 whole faces of people, of
which one falls short of both, stand eleven of animals and toys, all of which do."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a photo; all places in pixels of the photo, angles in degrees.

    Attributes:
        box: x0, y0, x1, y1 around brows, chin and cheeks.
        landmarks: ``[6, 2]`` in the order of ``POINTS`` (right eye first: the person's right, the picture's left).
        contour: ``[68, 2]``, iBUG's points, and ``visible [68]``, the probability that nothing hides them.
        yaw, pitch, roll: of the head against the camera; yaw > 0 shows more of the person's left side; roll > 0 turns the
            head clockwise in the picture.
        frame: ``[4]`` (a, b, x, y): x axis and centre of the square that the built-in generator expects.
        score: probability.
        sure: how sure the second look is of the points (``Closeup.sure``).
    """

    box: tuple[float, float, float, float]
    landmarks: np.ndarray
    yaw: float
    pitch: float
    roll: float
    frame: np.ndarray
    score: float
    contour: np.ndarray
    visible: np.ndarray
    sure: float

    @property
    def doubtful(self) -> bool:
        """Whether this may be an animal, a drawing or a thing."""
        return self.score < CLEAR and self.sure < FIRM

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"box": [round(float(v), 1) for v in self.box], "landmarks": np.round(self.landmarks, 1).tolist(),
                "landmark_names": list(POINTS), "contour": np.round(self.contour, 1).tolist(),
                "visible": np.round(self.visible, 2).tolist(), "yaw": round(self.yaw, 1), "pitch": round(self.pitch, 1),
                "roll": round(self.roll, 1), "score": round(self.score, 3), "doubtful": self.doubtful}


class FaceProvider(Protocol):
    """What finds faces."""

    name: str

    def find(self, photo: np.ndarray) -> list[Face]:
        """Faces of a uint8 ``[H, W, 3]`` photo, largest first."""
        ...


def load_provider(name: str | None = None) -> FaceProvider:
    """The provider of that name: by default the one that ``SYMGAN_FACES`` names, else ``mediapipe``, or ``builtin`` where onnxruntime is
    not installed. ``insightface`` is never chosen unasked: its models are for non-commercial use, and have to be on disk already. Other
    packages have theirs as entry points of the group ``symgan.faces``: what makes a provider, called without arguments.

    Raises:
        RequestError: no provider has that name, or what it needs is not installed.
        CheckpointError: its weights are damaged.
    """
    return _provider(name or os.environ.get(VARIABLE) or None)


@lru_cache(maxsize=len(PROVIDERS) + 2)
def _provider(name: str | None) -> FaceProvider:
    from .detect import BuiltinFaces

    if name is not None and name not in PROVIDERS:
        found = {point.name: point for point in entry_points(group=GROUP)}
        if name not in found:
            raise RequestError(f"There is no face provider '{name}'.", f"Name one of: {', '.join((*PROVIDERS, *found))}.")
        return found[name].load()()
    if name == "insightface":
        from .insightface import InsightFaces

        return InsightFaces()
    if name in (None, "mediapipe"):
        from .mediapipe import MediapipeFaces

        try:
            return MediapipeFaces()
        except ImportError as error:
            if name is not None:
                raise RequestError("The face provider 'mediapipe' needs onnxruntime.", "Install it: pip install onnxruntime") from error
    return BuiltinFaces()


def choose_face(faces: list[Face], number: int | None = None) -> Face:
    """The face asked for (counted from 0, largest first), or the largest.

    Raises:
        NoFaceFound: there is none, or not so many.
    """
    if not faces:
        raise NoFaceFound("No face was found in the photo.",
                          "Show the whole head with some room around it, with both eyes, not too dark and larger than 24 pixels.")
    if number is not None and not 0 <= number < len(faces):
        raise NoFaceFound("Face {number} was asked for, but {count} found (numbers start at 0, largest first).",
                          "Choose one of them, or leave the choice out.", number=number, count=len(faces))
    return faces[number or 0]
