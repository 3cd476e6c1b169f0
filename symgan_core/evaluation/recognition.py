"""Is it the same person? dlib's face recogniser, where it is installed (a development dependency; its model is CC0)."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SIDE = 512
"""Pictures are enlarged to this side: dlib's detectors miss faces below 80 pixels."""
MODELS = "face_recognition_models"
"""The package that carries the model files. It is never imported: its ``__init__`` needs pkg_resources, which setuptools has dropped."""


class _Networks(NamedTuple):
    detect: Any
    detect_again: Any
    points: Any
    describe: Any


def recognition_models() -> Path | None:
    """The folder with dlib's model files, or None where dlib or the files are not installed."""
    found = None if find_spec("dlib") is None else find_spec(MODELS)
    folder = None if found is None or not found.origin else Path(found.origin).parent / "models"
    return folder if folder is not None and folder.is_dir() else None


@lru_cache(maxsize=1)
def _load(folder: Path) -> _Networks:
    import dlib

    return _Networks(dlib.get_frontal_face_detector(),
                     dlib.cnn_face_detection_model_v1(str(folder / "mmod_human_face_detector.dat")),
                     dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat")),
                     dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat")))


def descriptor(picture: np.ndarray) -> np.ndarray | None:
    """``[128]``: dlib's descriptor of the largest face in a uint8 RGB ``[H, W, 3]`` picture; None without dlib or a face."""
    from PIL import Image

    folder = recognition_models()
    if folder is None:
        return None
    networks = _load(folder)
    large = np.array(Image.fromarray(picture).resize((SIDE, SIDE)))
    boxes = list(networks.detect(large, 0)) or [hit.rect for hit in networks.detect_again(large, 0)]  # the second finds profiles too
    if not boxes:
        return None
    shape = networks.points(large, max(boxes, key=lambda box: box.area()))
    return np.array(networks.describe.compute_face_descriptor(large, shape, 2))  # twice, slightly moved: dlib's own way to steadier figures


def identity_distance(a: np.ndarray | None, b: np.ndarray | None) -> float | None:
    """Distance of two descriptors; below 0.6 dlib calls it the same person. None where either is missing."""
    return None if a is None or b is None else float(np.linalg.norm(a - b))
