"""The photo's detail on a constructed head: a grey sphere whose pictures have a fine pattern."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from symgan_core.generator import Synthesized
from symgan_core.geometry import Camera, facing, mirror_image, project, unproject
from symgan_core.portrait import Detail, DetailPicture
from symgan_core.portrait.detail import INVENTED, MIRRORED, SEEN
from tests.inversion.sphere import sphere_depth

SIZE = 256


def camera_at(yaw: float) -> Tensor:
    return Camera.orbit(yaw, 0).vector()


def pattern(points: Tensor) -> Tensor:
    """``[1, 3, H, W]``: stripes of about eight pixels on the sphere's surface."""
    x, y, z = points.unbind(-1)
    return (0.5 * torch.sin(160 * y) * torch.sin(160 * torch.atan2(x, z) * 0.2))[:, None].expand(-1, 3, -1, -1)


def grey(camera: Tensor) -> Synthesized:
    depth = sphere_depth(camera, SIZE)
    opacity = (depth < 3).float()
    image = (1 - opacity).expand(-1, 3, -1, -1)
    return Synthesized(image, image, depth, opacity)


def truth(camera: Tensor, size: int = SIZE) -> tuple[Tensor, Tensor]:
    """Picture on white, and mask."""
    depth = sphere_depth(camera, size)
    mask = (depth < 3).float()
    return pattern(unproject(depth, camera)) * mask + 1 - mask, mask


def picture(yaw: float, size: int = 512, fine: bool = False, added: float = 0.0) -> DetailPicture:
    camera = camera_at(yaw)
    image, mask = truth(camera, size)
    trust = -F.max_pool2d(-F.interpolate(mask, (SIZE, SIZE)), 7, 1, 3)
    return DetailPicture((image + added) * mask + 1 - mask, mask, trust, camera, fine)


def error(image: Tensor, camera: Tensor, where: Tensor) -> float:
    return float((image - truth(camera)[0]).abs().mean(1, keepdim=True)[where].mean())


def test_at_its_own_camera_the_view_is_the_picture() -> None:
    detail = Detail([picture(10)], grey)
    view = detail.added_to(grey(camera_at(10)), camera_at(10))
    assert (view.image - truth(camera_at(10))[0]).abs().mean() < 0.02
    assert view.image.shape == (1, 3, SIZE, SIZE) and view.image_opacity.shape == (1, 1, SIZE, SIZE)


@pytest.mark.parametrize("size", [512, 1024])
def test_other_sides_show_it_where_it_was_seen_well(size: int) -> None:
    here, there = camera_at(0), camera_at(25)
    view = grey(there)
    points = unproject(view.image_depth, there)
    uv, _ = project(points, here)
    seen = F.grid_sample(facing(sphere_depth(here, SIZE), here), uv * 2 - 1, align_corners=False)
    toward = (F.normalize(points, dim=-1) * F.normalize(Camera.from_vector(here).position(), dim=-1)).sum(-1)[:, None]
    inner = (-F.max_pool2d(-view.image_opacity, 21, 1, 10)) > 0
    well = inner & (seen > 0.75) & (toward > 0.7)
    out = Detail([picture(0, size)], grey).added_to(view, there)
    assert well.sum() > 3000
    assert error(out.image, there, well) < 0.35 * error(view.image, there, well)


def test_the_back_of_the_head_knows_nothing_of_it() -> None:
    camera = camera_at(75)
    view = grey(camera)
    behind = (unproject(view.image_depth, camera)[..., 2] < 0.03)[:, None] & (view.image_opacity > 0)
    out = Detail([picture(0)], grey).added_to(view, camera)
    assert behind.sum() > 1000 and torch.equal(out.image[:, :1][behind], view.image[:, :1][behind])
    assert not torch.equal(out.image, view.image)


def test_what_is_not_trusted_is_shown_near_the_camera_alone() -> None:
    plain = picture(0)
    detail = Detail([DetailPicture(plain.image, plain.mask, torch.zeros_like(plain.trust), plain.camera)], grey)
    own, near, far = (detail.added_to(grey(camera_at(yaw)), camera_at(yaw)).image - grey(camera_at(yaw)).image for yaw in (0, 4, 30))
    assert own.abs().mean() > near.abs().mean() > 10 * far.abs().mean()


def test_a_fine_picture_lends_no_colour() -> None:
    tinted = picture(0, fine=True, added=0.4)
    view = Detail([tinted], grey).added_to(grey(camera_at(20)), camera_at(20)).image
    inner = view[..., 100:156, 110:150]
    assert abs(float(inner.mean())) < 0.04 and float(inner.std()) > 0.1


def test_the_second_picture_fills_what_the_first_does_not_show() -> None:
    first, camera = picture(40), camera_at(-40)
    second = DetailPicture(mirror_image(first.image), mirror_image(first.mask), mirror_image(first.trust), camera, True)
    alone, both = (Detail(pictures, grey) for pictures in ([first], [first, second]))
    for yaw, more in ((40.0, False), (-50.0, True)):
        a, b = (d.added_to(grey(camera_at(yaw)), camera_at(yaw)).image for d in (alone, both))
        assert ((a - b).abs().mean() > 0.02) == more


