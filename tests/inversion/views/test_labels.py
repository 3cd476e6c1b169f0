"""Pseudo labels on a constructed case: an opaque half-sphere face of known depth."""

from dataclasses import replace

import pytest
import torch

from symgan_core.geometry import Camera, facing
from symgan_core.inversion.views.labels import mirror_evidence, mirror_label, neighbour_label
from symgan_core.inversion.views.origins import origins
from symgan_core.inversion.views.symmetry import face_region
from symgan_core.inversion.views.warping import MirrorWarp
from symgan_core.portrait.detail import MIRRORED, SEEN
from tests.inversion.sphere import PLAIN, RADIUS, SIZE, SPHERE, WARP, painted, points_seen, sphere_depth


@pytest.fixture
def camera() -> torch.Tensor:
    return Camera.orbit(15, 0).vector()


def test_symmetric_faces_have_no_conflict_even_under_light_from_one_side(camera: torch.Tensor) -> None:
    for light in (0.0, 1.0):
        evidence = mirror_evidence(painted(camera, mole=False, light=light), sphere_depth(camera), WARP)
        assert evidence.compared.sum() > 200
        assert evidence.rejected_share < 0.02


def test_a_mole_is_a_conflict_on_both_cheeks_and_nowhere_else(camera: torch.Tensor) -> None:
    evidence = mirror_evidence(painted(camera, mole=True), sphere_depth(camera), WARP)
    points = points_seen(camera)
    for side in (1, -1):
        there = (points - torch.tensor([side * 0.06, -0.06, 0.18])).norm(dim=-1) < 0.02
        assert evidence.conflict[0, 0][there].mean() > 0.9
        away = (points - torch.tensor([side * 0.06, 0.04, 0.18])).norm(dim=-1) < 0.02
        assert evidence.conflict[0, 0][away].mean() < 0.1


def test_the_filter_keeps_the_mole_off_the_mirrored_labels() -> None:
    source = Camera.orbit(35, 0).vector()
    target, depth, config = painted(source, mole=True), sphere_depth(source), WARP
    view = Camera.orbit(-40, 0).vector()
    evidence = mirror_evidence(target, depth, config)
    wide = mirror_label(SPHERE, target, depth, view, mirror_evidence(target, depth, PLAIN), config)
    careful = mirror_label(SPHERE, target, depth, view, evidence, config)
    assert wide.trust.sum() > 50
    dark = (wide.image[:, :1] < -0.9) & (wide.trust > 0)
    assert ((careful.image[:, :1] < -0.9) & (careful.trust > 0)).sum() <= dark.sum()
    assert careful.trust.sum() <= wide.trust.sum()


def test_mirrored_labels_show_only_what_the_photo_hides() -> None:
    source = Camera.orbit(40, 0).vector()
    target, depth, config = painted(source, mole=False), sphere_depth(source), WARP
    view = Camera.orbit(-40, 0).vector()
    label = mirror_label(SPHERE, target, depth, view, mirror_evidence(target, depth, PLAIN), config)
    points = points_seen(view)[label.trust[0, 0] > 0]
    assert len(points) > 50 and points[:, 0].mean() < -0.05  # the person's right side, which a photo from the left hides
    truth = painted(view, mole=False).image
    assert ((label.image - truth).abs() * label.trust).sum() / label.trust.sum() / 3 < 0.06


def test_what_the_photo_smears_is_mirrored_and_is_no_conflict() -> None:
    """A photo from the side shows the far eye at a grazing angle: the mirrored photo says what it looks like."""
    source, view = Camera.orbit(50, 0).vector(), Camera.orbit(-25, 0).vector()
    target, depth = painted(source, mole=False), sphere_depth(source)
    target = replace(target, image=torch.where(facing(depth, source) > 0.4, target.image, -target.image))  # as a smeared rim
    points = points_seen(view)
    towards = points / RADIUS @ Camera.from_vector(source).position()[0] / 2.7
    rim = (towards > 0.2) & (towards < 0.35) & (points[..., 0] < -0.03) & face_region(points)
    assert rim.sum() > 100
    for grazing, least, most in ((0.4, 0.9, 1.0), (0.0, 0.0, 0.3)):
        config = replace(WARP, grazing=grazing, mirror=MirrorWarp(match_light=False))
        evidence = mirror_evidence(target, depth, config)
        trust = mirror_label(SPHERE, target, depth, view, evidence, config).trust[0, 0]
        assert least <= trust[rim].mean() <= most, grazing
        assert (evidence.rejected_share < 0.02) == (grazing > 0)


def test_neighbours_agree_with_the_truth_where_they_are_trusted(camera: torch.Tensor) -> None:
    view = Camera.orbit(30, 4).vector()
    label = neighbour_label(SPHERE, painted(camera, mole=True), sphere_depth(camera), view, WARP)
    truth = painted(view, mole=True).image
    assert label.trust.mean() > 0.1
    assert ((label.image - truth).abs() * label.trust).sum() / label.trust.sum() / 3 < 0.06


def test_face_region_is_the_front_alone() -> None:
    points = torch.tensor([[0.0, -0.08, 0.2], [0.1, -0.05, 0.15], [0.0, 0.2, 0.1], [0.0, -0.08, -0.1], [0.2, 0.0, 0.05]])
    assert face_region(points).tolist() == [True, True, False, False, False]


def test_hidden_pixels_are_filled_if_there_is_something_to_fill_them_with(camera: torch.Tensor) -> None:
    view, filling = Camera.orbit(50, 0).vector(), torch.full((1, 3, SIZE, SIZE), 0.25)
    args = (SPHERE, painted(camera, mole=False), sphere_depth(camera), view, WARP)
    plain, filled = neighbour_label(*args), neighbour_label(*args, filling)
    assert 0.1 < plain.trust.mean() < 0.9 and filled.trust.min() == 1
    assert torch.equal(filled.image, torch.where(plain.trust > 0.5, plain.image, filling))


def test_origins_say_what_is_seen_mirrored_and_invented() -> None:
    target, view = painted(Camera.orbit(40, 0).vector(), mole=False), Camera.orbit(-20, 0).vector()
    found = origins(SPHERE, target, view, WARP)[0, 0]
    points = points_seen(view)
    towards = points / RADIUS @ Camera.from_vector(target.camera).position()[0] / 2.7
    x = points[..., 0]
    assert (found[sphere_depth(view)[0, 0] > 3] == 0).all()
    assert (found[(towards > 0.4) & (found > 0)] == SEEN).float().mean() > 0.95
    hidden = (towards < -0.1) & (found > 0)
    assert (found[hidden] == SEEN).float().mean() < 0.05 and (found == MIRRORED).sum() > 50 and x[found == MIRRORED].max() < 0
    assert (origins(SPHERE, target, view, replace(WARP, mirror=None)) != MIRRORED).all()


def test_what_the_photo_shows_at_a_grazing_angle_is_left_as_it_was() -> None:
    target, view = painted(Camera.orbit(0, 0).vector(), mole=False), Camera.orbit(40, 0).vector()
    towards = points_seen(view) / RADIUS @ Camera.from_vector(target.camera).position()[0] / 2.7
    head = sphere_depth(view)[0, 0] < 3
    grazing, well = head & (towards > 0.5) & (towards < 0.6), head & (towards > 0.75)
    for least, trusted in ((0.0, True), (0.68, False)):
        config = replace(WARP, grazing=least)
        trust = neighbour_label(SPHERE, target, sphere_depth(target.camera), view, config).trust[0, 0]
        share = trust[grazing].mean()
        assert share > 0.9 if trusted else share < 0.1, share
        assert trust[well].mean() > 0.9
