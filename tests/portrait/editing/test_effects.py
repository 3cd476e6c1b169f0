"""What every direction does to a stored portrait like those of photos, judged by MediaPipe's mesh and by colours."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from symgan_core.errors import RequestError
from symgan_core.faces import Pyramid, shares_of
from symgan_core.faces.mesh import PRESENT, mean_head, mesh_square, read_mesh
from symgan_core.geometry import project
from symgan_core.geometry.images import to_uint8
from symgan_core.portrait import Portrait3D
from symgan_core.portrait.editing import DIRECTIONS, PRESETS
from symgan_core.portrait.editing.hair import hair_field

LIMITS = {d.name: d.limit for d in DIRECTIONS}
EYES = [33, 133], [362, 263]


class Judge:
    """Frontal views of a portrait, each looked at once."""

    def __init__(self, portrait: Portrait3D):
        self.portrait = portrait
        camera = portrait.orbit_camera(0)
        self.square = mesh_square(project(mean_head()[0][None], camera)[0][0].double().numpy() * 512)
        self.image, self.points = cache(self._image), cache(self._points)

    def _image(self, name: str = "", end: int = 0) -> torch.Tensor:
        portrait = self.portrait.edit({name: end * LIMITS[name]}) if name else self.portrait
        return portrait.render(yaw=0).image

    def _points(self, name: str = "", end: int = 0) -> np.ndarray:
        mesh = read_mesh(Pyramid(self.image(name, end).clamp(-1, 1)), self.square, looks=3)
        assert mesh.present > PRESENT
        return mesh.points

    def lab(self, name: str = "", end: int = 0) -> np.ndarray:
        return rgb2lab(to_uint8(self.image(name, end)))

    def changed(self, name: str, end: int) -> np.ndarray:
        """``[512, 512]``: Delta E."""
        return np.linalg.norm(self.lab(name, end) - self.lab(), axis=2)

    def unit(self) -> float:
        points = self.points()
        return float(np.linalg.norm(points[EYES[0]].mean(0) - points[EYES[1]].mean(0)))

    def rise(self, numbers: list[int], name: str, end: int) -> float:
        """How far points rise in the mean, in eye distances."""
        return float((self.points() - self.points(name, end))[numbers, 1].mean() / self.unit())

    def longer(self, pairs: list[tuple[int, int]], name: str, end: int) -> float:
        """By which share the distances of pairs of points grow."""
        before, after = (sum(np.linalg.norm(points[a] - points[b]) for a, b in pairs) for points in (self.points(), self.points(name, end)))
        return float(after / before - 1)


@pytest.fixture(scope="module")
def judge(stored: Portrait3D) -> Judge:
    return Judge(stored)


def test_corners_of_the_mouth_rise_and_fall(judge: Judge) -> None:
    for end in (1, -1):
        assert end * judge.rise([61, 291], "smile", end) > 0.02
    assert judge.longer([(61, 291)], "smile", 1) > 0.05


def test_lips_part(judge: Judge) -> None:
    gap = [np.linalg.norm(p[13] - p[14]) / judge.unit() for p in (judge.points(), judge.points("mouth_open", 1))]
    assert gap[1] - gap[0] > 0.1


def test_brows_rise_and_fall(judge: Judge) -> None:
    for end in (1, -1):
        assert end * judge.rise([70, 63, 105, 66, 107, 336, 296, 334, 293, 300], "brow_raise", end) > 0.02


def test_lids_open_and_close(judge: Judge) -> None:
    lids = [(159, 145), (386, 374)]
    assert judge.longer(lids, "eye_opening", 1) > 0.02 and judge.longer(lids, "eye_opening", -1) < -0.1
    for end, own, other in ((1, 1, 0), (-1, 0, 1)):  # "right" is the picture's
        closed = judge.changed("wink", end)
        seen = [closed[round(y) - 8: round(y) + 8, round(x) - 12: round(x) + 12].mean()
                for x, y in (judge.points()[list(lids[k])].mean(0) for k in (own, other))]
        assert seen[0] > 8 > 4 * seen[1]


@pytest.mark.parametrize(("name", "pairs", "least"), [
    ("face_width", [(234, 454)], 0.04), ("weight", [(172, 397), (58, 288)], 0.03), ("jaw", [(172, 397), (152, 2)], 0.02),
    ("nose_size", [(129, 358), (168, 2)], 0.02), ("gender", [(152, 2)], 0.006)])
def test_lengths_grow_and_shrink(judge: Judge, name: str, pairs: list[tuple[int, int]], least: float) -> None:
    for end in (1, -1):
        assert end * judge.longer(pairs, name, end) > least


def test_heads_get_longer_and_rounder(judge: Judge) -> None:
    for end in (1, -1):
        assert end * (judge.longer([(10, 152)], "head_shape", end) - judge.longer([(234, 454)], "head_shape", end)) > 0.04


def test_cheekbones_ears_age_and_hair_are_seen_to_change(judge: Judge) -> None:
    """Each at both ends: more of the picture changes than noise would."""
    for name, least in (("cheeks", 0.01), ("ears", 0.001), ("age", 0.1), ("hair_length", 0.01), ("hair_volume", 0.05)):
        for end in (1, -1):
            assert (judge.changed(name, end) > 6).mean() > least, (name, end)


def test_hair_gets_fuller_and_flatter(judge: Judge) -> None:
    plain, full, flat = (portrait.render(yaw=0).image_opacity.sum() for portrait in (
        judge.portrait, *(judge.portrait.edit({"hair_volume": end * LIMITS["hair_volume"]}) for end in (1, -1))))
    assert full > 1.01 * plain > 1.02 * flat


def test_hair_gets_longer_and_shorter() -> None:
    """Strands at a height end lower or higher, by the field alone: hair everywhere, below the brows."""
    everywhere = torch.ones(1, 1, 16, 16, 16)
    for strength, sense in ((2.0, 1), (-2.0, -1)):
        came = hair_field(everywhere, {"hair_length": strength}, 0.38)
        low, high = came[0, 1, 8, 5, 8], came[0, 1, 8, 14, 8]
        assert sense * low > 0.02 and high == 0


@pytest.mark.parametrize(("name", "part"), [("skin_tone", ("skin", "nose", "neck")), ("hair_lightness", ("hair",))])
def test_colours_change_where_they_belong(judge: Judge, name: str, part: tuple[str, ...]) -> None:
    shown = shares_of(judge.image(), part, ("hair",), ("skin", "nose", "neck"), ("clothing", "background"))
    own, *all_parts = ((share[0, 0] > 0.95).numpy() for share in shown)
    others = (all_parts[0] | all_parts[1] | all_parts[2]) & ~(shown[0][0, 0] > 0.02).numpy()
    for end in (1, -1):
        changed = judge.changed(name, end)
        assert changed[own].mean() > 10 and changed[others].mean() < 3
        lighter = (judge.lab(name, end) - judge.lab())[own][:, 0].mean()
        assert end * lighter > 8


def test_irises_turn_blue_and_brown(judge: Judge) -> None:
    points = judge.points()
    columns, rows = (slice(round(low) - 4, round(high) + 4) for low, high in zip(points[[33, 133, 159, 145]].min(0), points[
        [33, 133, 159, 145]].max(0), strict=True))
    blue, brown = ((judge.lab("iris", end) - judge.lab())[rows, columns, 2] for end in (1, -1))
    assert blue.min() < -8 and brown.max() > 4
    outside = judge.changed("iris", 1)
    outside[rows.start - 10: rows.stop + 10] = 0  # both eyes are level
    assert outside.max() < 2


def test_the_light_comes_from_the_side_that_is_named(judge: Judge) -> None:
    """The person's left is on the right of the picture."""
    x = round(float(judge.points()[4, 0]))
    y = round(float(judge.points()[4, 1]))
    for end in (1, -1):
        lighter = (judge.lab("light_side", end) - judge.lab())[y - 20: y + 20, :, 0]
        assert end * (lighter[:, x + 25: x + 70].mean() - lighter[:, x - 70: x - 25].mean()) > 4


