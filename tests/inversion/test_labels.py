"""Pseudo labels on a constructed case: an opaque half-sphere face of known depth."""

import pytest
import torch

from symgan_core.geometry import Camera, camera_rays
from symgan_core.inversion.config import TuningConfig
from symgan_core.inversion.labels import MIRRORED, SEEN, mirror_evidence, mirror_label, neighbour_label, origins
from symgan_core.inversion.symmetry import Lamp, compare_with_mirror, face_region, fit_lamp, surface_normals
from symgan_core.inversion.target import Target
from tests.conftest import TINY

SIZE, RADIUS = 128, 0.2
WITHOUT = TuningConfig(conflict_filter=False, match_light=False)


def sphere_depth(camera: torch.Tensor, size: int = SIZE) -> torch.Tensor:
    origins, directions = camera_rays(camera, size)
    along = -(origins * directions).sum(-1)
    squared = RADIUS**2 - (origins.square().sum(-1) - along**2)
    return torch.where(squared > 0, along - squared.clamp(min=0).sqrt(), torch.tensor(3.1)).reshape(1, 1, size, size)


class SphereGenerator:
    """Stands in for a generator: renders the sphere from everywhere."""

    config = TINY

    def density_grid(self, planes):
        return None

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
    wide = mirror_label(SphereGenerator(), None, target, depth, view, mirror_evidence(target, depth, WITHOUT), config)
    careful = mirror_label(SphereGenerator(), None, target, depth, view, evidence, config)
    assert wide.trust.sum() > 50
    dark = (wide.image[:, :1] < -0.9) & (wide.trust > 0)
    assert ((careful.image[:, :1] < -0.9) & (careful.trust > 0)).sum() <= dark.sum()
    assert careful.trust.sum() <= wide.trust.sum()


def test_mirrored_labels_show_only_what_the_photo_hides() -> None:
    source = Camera.orbit(40, 0).vector()
    target, depth, config = painted(source, mole=False), sphere_depth(source), TuningConfig()
    view = Camera.orbit(-40, 0).vector()
    label = mirror_label(SphereGenerator(), None, target, depth, view, mirror_evidence(target, depth, WITHOUT), config)
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


def lit(camera: torch.Tensor, mole: bool = False) -> Target:
    """A symmetric skin on the sphere, in a light from the person's left and above; attached shadows and all."""
    points = points_seen(camera)
    x, y, z = points.unbind(-1)
    skin = 0.45 + 0.1 * torch.sin(40 * x.abs()) * torch.cos(30 * y)
    if mole:
        skin = torch.where((points - torch.tensor([0.06, -0.06, 0.18])).norm(dim=-1) < 0.025, skin * 0.2, skin)
    light = torch.nn.functional.normalize(torch.tensor([0.7, 0.3, 0.65]), dim=0)
    shade = 0.35 + 0.9 * (points / RADIUS @ light).clamp(min=0)
    mask = (sphere_depth(camera) < 3).float()
    image = ((skin * shade).clamp(0, 1) ** (1 / 2.2) * 2 - 1).expand(1, 3, SIZE, SIZE)
    return Target(image * mask, mask, camera)


def lamp_of(target: Target) -> Lamp:
    depth = sphere_depth(target.camera)
    return fit_lamp(target, depth, compare_with_mirror(target, depth, 0.03))


def test_normals_of_a_sphere_point_outwards(camera: torch.Tensor) -> None:
    normals, points = surface_normals(sphere_depth(camera), camera)[0].permute(1, 2, 0), points_seen(camera)
    inner = points.norm(dim=-1) < RADIUS + 1e-3
    inner &= (points @ Camera.from_vector(camera).position()[0]) / (2.7 * RADIUS) > 0.6
    assert inner.sum() > 300
    assert (normals * points / RADIUS).sum(-1)[inner].quantile(0.02) > 0.97


@pytest.mark.parametrize("yaw", [20, -30, 45])
def test_mirrored_pixels_get_the_light_of_their_new_side(yaw: float) -> None:
    source, view = Camera.orbit(yaw, 0).vector(), Camera.orbit(-yaw, 0).vector()
    target, depth, truth = lit(source), sphere_depth(source), lit(view).image
    errors = {}
    for name, config in (("as it is", WITHOUT), ("matched", TuningConfig(conflict_filter=False))):
        label = mirror_label(SphereGenerator(), None, target, depth, view, mirror_evidence(target, depth, config), config)
        errors[name] = float(((label.image - truth).abs() * label.trust).sum() / label.trust.sum())
    assert errors["matched"] < 0.5 * errors["as it is"], errors


def test_a_mole_is_not_light(camera: torch.Tensor) -> None:
    clean, spotted = (lamp_of(lit(camera, mole)).direction for mole in (False, True))
    assert torch.cosine_similarity(clean, torch.tensor([0.7, 0.3, 0.65]), dim=0) > 0.9
    assert torch.cosine_similarity(clean, spotted, dim=0) > 0.95 and (spotted - clean).norm() < 0.3 * clean.norm()


def test_light_from_the_front_stays_in_front() -> None:
    source = Camera.orbit(30, 0).vector()
    mirrored = painted(source, mole=False).mirrored()
    normals = surface_normals(sphere_depth(mirrored.camera), mirrored.camera)
    lamp = lamp_of(painted(source, mole=False))
    assert (lamp.relit(mirrored.image, normals) - mirrored.image).abs()[mirrored.mask.expand(-1, 3, -1, -1) > 0].mean() < 0.05


def test_hidden_pixels_are_filled_if_there_is_something_to_fill_them_with(camera: torch.Tensor) -> None:
    view, filling = Camera.orbit(50, 0).vector(), torch.full((1, 3, SIZE, SIZE), 0.25)
    args = (SphereGenerator(), None, painted(camera, mole=False), sphere_depth(camera), view, TuningConfig())
    plain, filled = neighbour_label(*args), neighbour_label(*args, filling)
    assert 0.1 < plain.trust.mean() < 0.9 and filled.trust.min() == 1
    assert torch.equal(filled.image, torch.where(plain.trust > 0.5, plain.image, filling))


def test_origins_say_what_is_seen_mirrored_and_invented() -> None:
    target, view = painted(Camera.orbit(40, 0).vector(), mole=False), Camera.orbit(-20, 0).vector()
    found = origins(SphereGenerator(), None, target, view, TuningConfig())[0, 0]
    points = points_seen(view)
    towards = points / RADIUS @ Camera.from_vector(target.camera).position()[0] / 2.7
    x = points[..., 0]
    assert (found[sphere_depth(view)[0, 0] > 3] == 0).all()
    assert (found[(towards > 0.4) & (found > 0)] == SEEN).float().mean() > 0.95
    hidden = (towards < -0.1) & (found > 0)
    assert (found[hidden] == SEEN).float().mean() < 0.05 and (found == MIRRORED).sum() > 50 and x[found == MIRRORED].max() < 0
    assert (origins(SphereGenerator(), None, target, view, TuningConfig(), mirror=False) != MIRRORED).all()
