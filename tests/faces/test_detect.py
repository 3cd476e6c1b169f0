"""The built-in provider on the two real photos that installed packages carry, and on our own heads."""

import numpy as np
import pytest
import skimage.data
import torch

from symgan_core.errors import NoFaceFound
from symgan_core.faces import align_frame, as_tensor, choose_face, head_mask, look_closer, to_crop
from symgan_core.faces.align import STANDARD_POINTS, eg3d_frame
from symgan_core.faces.detect import SURE, WORD, BuiltinFaces, Face
from symgan_core.faces.frames import compose_frames

ASTRONAUT_EYES = np.array([[201.0, 101.0], [245.0, 101.0]])
"""Her right and left eye, marked by hand."""


@pytest.fixture(scope="module")
def astronaut_faces(astronaut: np.ndarray) -> list[Face]:
    return BuiltinFaces().find(astronaut)


def test_the_astronaut_is_found_where_she_is(astronaut_faces: list[Face]) -> None:
    face = choose_face(astronaut_faces)
    distance = np.linalg.norm(face.landmarks[:2] - ASTRONAUT_EYES, axis=1) / np.linalg.norm(ASTRONAUT_EYES[0] - ASTRONAUT_EYES[1])
    assert distance.max() < 0.3
    assert abs(face.yaw) < 25 and abs(face.pitch) < 20 and abs(face.roll) < 12


def test_faces_of_a_group_are_found_apart() -> None:
    from insightface.data import get_image

    photo = get_image("t1")[..., ::-1].copy()
    faces = BuiltinFaces().find(photo)
    centres = np.array([f.frame[2:] for f in faces])
    known = np.array([[515, 345], [790, 405], [1170, 340]])  # three heads that look at us
    assert all(np.linalg.norm(centres - k, axis=1).min() < 70 for k in known)
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1) + 1e9 * np.eye(len(centres))
    assert apart.min() > 60


@pytest.mark.parametrize("box", [(150, 60, 300, 210), (165, 70, 285, 190), (160, 30, 290, 190)])
def test_a_face_that_fills_the_photo_is_found(astronaut: np.ndarray, astronaut_faces: list[Face], box: tuple[int, ...]) -> None:
    left, top, right, bottom = box
    found = BuiltinFaces().find(np.ascontiguousarray(astronaut[top:bottom, left:right]))
    assert len(found) == 1
    whole = astronaut_faces[0].landmarks - (left, top)
    apart = np.linalg.norm(whole[1] - whole[0])
    assert np.linalg.norm(found[0].landmarks[:3] - whole[:3], axis=1).max() < 0.15 * apart
    assert abs(found[0].yaw - astronaut_faces[0].yaw) < 8


def test_a_face_is_not_lost_to_what_lies_over_it(astronaut: np.ndarray, astronaut_faces: list[Face]) -> None:
    """In this crop the collar of the suit, turned by 50 degrees, is a likelier face than hers to the first look."""
    found = BuiltinFaces().find(np.ascontiguousarray(astronaut[50:230, 140:310]))
    assert len(found) == 1 and abs(found[0].yaw - astronaut_faces[0].yaw) < 8 and abs(found[0].roll) < 15


def test_who_fills_the_photo_is_looked_for_once_more() -> None:
    """Small, half turned away, cut off on three sides."""
    from insightface.data import get_image

    photo = get_image("t1")[..., ::-1].copy()
    face = next(f for f in BuiltinFaces().find(photo) if 15 < f.yaw < 32)
    low, high = face.contour.min(0), face.contour.max(0)
    margin = 0.35 * (high - low).max()
    (left, top), (right, bottom) = (low - margin).astype(int), (high + margin).astype(int)
    found = BuiltinFaces().find(photo[top:bottom, left:right].copy())
    assert len(found) == 1 and abs(found[0].yaw - face.yaw) < 12


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_that_lies_on_its_side_is_found_to(astronaut: np.ndarray, astronaut_faces: list[Face], quarters: int) -> None:
    """Files forget how the camera was held; the crop is upright all the same."""
    found = choose_face(BuiltinFaces().find(np.rot90(astronaut, quarters).copy()))
    turn = (found.roll - astronaut_faces[0].roll + 90 * quarters) % 360
    assert min(turn, 360 - turn) < 4
    assert abs(found.yaw - astronaut_faces[0].yaw) < 5 and abs(found.pitch - astronaut_faces[0].pitch) < 5


