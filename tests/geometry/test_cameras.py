import math

import pytest
import torch

from symgan_core.geometry import Camera, camera_rays, pixel_rays, project, unproject


def test_frontal_camera_is_the_specified_one() -> None:
    cam = Camera.orbit(0, 0)
    assert torch.allclose(cam.position(), torch.tensor([[0, 0, 2.7]]))
    assert torch.allclose(cam.cam2world[0, :3, :3], torch.diag(torch.tensor([1.0, -1, -1])))


@pytest.mark.parametrize(("yaw", "pitch"), [(30, 0), (-70, 20), (10, -35)])
def test_orbit_stands_where_the_formula_says_and_looks_at_the_pivot(yaw: float, pitch: float) -> None:
    pivot = (0.0, 0.1, 0.2)
    cam = Camera.orbit(yaw, pitch, 2.5, pivot)
    a, b = math.radians(yaw), math.radians(pitch)
    expected = torch.tensor(pivot) + 2.5 * torch.tensor([math.sin(a) * math.cos(b), math.sin(b), math.cos(a) * math.cos(b)])
    assert torch.allclose(cam.position()[0], expected, atol=1e-6)
    assert torch.allclose(cam.position() + 2.5 * cam.cam2world[:, :3, 2], torch.tensor([pivot]), atol=1e-5)
    rotation = cam.cam2world[0, :3, :3]
    assert torch.allclose(rotation @ rotation.T, torch.eye(3), atol=1e-6) and torch.linalg.det(rotation) > 0
    assert cam.yaw_pitch() == pytest.approx((yaw, pitch), abs=1e-3)


def test_positive_yaw_is_the_persons_left_and_positive_pitch_is_above() -> None:
    assert Camera.orbit(30, 0).position()[0, 0] > 0
    assert Camera.orbit(0, 30).position()[0, 1] > 0


def test_mirror_twice_is_the_identity_and_mirrors_the_yaw() -> None:
    cam = Camera.orbit(torch.tensor([25.0, -60.0]), torch.tensor([10.0, -5.0]))
    assert torch.equal(cam.mirror().mirror().vector(), cam.vector())
    assert torch.allclose(cam.mirror().vector(), Camera.orbit(torch.tensor([-25.0, 60.0]), torch.tensor([10.0, -5.0])).vector(), atol=1e-6)


def test_a_mirrored_point_falls_on_the_mirrored_pixel() -> None:
    cam = Camera.orbit(35, 12)
    point = torch.tensor([[[0.13, -0.05, 0.2]]])
    uv, _ = project(point, cam.vector())
    mirrored, _ = project(point * torch.tensor([-1.0, 1, 1]), cam.mirror().vector())
    assert torch.allclose(mirrored[..., 0], 1 - uv[..., 0], atol=1e-6)
    assert torch.allclose(mirrored[..., 1], uv[..., 1], atol=1e-6)


def test_vector_round_trip_and_shape_check() -> None:
    cam = Camera.orbit(15, -4)
    assert torch.equal(Camera.from_vector(cam.vector()).vector(), cam.vector())
    with pytest.raises(ValueError, match="25"):
        Camera.from_vector(torch.zeros(24))
    with pytest.raises(ValueError, match="4, 4"):
        Camera(torch.zeros(1, 3, 4), torch.zeros(1, 3, 3))


def test_rays_are_unit_row_by_row_and_the_first_is_the_top_left() -> None:
    origins, directions = camera_rays(Camera.orbit(0, 0).vector(), 4)
    assert torch.allclose(directions.norm(dim=-1), torch.ones(1, 16))
    assert directions[0, 0, 0] < 0 < directions[0, 0, 1]  # left and up
    assert directions[0, 3, 0] > 0 and directions[0, 12, 1] < 0
    assert torch.allclose(origins, torch.tensor([0, 0, 2.7]).expand_as(origins))


def test_skew_enters_the_ray_as_it_enters_the_projection() -> None:
    cam = Camera.orbit(10, 5)
    cam.intrinsics[:, 0, 1] = 0.3
    uv = torch.tensor([[[0.2, 0.7]]])
    origin, direction = pixel_rays(cam.vector(), uv)
    back, distance = project(origin + 2.6 * direction, cam.vector())
    assert torch.allclose(back, uv, atol=1e-5) and distance.item() == pytest.approx(2.6, abs=1e-5)


def test_unproject_inverts_project() -> None:
    camera = Camera.orbit(-20, 8).vector()
    depth = 2.4 + 0.3 * torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    uv, distance = project(unproject(depth, camera), camera)
    line = (torch.arange(8) + 0.5) / 8
    assert torch.allclose(uv[0, :, :, 0], line.expand(8, 8), atol=1e-5)
    assert torch.allclose(uv[0, :, :, 1], line[:, None].expand(8, 8), atol=1e-5)
    assert torch.allclose(distance, depth[:, 0], atol=1e-5)


def test_zoom_magnifies_about_the_centre() -> None:
    cam, point = Camera.orbit(0, 0), torch.tensor([[[0.1, 0.05, 0.0]]])
    near, _ = project(point, cam.zoomed(2.0).vector())
    far, _ = project(point, cam.vector())
    assert torch.allclose(near - 0.5, 2 * (far - 0.5), atol=1e-6)
