"""Pseudo labels on a constructed case: an opaque half-sphere face of known depth."""

import pytest
import torch

from symgan_core.geometry import Camera, camera_rays
from symgan_core.inversion.config import TuningConfig
from symgan_core.inversion.labels import face_region, mirror_evidence, mirror_label, neighbour_label
from symgan_core.inversion.target import Target

SIZE, RADIUS = 64, 0.2


def sphere_depth(camera: torch.Tensor, size: int = SIZE) -> torch.Tensor:
    origins, directions = camera_rays(camera, size)
    along = -(origins * directions).sum(-1)
    squared = RADIUS**2 - (origins.square().sum(-1) - along**2)
    return torch.where(squared > 0, along - squared.clamp(min=0).sqrt(), torch.tensor(3.1)).reshape(1, 1, size, size)


class SphereGenerator:
    """Stands in for a generator: renders the sphere from everywhere."""

    def render(self, planes, camera, *_, **__):
        from symgan_core.generator import Rendered

        depth = sphere_depth(camera)
        return Rendered(torch.zeros(1, 3, SIZE, SIZE), depth, (depth < 3).float())


def points_seen(camera: torch.Tensor) -> torch.Tensor:
    origins, directions = camera_rays(camera, SIZE)
    return (origins + directions * sphere_depth(camera).flatten(1)[..., None]).reshape(SIZE, SIZE, 3)


def painted(camera: torch.Tensor, mole: bool, light: float = 0.0) -> Target:
    """A symmetric pattern on the sphere, with a mole on the person's left, lit more from the left by ``light``."""
    points = points_seen(camera)
    x, y, z = points.unbind(-1)
    colour = 0.3 * torch.sin(40 * x.abs()) * torch.cos(30 * y) + light * x
    if mole:
        colour = torch.where((points - torch.tensor([0.06, -0.06, 0.18])).norm(dim=-1) < 0.03, torch.tensor(-1.0), colour)
    mask = (sphere_depth(camera) < 3).float()
    return Target(colour.expand(1, 3, SIZE, SIZE) * mask, mask, camera)


@pytest.fixture
def camera() -> torch.Tensor:
    return Camera.orbit(15, 0).vector()


def test_symmetric_faces_have_no_conflict_even_under_light_from_one_side(camera: torch.Tensor) -> None:
    for light in (0.0, 1.0):
        evidence = mirror_evidence(painted(camera, mole=False, light=light), sphere_depth(camera), TuningConfig())
        assert evidence.compared.sum() > 200
        assert evidence.rejected_share < 0.02


def test_a_mole_is_a_conflict_on_both_cheeks_and_nowhere_else(camera: torch.Tensor) -> None:
    evidence = mirror_evidence(painted(camera, mole=True), sphere_depth(camera), TuningConfig())
    points = points_seen(camera)
    for side in (1, -1):
        there = (points - torch.tensor([side * 0.06, -0.06, 0.18])).norm(dim=-1) < 0.02
        assert evidence.conflict[0, 0][there].mean() > 0.9
        away = (points - torch.tensor([side * 0.06, 0.04, 0.18])).norm(dim=-1) < 0.02
        assert evidence.conflict[0, 0][away].mean() < 0.1


def test_the_filter_keeps_the_mole_off_the_mirrored_labels() -> None:
    source = Camera.orbit(35, 0).vector()
    target, depth, config = painted(source, mole=True), sphere_depth(source), TuningConfig()
    view = Camera.orbit(-40, 0).vector()
    evidence = mirror_evidence(target, depth, config)
    wide = mirror_label(SphereGenerator(), None, target, depth, view, None, config)
    careful = mirror_label(SphereGenerator(), None, target, depth, view, evidence, config)
    assert wide.trust.sum() > 50
    dark = (wide.image[:, :1] < -0.9) & (wide.trust > 0)
    assert ((careful.image[:, :1] < -0.9) & (careful.trust > 0)).sum() <= dark.sum()
    assert careful.trust.sum() <= wide.trust.sum()


def test_mirrored_labels_show_only_what_the_photo_hides() -> None:
    source = Camera.orbit(40, 0).vector()
    target, depth, config = painted(source, mole=False), sphere_depth(source), TuningConfig()
    view = Camera.orbit(-40, 0).vector()
    label = mirror_label(SphereGenerator(), None, target, depth, view, None, config)
    points = points_seen(view)[label.trust[0, 0] > 0]
    assert len(points) > 50 and points[:, 0].mean() < -0.05  # the person's right side, which a photo from the left hides
    truth = painted(view, mole=False).image
    assert ((label.image - truth).abs() * label.trust).sum() / label.trust.sum() / 3 < 0.06


def test_neighbours_agree_with_the_truth_where_they_are_trusted(camera: torch.Tensor) -> None:
    view = Camera.orbit(30, 4).vector()
    label = neighbour_label(SphereGenerator(), None, painted(camera, mole=True), sphere_depth(camera), view, TuningConfig())
    truth = painted(view, mole=True).image
    assert label.trust.mean() > 0.1
    assert ((label.image - truth).abs() * label.trust).sum() / label.trust.sum() / 3 < 0.06


def test_face_region_is_the_front_alone() -> None:
    points = torch.tensor([[0.0, -0.08, 0.2], [0.1, -0.05, 0.15], [0.0, 0.2, 0.1], [0.0, -0.08, -0.1], [0.2, 0.0, 0.05]])
    assert face_region(points).tolist() == [True, True, False, False, False]
