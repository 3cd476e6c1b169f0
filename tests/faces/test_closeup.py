"""The second look: points, regions and code of a photo, however the photo comes."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from symgan_core.faces import as_tensor, choose_face, look_closer, read_photo
from symgan_core.faces.closeup import INPUT, REGIONS, WEIGHTS, CloseNetwork, load_close_network, read_squares, read_twice
from symgan_core.faces.detect import BuiltinFaces, Face
from symgan_core.faces.frames import Pyramid, compose_frames, cut_squares, relative_frame
from symgan_core.faces.maps import MIRRORED
from symgan_core.faces.network import load_face_network
from symgan_core.weights import read_shipped


@pytest.fixture(scope="module")
def face(astronaut: np.ndarray) -> Face:
    return choose_face(BuiltinFaces().find(astronaut))


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(90, 90, 90))


VARIANTS = {
    "grey": lambda i: saved(i.convert("L"), "PNG"),
    "cmyk": lambda i: saved(i.convert("CMYK"), "JPEG", quality=95),
    "webp": lambda i: saved(i, "WEBP", quality=90),
    "sixteen": lambda i: saved(Image.fromarray((np.asarray(i.convert("L"), np.int32) * 257).astype(np.uint16)), "PNG"),
    "small": lambda i: saved(i.resize((200, 200), Image.Resampling.LANCZOS), "PNG"),
    "huge": lambda i: saved(i.resize((6000, 6000), Image.Resampling.BICUBIC), "JPEG"),
    "mirrored": lambda i: saved(i.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG"),
    "turned": lambda i: saved(turned(i, 30), "PNG"),
}


@pytest.mark.parametrize("kind", VARIANTS)
def test_the_same_face_however_the_photo_comes(kind: str, astronaut: np.ndarray, face: Face) -> None:
    photo = read_photo(VARIANTS[kind](Image.fromarray(astronaut)))
    found = choose_face(BuiltinFaces().find(photo))
    scale = 512 / photo.shape[0]
    eyes, yaw, roll = found.landmarks[:2] * scale, found.yaw, found.roll
    if kind == "mirrored":
        eyes, yaw, roll = (eyes * [-1, 1] + [512, 0])[::-1], -yaw, -roll
    if kind == "turned":  # Pillow turns anticlockwise about the middle
        c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
        eyes, roll = (eyes - 256) @ np.array([[c, s], [-s, c]]) + 256, roll + 30
    distance = np.linalg.norm(face.landmarks[1] - face.landmarks[0])
    assert np.linalg.norm(eyes - face.landmarks[:2], axis=1).max() < 0.2 * distance
    assert abs(yaw - face.yaw) < 8 and abs(found.pitch - face.pitch) < 8 and abs(roll - face.roll) < 8


def test_regions_of_a_photo_are_where_a_person_sees_them(astronaut: np.ndarray, face: Face) -> None:
    close = look_closer(as_tensor(astronaut), torch.from_numpy(face.frame))
    frame = np.array([512.0, 0, 256, 256])  # the whole photo
    for name, (x, y), *others in (("hair", (222, 40)), ("skin", (222, 92)), ("nose", (224, 122), "skin"), ("background", (120, 60)),
                                  ("clothing", (222, 205), "neck")):
        shares = {n: close.share((n,), frame, 512)[y, x] for n in REGIONS}
        assert max(shares, key=shares.get) in (name, *others), (name, shares)
    assert close.share(REGIONS, face.frame, 64) == pytest.approx(np.ones((64, 64)), abs=1e-3)
    body = close.body_share(frame, 512)
    assert body[205, 222] > 0.5 and max(body[y, x] for x, y in ((222, 40), (222, 92), (224, 122))) < 0.3
    bare = replace(close, regions=torch.nn.functional.one_hot(torch.ones(64, 64, dtype=torch.long), len(REGIONS)).permute(2, 0, 1).float())
    body, chin = bare.body_share(close.square.numpy(), 64), close.landmarks[8]  # skin alone
    a, b, x, y = close.square.tolist()
    row = ((chin - (x, y)) @ (-b, a) / (a * a + b * b) + 0.5) * 64
    assert body[: int(row)].max() < 1e-3 and body[int(row) + 3:].min() > 0.999
    behind = replace(bare, regions=bare.regions.roll(-1, 0)).body_share(close.square.numpy(), 64)  # in a mask: hair, or the body's
    assert np.array_equal(behind, body)
    loose, base = replace(bare, regions=bare.regions.roll(1, 0)).loose_share(close.square.numpy(), 64), close.landmarks[27]  # hair alone
    row = ((base - (x, y)) @ (-b, a) / (a * a + b * b) + 0.5) * 64
    assert loose[: int(row)].max() < 1e-3 and loose[int(row) + 1:].min() > 0.999 and not bare.loose_share(close.square.numpy(), 64).any()
    assert close.landmarks.shape == (68, 2) and close.visible.shape == (68,) and close.w.shape == (267,)


def test_relative_frames_are_the_way_back() -> None:
    outer, inner = torch.tensor([[8.0, 6.0, 50.0, 60.0]]), torch.tensor([[3.0, -1.0, 47.0, 66.0]])
    assert torch.allclose(compose_frames(outer, relative_frame(outer, inner)), inner, atol=1e-5)


def test_squares_of_a_picture_are_read_together_as_they_are_alone(astronaut: np.ndarray, face: Face) -> None:
    image, frame = as_tensor(astronaut), torch.from_numpy(face.frame).float()
    squares = torch.stack([frame, frame * torch.tensor([1.2, 1.2, 1, 1]), torch.tensor([90.0, 20, 300, 300])])
    for close, square in zip(read_squares(Pyramid(image), squares), squares, strict=True):
        alone = look_closer(image, square, points_too=False)
        assert np.allclose(close.landmarks, alone.landmarks, atol=0.01) and np.allclose(close.frame, alone.frame, atol=0.01)
        assert torch.allclose(close.regions, alone.regions, atol=1e-4) and torch.allclose(close.w, alone.w, atol=1e-3)
        assert (close.yaw, close.pitch, close.sure) == pytest.approx((alone.yaw, alone.pitch, alone.sure), abs=1e-3)


def test_a_network_made_ready_says_what_it_said(astronaut: np.ndarray, face: Face) -> None:
    plain = CloseNetwork()
    plain.load_state_dict(read_shipped(WEIGHTS))
    crops = cut_squares(as_tensor(astronaut), torch.from_numpy(face.frame).float()[None], INPUT)
    ready = load_close_network()
    assert sum(isinstance(m, torch.nn.BatchNorm2d) for m in plain.modules()) > 20
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in ready.modules())
    with torch.no_grad():
        for one, other in zip(plain.eval()(crops), ready(crops), strict=True):
            assert torch.allclose(one, other, atol=2e-3)


def test_a_mirrored_picture_is_read_as_the_mirror_image(astronaut: np.ndarray, face: Face) -> None:
    image, frame = as_tensor(astronaut), torch.from_numpy(face.frame).float()
    a, b, x, y = frame.tolist()
    close, other = look_closer(image, frame), look_closer(image.flip(3), torch.tensor([a, -b, 512 - x, y]))
    assert np.allclose(other.landmarks[list(MIRRORED)] * [-1, 1] + [512, 0], close.landmarks, atol=0.1)
    assert other.yaw == pytest.approx(-close.yaw, abs=0.05) and other.pitch == pytest.approx(close.pitch, abs=0.05)
    assert torch.allclose(other.regions.flip(2), close.regions, atol=1e-3)
    assert other.frame == pytest.approx(np.array([1, -1, -1, 1]) * close.frame + [0, 0, 512, 0], abs=0.1)


@torch.no_grad()
def test_layers_that_are_left_out_change_nothing_else() -> None:
    squares, crops = torch.rand(2, 3, 96, 96) * 2 - 1, torch.rand(1, 3, INPUT, INPUT) * 2 - 1
    whole, part = load_face_network()(squares), load_face_network().without_mask(squares)
    assert all(torch.equal(a, b) for a, b in zip(whole[:4], part[:4], strict=True)) and part.mask.numel() == 0 < whole.mask.numel()
    (whole, sure), (part, as_sure) = (read_twice(load_close_network(), crops, regions) for regions in (True, False))
    assert all(torch.equal(a, b) for a, b in zip(whole[:4], part[:4], strict=True)) and torch.equal(sure, as_sure)
    assert part.regions.numel() == 0 < whole.regions.numel()
