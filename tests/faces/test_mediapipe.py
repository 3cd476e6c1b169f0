"""The default provider: MediaPipe's networks find, our second look reads."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from symgan_core.errors import CheckpointError, RequestError
from symgan_core.faces import (
    Face,
    Pyramid,
    align_frame,
    as_tensor,
    head_mask,
    head_share,
    load_provider,
    look_closer,
    person_share,
    to_crop,
)
from symgan_core.faces.blaze import Detection, anchors, merged
from symgan_core.faces.detect import BuiltinFaces
from symgan_core.faces.mediapipe import MediapipeFaces, find_meshes, views
from symgan_core.faces.mesh import WIDER, fitted_head, mean_head, mesh_square
from symgan_core.faces.provider import VARIABLE, _provider
from symgan_core.faces.runtime import MEDIAPIPE, load_session
from symgan_core.geometry import Camera, project
from symgan_core.weights import check_hash

MARKED = json.loads((Path(__file__).parents[1] / "data" / "marked_faces.json").read_text())["faces"]
POINTS = (36, 39, 42, 45, 30, 48, 54)
"""The marked points' numbers in iBUG's scheme."""


@pytest.fixture(scope="module")
def group() -> np.ndarray:
    from insightface.data import get_image

    return get_image("t1")[..., ::-1].copy()


@pytest.fixture(scope="module")
def found(astronaut: np.ndarray, group: np.ndarray) -> dict[str, list[Face]]:
    return {"astronaut": MediapipeFaces().find(astronaut), "t1": MediapipeFaces().find(group)}


@pytest.fixture
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-in provider is not to help."""
    monkeypatch.setattr(BuiltinFaces, "find", lambda self, photo: [])


def test_points_and_poses_beside_hand_marks(found: dict[str, list[Face]]) -> None:
    """All seven faces and no other; points within 6 % of the eye distance in the mean, yaw within 10 degrees, like the built-in one."""
    errors, taken = [], []
    for marked in MARKED:
        truth = np.array([point or (np.nan, np.nan) for point in marked["points"]])
        face = min(found[marked["photo"]], key=lambda f: np.nanmean(np.linalg.norm(f.contour[list(POINTS)] - truth, axis=1)))
        eyes = truth if np.isfinite(truth).all() else face.contour[list(POINTS)]
        errors.append(np.linalg.norm(face.contour[list(POINTS)] - truth, axis=1) / np.linalg.norm(eyes[:2].mean(0) - eyes[2:4].mean(0)))
        assert abs(face.yaw - marked["yaw"]) <= 10 and face.score > 0.8, marked
        taken.append(id(face))
    assert len(set(taken)) == len(MARKED) == sum(map(len, found.values()))
    assert np.nanmean(errors) <= 0.06


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_that_lies_on_its_side_is_found_to(astronaut: np.ndarray, found: dict[str, list[Face]], nobody_else: None,
                                                   quarters: int) -> None:
    upright, (face,) = found["astronaut"][0], MediapipeFaces().find(np.rot90(astronaut, quarters).copy())
    turn = (face.roll - upright.roll + 90 * quarters) % 360
    assert min(turn, 360 - turn) < 4 and abs(face.yaw - upright.yaw) < 5 and abs(face.pitch - upright.pitch) < 5


@pytest.mark.parametrize("box", [(150, 60, 300, 210), (160, 30, 290, 190)])
def test_a_face_that_fills_the_photo_is_found(astronaut: np.ndarray, found: dict[str, list[Face]], nobody_else: None,
                                              box: tuple[int, ...]) -> None:
    left, top, right, bottom = box
    (face,), upright = MediapipeFaces().find(astronaut[top:bottom, left:right].copy()), found["astronaut"][0]
    apart = np.linalg.norm(upright.landmarks[1] - upright.landmarks[0])
    assert np.linalg.norm(face.landmarks[:3] + (left, top) - upright.landmarks[:3], axis=1).max() < 0.15 * apart
    assert abs(face.yaw - upright.yaw) < 8


