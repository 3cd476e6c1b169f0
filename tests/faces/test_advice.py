"""What is drawn and said of a crop before time is spent on it; a made-up crop of a made-up face."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from symgan_core.faces import FaceCrop, crop_advice, draw_check, draw_faces, face_at, inside_photo, nudged, to_crop
from symgan_core.faces.detect import Face
from symgan_core.geometry import Camera

POINTS = np.array([[100.0, 110], [156, 110], [128, 140], [108, 165], [148, 165], [128, 195]])
SHAPE = (800, 800, 3)


def made_up(yaw: float = 0.0, pitch: float = 0.0, frame: tuple[float, ...] = (400.0, 0, 400, 400)) -> FaceCrop:
    noise = np.random.default_rng(0).integers(90, 170, (256, 256, 3)).astype(np.uint8)
    face = Face((60.0, 60, 200, 220), POINTS, yaw, pitch, 0.0, np.array(frame), 1.0, np.zeros((68, 2)), np.ones(68), 0.17)
    return FaceCrop(noise, Camera.orbit(yaw, pitch), POINTS, np.full((256, 256), 255, np.uint8), np.array(frame), face,
                    np.full((68, 2), 60.0), np.ones(68), inside_photo(np.array(frame), SHAPE, 256), *np.zeros((2, 256, 256), np.float32),
                    noise, *np.zeros((2, 256, 256), np.float32))


def test_a_good_photo_gets_no_advice() -> None:
    assert crop_advice(made_up()) == []


@pytest.mark.parametrize(("crop", "word"), [
    (made_up(yaw=-60), "turned away by 60"), (made_up(pitch=30), "from above"), (made_up(pitch=-30), "from below"),
    (made_up(frame=(120.0, 0, 400, 400)), "120 pixels"), (made_up(frame=(400.0, 0, 40, 400)), "outside")])
def test_each_fault_is_named(crop: FaceCrop, word: str) -> None:
    assert any(word in line for line in crop_advice(crop)) and len(crop_advice(crop)) == 1


def test_blur_and_light_from_one_side_are_named() -> None:
    crop = made_up()
    soft = np.asarray(Image.fromarray(crop.image).filter(ImageFilter.GaussianBlur(4)))
    assert crop_advice(replace(crop, image=soft)) == ["The face is blurred: so will the result be."]
    dark = crop.image.copy()
    dark[:, 128:] //= 3
    assert any("one side" in line for line in crop_advice(replace(crop, image=dark)))


def test_doubt_is_said_first() -> None:
    crop = made_up(yaw=-60)
    crop = replace(crop, face=replace(crop.face, score=0.8, sure=0.13))
    assert [("certain" in line, "turned" in line) for line in crop_advice(crop)] == [(True, False), (False, True)]


def test_what_lies_within_the_photo() -> None:
    assert inside_photo(np.array([200.0, 0, 400, 400]), SHAPE, 64).all()
    right = inside_photo(np.array([200.0, 0, 800, 400]), SHAPE, 64)  # its middle is the photo's right border
    assert right[:, :32].all() and not right[:, 32:].any()
    turned = inside_photo(np.array([0.0, 200, 800, 400]), SHAPE, 64)  # its x axis points down: what was right is above
    assert turned[32:].all() and not turned[:32].any()


def test_nudges_turn_zoom_and_shift_the_crop() -> None:
    frame = np.array([200.0, 0, 300, 300])
    point = np.array([[340.0, 300.0]])  # to the right of the middle
    assert to_crop(point, frame, 100)[0] == pytest.approx([70, 50])
    assert to_crop(point, nudged(frame, zoom=1.5), 100)[0] == pytest.approx([80, 50])
    assert to_crop(point, nudged(frame, shift=(0.1, -0.2)), 100)[0] == pytest.approx([80, 30])
    assert to_crop(point, nudged(frame, roll=90), 100)[0] == pytest.approx([50, 70])  # clockwise: right becomes down
    tilted = np.array([100.0, 100, 300, 300])
    before, after = (to_crop(point, f, 100)[0] for f in (tilted, nudged(tilted, shift=(0.1, 0.05))))
    assert after - before == pytest.approx([10, 5])


def test_the_axes_are_drawn_where_the_head_looks() -> None:
    def blue(yaw: float) -> np.ndarray:
        picture = draw_check(made_up(yaw=yaw)).astype(int)
        found = (picture[..., 2] > 200) & (picture[..., 0] < 90) & (picture[..., 1] < 120)
        return np.argwhere(found).mean(0)[::-1] - POINTS[2] * 360 / 256

    assert abs(blue(0)[0]) < 6
    assert blue(40)[0] < -15 and blue(-40)[0] > 15  # from the person's left, the face looks to the picture's left


def test_hidden_points_are_hollow() -> None:
    def middle(visible: float) -> list[int]:
        picture = draw_check(replace(made_up(), visible=np.full(68, visible)), 720)
        return picture[round(60 * 720 / 256), round(60 * 720 / 256)].tolist()

    assert middle(1.0) == [255, 178, 36] and middle(0.0) != [255, 178, 36]


def test_faces_are_numbered_and_one_is_chosen() -> None:
    photo = np.full((300, 400, 3), 128, np.uint8)
    faces = [replace(made_up().face, box=box) for box in ((20.0, 40, 120, 160), (220.0, 60, 320, 180))]
    first, second = (draw_faces(photo, faces, chosen) for chosen in (0, 1))
    orange = np.array([255, 178, 36])
    assert (first[100, 20] == orange).all() and (second[100, 220] == orange).all() and (first[100, 220] != orange).any()


def test_a_face_is_found_where_it_is_drawn_in_a_large_photo_too() -> None:
    for scale in (1, 8):
        photo = np.full((300 * scale, 400 * scale, 3), 128, np.uint8)
        boxes = ((20, 40, 120, 160), (220, 60, 320, 180))
        faces = [replace(made_up().face, box=tuple(float(v * scale) for v in box)) for box in boxes]
        drawn = draw_faces(photo, faces)
        shown = drawn.shape[1] / 400
        assert [face_at(photo, faces, x * shown, 100 * shown) for x in (70, 270, 170)] == [0, 1, None]
