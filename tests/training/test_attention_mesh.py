"""The attention mesh in a process of its own: with a stand-in for MediaPipe's package, and without any."""

from __future__ import annotations

import numpy as np
import pytest

from training.attention_mesh import POINTS, AttentionMesh

STAND_IN = """
from types import SimpleNamespace as Bag

print("loading ...")  # what the package says is no answer

class Mesh:
    def __init__(self, **_): pass
    def process(self, image):
        spots = [Bag(x=image[0, 0, 0] / 100, y=n / 1000) for n in range(478)]
        return Bag(multi_face_landmarks=[Bag(landmark=spots)] if image.any() else None)

solutions = Bag(face_mesh=Bag(FaceMesh=Mesh))
"""


def test_points_come_in_pixels_and_no_face_is_none(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mediapipe.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    mesh = AttentionMesh()
    for spot in (50, 25):  # one after another
        points = mesh(np.full((20, 40, 3), spot, np.uint8))
        assert points.shape == (POINTS, 2)
        assert np.allclose(points[:, 0], spot / 100 * 40) and np.allclose(points[[0, 100], 1], [0, 2])
    assert mesh(np.zeros((20, 40, 3), np.uint8)) is None
    mesh.close()


def test_without_the_package_it_says_so(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mediapipe.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    mesh = AttentionMesh()
    with pytest.raises(RuntimeError, match="MEDIAPIPE_PYTHON"):
        mesh(np.zeros((20, 40, 3), np.uint8))
    mesh.close()