def test_a_small_face_in_a_large_photo_is_found(astronaut: np.ndarray, nobody_else: None) -> None:
    photo = np.full((900, 1400, 3), 120, np.uint8)
    photo[500:756, 1000:1256] = astronaut[::2, ::2]  # her face is 45 pixels wide
    face, = MediapipeFaces().find(photo)
    assert np.abs(face.landmarks[:2].mean(0) - (1000 + 223 / 2, 500 + 101 / 2)).max() < 5


def test_a_grey_photo_shows_the_same_face(astronaut: np.ndarray, found: dict[str, list[Face]], nobody_else: None) -> None:
    grey = np.repeat(astronaut.mean(2, keepdims=True).round().astype(np.uint8), 3, 2)
    (face,), coloured = MediapipeFaces().find(grey), found["astronaut"][0]
    assert np.abs(face.landmarks - coloured.landmarks).max() < 5 and abs(face.yaw - coloured.yaw) < 5


@pytest.mark.parametrize("name", ["cat", "coins", "rocket"])
def test_nobody_is_found_in_pictures_of_things(name: str, nobody_else: None) -> None:
    photo = getattr(skimage.data, name)()
    assert MediapipeFaces().find(photo if photo.ndim == 3 else np.repeat(photo[..., None], 3, 2)) == []


