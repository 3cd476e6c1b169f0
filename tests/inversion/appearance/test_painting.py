"""The photo on the planes in one pass."""

from dataclasses import replace

import pytest
import torch

from symgan_core.generator import Head, TriPlaneGenerator, load_generator
from symgan_core.geometry.images import eroded
from symgan_core.inversion.appearance.offset import PlanesOffset
from symgan_core.inversion.appearance.painting import backproject_colors
from symgan_core.inversion.target.target import Target
from symgan_core.inversion.views.warping import PhotoWarp
from tests.conftest import TINY

LEVELS = (1, 2, 4)


def pattern(size: int) -> torch.Tensor:
    """A picture ``[1, 3, size, size]`` that no head has: broad stripes, one colour across another."""
    line = torch.linspace(0, 12, size)
    return 0.5 * torch.stack([line.sin()[:, None].expand(size, size), line.cos()[None].expand(size, size), torch.zeros(size, size)])[None]


@pytest.mark.parametrize("yaw", [0.0, 30.0])
def test_what_the_photo_shows_is_painted_and_nothing_else_changes(yaw: float) -> None:
    generator = load_generator("builtin", "cpu")
    head = mean_head(generator)
    camera, behind = head.orbit(yaw), head.orbit(yaw + 180)
    shown, back = (head.render(view) for view in (camera, behind))
    photo = paler(shown.features) + 0.3 * pattern(shown.opacity.shape[-1])
    offset = PlanesOffset(torch.zeros_like(head.planes), LEVELS)
    backproject_colors(head, Target(photo, shown.opacity, camera), PhotoWarp(grazing=0.4), offset)
    assert all(level.requires_grad for level in offset.levels)
    painted, hidden = (generator.render(head.planes + offset.total(), view) for view in (camera, behind))
    inside = eroded(shown.opacity, 7) > 0.99
    was, now = (difference(x.features, photo, inside) for x in (shown, painted))
    assert was > 0.15 and now < 0.5 * was, (was, now)
    assert difference(painted.opacity, shown.opacity, inside) < 0.002 and difference(painted.depth, shown.depth, inside) < 0.002
    assert difference(hidden.features, back.features, back.opacity > 0.9) < 0.15 * was


def test_without_a_mask_or_with_a_super_resolution_nothing_is_painted(tiny: TriPlaneGenerator) -> None:
    plain = TriPlaneGenerator(replace(TINY, superresolution=None)).eval().requires_grad_(False)
    planes = torch.randn(1, 3, TINY.plane_channels, 16, 16, generator=torch.Generator().manual_seed(0))
    photo, mask = pattern(TINY.image_resolution), torch.ones(1, 1, TINY.image_resolution, TINY.image_resolution)
    for generator, soft in ((plain, None), (tiny, mask)):
        offset = PlanesOffset(torch.zeros_like(planes), LEVELS)
        head = Head(generator, torch.zeros(1, TINY.num_ws, TINY.w_dim), planes)
        backproject_colors(head, Target(photo, soft, generator.frontal_camera()), PhotoWarp(grazing=0.4), offset)
        assert not offset.total().any()


def paler(image: torch.Tensor) -> torch.Tensor:
    """``image [1, 3, H, W]`` in other colours."""
    return (image + torch.tensor([0.2, -0.1, -0.3])[:, None, None]).clamp(-1, 1)


def difference(one: torch.Tensor, other: torch.Tensor, where: torch.Tensor) -> float:
    return float((one - other).abs().mean(1, keepdim=True)[where].mean())


def mean_head(generator: TriPlaneGenerator) -> Head:
    return Head.of(generator, generator.backbone.mapping.w_avg.expand(1, generator.config.num_ws, -1))
