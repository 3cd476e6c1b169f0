"""The built-in provider against points and poses that were marked by hand on two photos (``tests/data/marked_faces.json``)."""

import json
from pathlib import Path

import numpy as np
import pytest

from symgan_core.faces.detect import BuiltinFaces, Face

MARKED = json.loads((Path(__file__).parents[1] / "data" / "marked_faces.json").read_text())["faces"]


@pytest.fixture(scope="module")
def found() -> dict[str, list[Face]]:
    from insightface.data import get_image
    from skimage.data import astronaut

    photos = {"astronaut": astronaut(), "t1": get_image("t1")[..., ::-1].copy()}
    return {name: BuiltinFaces().find(photo) for name, photo in photos.items()}


POINTS = (36, 39, 42, 45, 30, 48, 54)
"""The marked points' numbers in iBUG's scheme."""


def marks_of(marked: dict) -> np.ndarray:
    """``[7, 2]``; NaN where a point cannot be seen."""
    return np.array([point or (np.nan, np.nan) for point in marked["points"]])


def test_points_and_poses_beside_hand_marks(found: dict[str, list[Face]]) -> None:
    """Points within 6 % of the eye distance as it is seen, in the mean; yaw within 10 degrees of a person's judgement."""
    errors, taken = [], []
    for marked in MARKED:
        truth = marks_of(marked)
        face = min(found[marked["photo"]], key=lambda f: np.nanmean(np.linalg.norm(f.contour[list(POINTS)] - truth, axis=1)))
        eyes = truth if np.isfinite(truth).all() else face.contour[list(POINTS)]
        distance = np.linalg.norm(eyes[:2].mean(0) - eyes[2:4].mean(0))
        errors.append(np.linalg.norm(face.contour[list(POINTS)] - truth, axis=1) / distance)
        assert abs(face.yaw - marked["yaw"]) <= 10, marked
        taken.append(id(face))
    assert len(set(taken)) == len(MARKED) == sum(map(len, found.values()))
    assert np.nanmean(errors) <= 0.06