def test_whom_the_networks_miss_the_built_in_provider_finds(astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symgan_core.faces.mediapipe.detect", lambda *_: [])
    assert len(MediapipeFaces().find(astronaut)) == 1


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    for path in MEDIAPIPE.glob("*.sha256"):
        check_hash(next(p for p in MEDIAPIPE.glob(f"{path.stem}.*") if p != path))
    shutil.copytree(MEDIAPIPE, tmp_path / "weights")
    path = tmp_path / "weights" / "person.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="person.onnx"):
        load_session(path)


def test_the_provider_is_who_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert load_provider().name == "mediapipe" and load_provider("builtin").name == "builtin"
    monkeypatch.setenv(VARIABLE, "builtin")
    assert load_provider().name == "builtin" and load_provider("mediapipe").name == "mediapipe"
    with pytest.raises(RequestError, match="no face provider 'dlib'"):
        load_provider("dlib")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(RequestError, match="not on disk"):
        load_provider("insightface")


def test_without_onnxruntime_the_built_in_networks_do_all(astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise ImportError("onnxruntime")

    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("symgan_core.faces.mediapipe.load_session", missing)
    monkeypatch.setattr("symgan_core.faces.person.available", lambda: False)
    _provider.cache_clear()
    try:
        assert load_provider().name == "builtin"
        with pytest.raises(RequestError, match="needs onnxruntime"):
            load_provider("mediapipe")
    finally:
        _provider.cache_clear()
    assert person_share(as_tensor(astronaut), np.array([200.0, 0, 220, 110]), 64) is None


def test_the_mean_head_is_found_where_it_is() -> None:
    yaw, pitch, frame = 25.0, -8.0, np.array([180.0, 40, 300, 200])
    u, v = (project(mean_head()[0][None], Camera.orbit(yaw, pitch).vector())[0][0].numpy() - 0.5).T
    a, b, x, y = frame
    square, *pose = fitted_head(np.stack([x + a * u - b * v, y + b * u + a * v], 1))
    assert square == pytest.approx(frame, abs=0.1) and pose == pytest.approx([yaw, pitch], abs=0.05)


def test_the_mesh_lies_level_in_its_square(group: np.ndarray) -> None:
    image = Pyramid(as_tensor(group))
    meshes = [mesh for mesh, _ in find_meshes(image, views(*group.shape[:2]))]
    assert len(meshes) == 6
    for mesh in meshes:
        a, b, x, y = mesh_square(mesh.points)
        right, left = mesh.points[33] - (x, y), mesh.points[263] - (x, y)
        side = np.hypot(a, b)
        assert abs((left - right) @ (-b, a)) < 1e-6 * side**2 and abs((left + right) @ (a, b)) < 0.5 * side**2
        assert np.linalg.norm(mesh.points - (x, y), axis=1).max() < 0.75 * side / WIDER


def test_anchors_and_overlapping_boxes() -> None:
    assert anchors().shape == (896, 2) and anchors()[0].tolist() == [1 / 32, 1 / 32] and anchors()[512].tolist() == [1 / 16, 1 / 16]
    one, near, far = (Detection(np.array([10.0, 0, x, 50]), np.full((6, 2), x), score) for x, score in ((50, 0.9), (52, 0.6), (80, 0.7)))
    kept = merged([near, far, one])
    assert [d.score for d in kept] == [0.9, 0.7]
    assert kept[0].square[2] == pytest.approx((50 * 0.9 + 52 * 0.6) / 1.5) and kept[0].points[0, 0] == pytest.approx(kept[0].square[2])


def test_views_cover_the_photo() -> None:
    squares = views(300, 500)
    for x, y in ((1, 1), (499, 1), (1, 299), (499, 299), (250, 150)):
        for side in squares[:, 0].unique():
            same = squares[squares[:, 0] == side]
            assert ((same[:, 2:] - torch.tensor([x, y])).abs().amax(1) <= side / 2 + 1e-3).any()


def outline(photo: np.ndarray, face: Face, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The coarse mask of a face, and the fine one."""
    close, landmarks = look_closer(as_tensor(photo), torch.from_numpy(face.frame).float()), to_crop(face.landmarks, face.frame, size)
    shown = 1 - close.share(("background",), face.frame, size)
    coarse = head_share(person_share(as_tensor(photo), face.frame, size), shown, landmarks)
    return coarse, head_mask(align_frame(photo, face.frame, size), coarse, landmarks)


def test_the_mask_covers_hair_and_no_background(astronaut: np.ndarray, found: dict[str, list[Face]]) -> None:
    face = found["astronaut"][0]
    _, mask = outline(astronaut, face, 256)
    hair, behind = [(222, 35), (160, 70), (170, 110), (285, 70), (280, 110)], [(140, 40), (305, 40), (140, 130), (310, 150)]
    for places, value in ((hair, 255), (behind, 0)):
        for x, y in to_crop(np.array(places, float), face.frame, 256).astype(int):
            assert abs(int(mask[y, x]) - value) < 25, (places, x, y)


def test_a_second_person_is_not_in_the_mask(astronaut: np.ndarray) -> None:
    """Two heads side by side: the person mask has both, the head's has its own."""
    narrow = astronaut[20:230, 165:283]
    pair = np.concatenate([narrow, narrow[:, ::-1]], 1)
    one, other = sorted(MediapipeFaces().find(pair), key=lambda f: f.frame[2])
    frame = one.frame * [1.6, 1.6, 1, 1]
    close, landmarks = look_closer(as_tensor(pair), torch.from_numpy(one.frame).float()), to_crop(one.landmarks, frame, 256)
    person = person_share(as_tensor(pair), frame, 256)
    head = head_share(person, 1 - close.share(("background",), frame, 256), landmarks)
    (x, y), (across, down) = (to_crop(face.landmarks[2:3], frame, 256)[0].astype(int) for face in (one, other))
    assert person[y, x] > 0.9 and person[down, across] > 0.9
    assert head[y, x] > 0.9 and head[down, across] < 0.1


def test_who_is_no_person_to_the_network_keeps_the_regions() -> None:
    shown = np.zeros((64, 64), np.float32)
    shown[10:50, 10:50] = 1
    landmarks = np.array([(20, 20), (40, 20), (30, 30), (22, 40), (38, 40), (30, 48)], float)
    assert head_share(np.full((64, 64), 0.1, np.float32), shown, landmarks) is shown