def test_age_turns_hair_grey(judge: Judge) -> None:
    hair = (shares_of(judge.image(), ("hair",))[0][0, 0] > 0.95).numpy()
    before, after = (np.linalg.norm(lab[hair][:, 1:], axis=1).mean() for lab in (judge.lab(), judge.lab("age", 1)))
    assert after < 0.7 * before


def test_nothing_at_all_is_the_unedited_picture_and_order_does_not_matter(stored: Portrait3D) -> None:
    nothing = stored.edit({d.name: 0.0 for d in DIRECTIONS})
    assert nothing is stored and stored.edit({"smile": 1.0}).edit({}) is stored
    strengths = {"smile": 1.0, "skin_tone": -1.0, "hair_volume": 1.0, "age": 0.5}
    one, other = (stored.edit(dict(items)).render(yaw=15).image for items in (strengths.items(), reversed(strengths.items())))
    assert torch.equal(one, other)


def test_strengths_are_saved_and_shown_by_what_is_loaded(stored: Portrait3D, tmp_path) -> None:
    edited = stored.edit({"smile": 2.0, "skin_tone": 1.5})
    edited.save(tmp_path)
    again = Portrait3D.load(tmp_path, "cpu", stored.generator)
    assert again.edits == {"smile": 2.0, "skin_tone": 1.5} and again.unedited is not None
    shown, loaded, plain = (portrait.render(yaw=10).image for portrait in (edited, again, again.unedited))
    assert (loaded - shown).abs().mean() < 0.2 * (plain - shown).abs().mean()


def test_detail_moves_along(stored: Portrait3D) -> None:
    """A picture of stripes on the cheek lies elsewhere on a wider face."""
    picture = stored.pictures[0]
    striped = picture.image.clone()
    striped[..., 250:300, 180:330:8] = 1.0
    striped = replace(stored, pictures=(replace(picture, image=striped),), _detail=None, _head=None, _editor=None)
    wide, plain = ((striped.edit(e).render(yaw=0).image - striped.edit(e).render(yaw=0, detail=False).image)[0, :, 275].mean(0)
                   for e in ({"face_width": 2.0}, {}))
    assert wide.std() > 0.7 * plain.std() and (wide - plain).abs().mean() > 0.3 * plain.std()


def test_the_mesh_is_coloured_as_the_views_are(stored: Portrait3D) -> None:
    point, normal = torch.tensor([[0.05, -0.06, 0.2]]), torch.tensor([[0.3, 0.0, 0.95]])
    plain, dark, lit = (stored.edit(e).colours_at(point, normal) for e in ({}, {"skin_tone": -3.0}, {"light_side": 2.0}))
    assert (dark < plain - 0.05).all() and lit.mean() != plain.mean()


def test_presets_are_within_every_range(stored: Portrait3D) -> None:
    for name, strengths in PRESETS.items():
        assert stored.edit(strengths).edits == {n: s for n, s in strengths.items() if s}, name


def test_unknown_names_and_strengths_out_of_range_are_refused(stored: Portrait3D) -> None:
    with pytest.raises(RequestError, match="no editing direction"):
        stored.edit({"beauty": 1})
    for strength in (99, float("nan")):
        with pytest.raises(RequestError, match="out of range"):
            stored.edit({"age": strength})