def test_on_an_edited_head_it_lies_where_it_was_pulled_from() -> None:
    camera, shift = camera_at(0), torch.tensor([0.0, 0.02, 0.0])
    detail = Detail([picture(0)], grey)
    still = detail.added_to(grey(camera), camera).image
    moved = detail.added_to(grey(camera), camera, lambda points: (points - shift, torch.ones_like(points[..., :1]))).image
    rows = round(0.02 * SIZE * float(Camera.from_vector(camera).intrinsics[0, 0, 0]) / 2.5)
    box = (slice(None), slice(None), slice(100, 150), slice(100, 150))
    assert (moved[box] - still.roll(-rows, 2)[box]).abs().mean() < 0.5 * (moved[box] - still[box]).abs().mean()


def test_points_of_a_mesh_get_the_pictures_colours() -> None:
    normals = F.normalize(torch.tensor([[0.2, 0.1, 1.0], [-0.1, 0.3, 1.0], [0.0, 0.1, -1.0]]), dim=1)
    found = Detail([picture(0)], grey).at_points(torch.full((3, 3), 0.5), 0.2 * normals, normals, torch.ones(3, 1))
    wanted = pattern((0.2 * normals)[None, None])[0, :, 0].T / 2 + 0.5
    assert (found[:2] - wanted[:2]).abs().max() < 0.06 and (found[2] == 0.5).all()


def test_a_background_that_the_generator_renders_stays() -> None:
    def before_green(camera: Tensor) -> Synthesized:
        out = grey(camera)
        green = torch.tensor([-1.0, 0.5, -1.0])[:, None, None]
        image = torch.where(out.image_opacity > 0, out.image, green)
        return Synthesized(image, image, out.image_depth, torch.ones_like(out.image_opacity))

    camera = camera_at(10)
    plain, view = before_green(camera), Detail([picture(10)], before_green, on_white=False).added_to(before_green(camera), camera)
    head = -F.max_pool2d(-truth(camera)[1], 5, 1, 2) > 0
    beyond = F.max_pool2d(truth(camera)[1], 5, 1, 2) == 0
    assert error(view.image, camera, head) < 0.03 < 0.1 < error(plain.image, camera, head)
    assert torch.equal(view.image[:, 1:2][beyond], plain.image[:, 1:2][beyond]) and (view.image_opacity == 1).all()


def test_sources_say_what_the_photo_and_its_mirror_show() -> None:
    first, camera = picture(40), camera_at(0)
    second = DetailPicture(mirror_image(first.image), mirror_image(first.mask), mirror_image(first.trust), camera_at(-40), True)
    view, points = grey(camera), unproject(grey(camera).image_depth, camera)
    head, x = view.image_opacity > 0, points[..., 0][:, None] / 0.2
    found = Detail([first, second], grey).sources(view, camera)
    photo_side = 1 if Camera.from_vector(first.camera).position()[..., 0] > 0 else -1
    assert (found[~head] == 0).all()
    assert (found[head & (photo_side * x > 0)] == SEEN).float().mean() > 0.95
    assert (found[head & (photo_side * x < -0.6) & (photo_side * x > -0.85)] == MIRRORED).float().mean() > 0.9
    alone = Detail([first], grey).sources(view, camera)
    assert (alone[head & (photo_side * x < -0.6)] == INVENTED).float().mean() > 0.95
    behind = camera_at(180)
    assert (Detail([first], grey).sources(grey(behind), behind)[head] == INVENTED).float().mean() > 0.8
    from_inside = Detail([first], grey).sources(view, camera, lambda points: (points, torch.zeros_like(points[..., :1])))
    assert set(from_inside.unique().tolist()) == {0, INVENTED}


def before_a_wall(camera: Tensor, size: int = SIZE) -> Synthesized:
    """The sphere before a wall, all of one grey."""
    near, far = (unproject(torch.full((1, 1, size, size), depth), camera) for depth in (1.0, 2.0))
    sight = far - near
    wall = ((-0.5 - (near - sight)[..., 2]) / sight[..., 2])[:, None]
    depth = sphere_depth(camera, size)
    depth = torch.where(depth < 3, depth, wall)
    image = torch.zeros(1, 3, size, size)
    return Synthesized(image, image, depth, torch.ones_like(depth))


def test_an_outline_in_front_of_what_was_hidden_is_no_line_there() -> None:
    """The picture differs from the render along the sphere's outline alone."""
    here, there = camera_at(0), camera_at(6)
    sphere = (sphere_depth(here, 512) < 3).float()
    rim = (sphere + F.max_pool2d(-sphere, 9, 1, 4)).clamp(0, 1)
    shown = DetailPicture((0.8 * rim).expand(-1, 3, -1, -1), torch.ones_like(rim), torch.ones(1, 1, SIZE, SIZE), here)
    detail = Detail([shown], before_a_wall)
    assert detail.added_to(before_a_wall(here), here).image.max() > 0.5
    view = before_a_wall(there)
    uv, distance = project(unproject(view.image_depth, there), here)
    seen = F.grid_sample(before_a_wall(here).image_depth, uv * 2 - 1, align_corners=False)
    hidden = (distance[:, None] - seen > 0.05).float()
    beside = F.max_pool2d(hidden, 5, 1, 2) > 0
    line = detail.added_to(view, there).image.abs().amax(1, keepdim=True)[beside]
    assert hidden.sum() > 1000 and line.mean() < 0.002
