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


def features(marked: dict) -> np.ndarray:
    """``[5, 2]``: eye centres, nose tip, corners of the mouth, in the provider's order; NaN where they cannot be seen."""
    p = np.array([point or (np.nan, np.nan) for point in marked["points"]])
    return np.stack([(p[0] + p[1]) / 2, (p[2] + p[3]) / 2, *p[4:]])


def test_points_and_poses_beside_hand_marks(found: dict[str, list[Face]]) -> None:
    """What holds today: a tenth of the eye distance (6 % is what is aimed at), yaw within 14 degrees of a person's judgement."""
    errors, taken = [], []
    for marked in MARKED:
        truth = features(marked)
        face = min(found[marked["photo"]], key=lambda f: np.nanmean(np.linalg.norm(f.landmarks[:5] - truth, axis=1)))
        eyes = truth if np.isfinite(truth[:2]).all() else face.landmarks
        errors.append(np.linalg.norm(face.landmarks[:5] - truth, axis=1) / np.linalg.norm(eyes[0] - eyes[1]))
        assert abs(face.yaw - marked["yaw"]) <= 14, marked
        taken.append(id(face))
    assert len(set(taken)) == len(MARKED) == sum(map(len, found.values()))
    assert np.nanmean(errors) < 0.1