def test_heads_side_by_side_are_two(astronaut: np.ndarray, astronaut_faces: list[Face]) -> None:
    """Cheek to cheek, as on a selfie: the squares of their heads overlap by more than a third."""
    narrow = astronaut[20:230, 165:283]
    found = BuiltinFaces().find(np.concatenate([narrow, narrow[:, ::-1]], 1))
    assert len(found) == 2
    eyes = sorted(f.landmarks[:2].mean(0).tolist() for f in found)
    expected = astronaut_faces[0].landmarks[:2].mean(0) - (165, 20)
    assert np.abs(np.array(eyes) - [expected, (2 * 118 - expected[0], expected[1])]).max() < 6


@pytest.mark.parametrize("name", ["cat", "coins", "rocket"])
def test_nobody_is_found_in_pictures_of_things(name: str) -> None:
    """The first look takes some of their squares for faces; the second is not sure of any."""
    photo = getattr(skimage.data, name)()
    assert BuiltinFaces().find(photo if photo.ndim == 3 else np.repeat(photo[..., None], 3, 2)) == []


def test_the_second_look_is_sure_of_faces_alone(astronaut: np.ndarray, astronaut_faces: list[Face]) -> None:
    face = torch.from_numpy(astronaut_faces[0].frame)
    sure = look_closer(as_tensor(astronaut), face).sure
    collar, helmet = (look_closer(as_tensor(astronaut), torch.tensor([120.0, 0, x, y])).sure for x, y in ((230, 215), (400, 400)))
    assert sure > SURE and max(collar, helmet) < SURE - WORD - 0.02  # whatever the first network says of them


def test_nothing_is_found_where_nobody_is() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (300, 400, 3), dtype=np.uint8)
    ramp = np.tile(np.linspace(0, 255, 400).astype(np.uint8)[None, :, None], (300, 1, 3))
    for photo in (noise, ramp, np.full((300, 400, 3), 200, np.uint8)):
        assert BuiltinFaces().find(photo) == []


def test_choosing_a_face() -> None:
    with pytest.raises(NoFaceFound, match="No face.*room around it"):  # it may have been upright and clear, but cut too close
        choose_face([])
    face = Face((0, 0, 1, 1), np.zeros((6, 2)), 0, 0, 0, np.array([10.0, 0, 5, 5]), 1.0, np.zeros((68, 2)), np.ones(68), 0.17)
    assert choose_face([face]) is face
    for number in (1, -1):
        with pytest.raises(NoFaceFound, match="1 found"):
            choose_face([face], number)


def test_frames_compose_like_maps() -> None:
    outer, inner = torch.tensor([[8.0, 6.0, 50.0, 60.0]]), torch.tensor([[0.6, -0.2, 0.7, 0.4]])
    point = torch.tensor([0.3, 0.9])  # in the inner frame

    def leave(frame: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        a, b, x, y = frame[0]
        u, v = p - 0.5
        return torch.stack([x + a * u - b * v, y + b * u + a * v])

    assert torch.allclose(leave(compose_frames(outer, inner), point), leave(outer, leave(inner, point)), atol=1e-5)


def test_crops_and_points_agree() -> None:
    photo = np.zeros((200, 200, 3), np.uint8)
    photo[88:93, 118:123] = 255
    frame = np.array([80.0, 30.0, 110.0, 95.0])
    crop = align_frame(photo, frame, 128)
    where = to_crop(np.array([[120.5, 90.5]]), frame, 128)[0]
    bright = np.argwhere(crop[..., 0] > 128).mean(0)[::-1] + 0.5
    assert np.abs(bright - where).max() < 1


def test_eg3d_frame_of_the_standard_face() -> None:
    # The standard points, drawn at scale 100 around (300, 250): the fit gives the scale back, the crop is 700/300 of it.
    points = np.stack([300 + 100 * STANDARD_POINTS[:, 0], 250 - 100 * STANDARD_POINTS[:, 1]], 1)
    assert eg3d_frame(points) == pytest.approx([100 * 700 / 300, 0, 300, 250], abs=1e-6)


def test_mask_separates_a_head_from_a_plain_background(astronaut: np.ndarray, astronaut_faces: list[Face]) -> None:
    face = choose_face(astronaut_faces)
    crop = align_frame(astronaut, face.frame, 256)
    shown = 1 - look_closer(as_tensor(astronaut), torch.from_numpy(face.frame)).share(("background",), face.frame, 256)
    mask = head_mask(crop, shown, to_crop(face.landmarks, face.frame, 256))
    assert mask.shape == (256, 256) and mask.dtype == np.uint8
    x, y = to_crop(face.landmarks, face.frame, 256)[2].round().astype(int)
    assert mask[y, x] == 255
    assert 0.2 < (mask > 127).mean() < 0.85
    assert (mask[:30, :20] < 128).mean() > 0.9 or (mask[:30, -20:] < 128).mean() > 0.9
