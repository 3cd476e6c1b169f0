import pytest
import torch

from symgan_core.geometry import Camera, DepthView, camera_rays, mirror_image, mirror_weight, project, warp_to_view


def plane(camera: torch.Tensor, resolution: int, z: float) -> DepthView:
    """The world plane at height z."""
    origins, directions = camera_rays(camera, resolution)
    return DepthView(camera, ((z - origins[..., 2]) / directions[..., 2]).reshape(1, 1, resolution, resolution))


def test_a_warp_along_a_plane_moves_a_pixel_where_the_formula_says() -> None:
    size, source, target = 64, Camera.orbit(0, 0).vector(), Camera.orbit(18, 6).vector()
    line = (torch.arange(size) + 0.5) / size
    picture = torch.stack([line.expand(size, size), line[:, None].expand(size, size), torch.zeros(size, size)])[None]
    warp = warp_to_view(picture, plane(source, size, 0.1), plane(target, size, 0.1))
    origins, directions = camera_rays(target, size)
    points = origins + directions * ((0.1 - origins[..., 2]) / directions[..., 2])[..., None]
    uv, _ = project(points, source)
    inner = ((uv > 1 / size) & (uv < 1 - 1 / size)).all(-1).reshape(size, size)  # further out the picture's border repeats
    seen = (warp.visible[0, 0] > 0) & inner
    assert seen.float().mean() > 0.5
    # The picture holds its own coordinates, so the warped colour is the place it came from.
    assert (warp.image[0, :2].permute(1, 2, 0) - uv.reshape(size, size, 2))[seen].abs().max() < 2e-3


def test_warp_to_itself_is_the_identity() -> None:
    camera = Camera.orbit(10, 0).vector()
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    view = plane(camera, 32, 0.0)
    warp = warp_to_view(picture, view, view)
    assert torch.allclose(warp.image, picture, atol=1e-3) and (warp.visible == 1).all()


def test_what_another_surface_hides_is_not_visible() -> None:
    camera = Camera.orbit(0, 0).vector()
    near, far = plane(camera, 16, 0.2), plane(camera, 16, -0.2)
    picture = torch.zeros(1, 3, 16, 16)
    assert warp_to_view(picture, near, far).visible.sum() == 0
    assert warp_to_view(picture, near, far, tolerance=0.5).visible.sum() > 0


def test_the_sources_mask_limits_what_is_visible() -> None:
    camera = Camera.orbit(0, 0).vector()
    view = plane(camera, 16, 0.0)
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., :8] = 1
    warp = warp_to_view(torch.zeros(1, 3, 16, 16), view, view, mask)
    assert (warp.visible[..., :7] == 1).all() and (warp.visible[..., 9:] == 0).all()


def test_mirrored_image_twice_is_the_identity() -> None:
    picture = torch.rand(1, 3, 5, 7)
    assert torch.equal(mirror_image(mirror_image(picture)), picture)
    assert torch.equal(mirror_image(picture)[..., 0], picture[..., -1])


@pytest.mark.parametrize(("yaw", "weight"), [(0, 0), (11, 0), (30, 0.4501), (-30, 0.4501), (60, 0.49961)])
def test_mirror_weight_follows_spi(yaw: float, weight: float) -> None:
    import math

    y = math.radians(abs(yaw))
    formula = (1 - math.exp(-(y**2) / (2 * 0.29**2)) / (0.29 * math.sqrt(2 * math.pi)) / 2.7) / 2 if y >= 0.2 else 0
    assert mirror_weight(yaw) == pytest.approx(formula, abs=1e-12)
    assert mirror_weight(yaw) == pytest.approx(weight, abs=1e-3)
