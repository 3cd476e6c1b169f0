"""The last look at a face's points: patches and maps."""

import torch

from symgan_core.faces.frames import points_in_squares
from symgan_core.faces.maps import JAW, LANDMARKS, MIRRORED, heat_line
from symgan_core.faces.points import (
    GROUPS,
    HALF,
    PointNetwork,
    finer_points,
    gather_points,
    group_squares,
    in_patch,
    patch_points,
)


def faces(count: int) -> torch.Tensor:
    torch.manual_seed(0)
    return 100 + 50 * torch.rand(count, LANDMARKS, 2)


def test_patches_show_every_point_and_halves_are_mirror_images() -> None:
    shown = [n for patch in range(2 * HALF) for n in patch_points(patch)]
    assert sorted(set(shown)) == list(range(JAW, LANDMARKS)) and len(shown) == 2 * sum(map(len, GROUPS))
    points = faces(2)
    mirror_image = (points * torch.tensor([-1.0, 1]))[:, list(MIRRORED)]
    assert torch.allclose(group_squares(mirror_image), group_squares(points).roll(HALF, 1) * torch.tensor([1.0, 1, -1, 1]), atol=1e-4)


def test_points_come_back_from_maps_that_hold_them() -> None:
    points = faces(3)
    squares = group_squares(points) * torch.tensor([3.0, 3, 1, 1])  # so wide that each patch shows all of its points
    maps = []
    for patch in range(2 * HALF):
        places = in_patch(points_in_squares(points[:, patch_points(patch)], squares[:, patch]), patch)
        line = heat_line(torch.zeros(32, 32))
        across, down = ((line - places[..., i, None]).square() for i in (0, 1))
        maps.append(-(down[..., None] + across[..., None, :]) / (2 * 0.03**2))
    assert torch.allclose(gather_points(maps, squares), points[:, JAW:], atol=0.1)


def test_the_network_reads_a_mirror_image_as_one() -> None:
    torch.manual_seed(0)
    network, image, points = PointNetwork().eval(), torch.rand(1, 3, 120, 120), faces(1)[0] - 70
    found = finer_points(image, points, network)
    mirrored = finer_points(image.flip(3), (points * torch.tensor([-1.0, 1]) + torch.tensor([120.0, 0]))[list(MIRRORED)], network)
    assert torch.allclose((mirrored * torch.tensor([-1.0, 1]) + torch.tensor([120.0, 0]))[list(MIRRORED)], found, atol=1e-2)
    assert torch.equal(found[:JAW], points[:JAW]) and not torch.equal(found, points)
