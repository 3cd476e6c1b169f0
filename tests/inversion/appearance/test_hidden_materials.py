"""What of a head is hair and skin, and what the photo says of them."""

from dataclasses import replace

import pytest
import torch

from symgan_core.faces import shares_of
from symgan_core.generator import Head, TriPlaneGenerator, load_generator
from symgan_core.geometry import unproject
from symgan_core.geometry.volume import box_points
from symgan_core.inversion import make_target
from symgan_core.inversion.appearance.hidden_materials import (
    CELLS,
    CORE,
    EAR,
    MOST_GRAIN,
    _ears,
    _uncovered,
    hair_contrast,
    hidden_materials,
    skin_and_hair,
    skin_contrast,
)
from symgan_core.inversion.target.target import Target
from tests.inversion.heads import photo_of


@pytest.fixture(scope="module")
def builtin() -> TriPlaneGenerator:
    return load_generator()


@pytest.fixture(scope="module")
def target(builtin: TriPlaneGenerator) -> Target:
    image, mask, camera = photo_of(builtin, 20)
    return make_target(image, camera, mask, builtin)


@pytest.fixture(scope="module")
def ws(builtin: TriPlaneGenerator) -> torch.Tensor:
    return builtin.backbone.mapping.w_avg.expand(1, builtin.config.num_ws, -1).clone()


@torch.no_grad()
def test_the_back_of_the_head_is_hair_and_the_face_is_skin(builtin: TriPlaneGenerator, ws: torch.Tensor) -> None:
    head, half = Head.of(builtin, ws), builtin.config.box_warp / 2
    shares = {}
    for name, volume in zip(("skin", "hair"), skin_and_hair(builtin, ws, builtin.traits), strict=True):
        for side, yaw, rows, columns in (("face", 0.0, slice(60, 85), slice(45, 83)), ("back", 180.0, slice(30, 60), slice(45, 83))):
            camera = head.orbit(yaw)
            points = unproject(head.view(camera, 128).image_depth, camera)[:, rows, columns]
            shares[name, side] = float(torch.nn.functional.grid_sample(volume, points[:, None] / half, align_corners=True).mean())
    assert shares["hair", "back"] > 0.9 and shares["hair", "face"] < 0.1, shares
    assert shares["skin", "face"] > 0.7 and shares["skin", "back"] < 0.2, shares


@torch.no_grad()
@pytest.mark.parametrize("yaw", [-70.0, 70.0])
def test_an_ear_stays_as_it_is(builtin: TriPlaneGenerator, ws: torch.Tensor, yaw: float) -> None:
    head, half = Head.of(builtin, ws), builtin.config.box_warp / 2
    camera = head.orbit(yaw)
    points = unproject(head.view(camera, 128).image_depth, camera)
    on_ear = (points - points.new_tensor(EAR) * points.new_tensor([1.0 if yaw > 0 else -1.0, 1.0, 1.0])).norm(dim=-1) < 0.03
    assert on_ear.sum() > 50
    for volume in skin_and_hair(builtin, ws, builtin.traits):
        share = torch.nn.functional.grid_sample(volume, points[:, None] / half, align_corners=True)[0, 0]
        assert share[on_ear].mean() < 0.1


def test_colours_are_those_of_the_photo(builtin: TriPlaneGenerator, ws: torch.Tensor, target: Target) -> None:
    skin, hair = hidden_materials(builtin, ws, target)
    assert skin.strands == hair.grain == 0 < min(hair.strands, skin.grain)
    regions = shares_of(target.image, ("skin",), ("hair",))
    for material, region in zip((skin, hair), regions, strict=True):
        there = (region > 0.6) & (target.mask > 0.9)
        photo = (target.image / 2 + 0.5)[0][:, there[0, 0]].mean(1)
        found = material.colours.at(photo.mean().reshape(1, 1))[0]
        assert (found - photo).abs().max() < 0.06


@torch.no_grad()
def test_an_ear_under_long_hair_is_hair(builtin: TriPlaneGenerator, ws: torch.Tensor) -> None:
    """Hair that lies over the middle of the left ear makes that one hair, and not the other one."""
    points = box_points(CELLS, builtin.config.box_warp, ws.device)
    ears = _ears(points)[None, None] > CORE
    hair = (points[..., 0] > EAR[0]).float()[None, None]
    found = _uncovered(points[..., 0], hair, ears)[0, 0]
    assert found[points[..., 0] > 0].max() == 0 and found[points[..., 0] < 0].min() == 1


def test_of_what_the_photo_does_not_show_nothing_is_said(builtin: TriPlaneGenerator, ws: torch.Tensor, target: Target) -> None:
    assert hidden_materials(builtin, ws, replace(target, mask=torch.zeros_like(target.mask))) == ()
    assert hidden_materials(builtin, ws, replace(target, picture=None)) == ()


def test_contrast_is_that_of_strands_and_not_of_light() -> None:
    """Stripes of 8 pixels beside a slope over the whole picture."""
    line = torch.arange(512).float()
    stripes = 0.2 * torch.sin(line * 2 * torch.pi / 8)
    slope = (line / 512 - 0.5)[:, None].expand(-1, 512)
    hair, found = torch.ones(1, 1, 256, 256), []
    for strength in (0.0, 0.5, 1.0):
        light = (slope + strength * stripes).exp() * 0.3 - 0.03
        picture = torch.cat([(2 * light - 1).expand(1, 3, -1, -1), torch.ones(1, 1, 512, 512)], 1)
        found.append(hair_contrast(picture, hair))
    assert found[0] < 0.01 and 1.8 < found[2] / found[1] < 2.2 and 0.08 < found[2] < 0.13


def test_grain_is_that_of_pores_and_not_of_lines() -> None:
    """Noise on skin, with and without a few dark lines; none of it is more than the most."""
    noise, found = torch.randn(1, 512, 512, generator=torch.Generator().manual_seed(0)), []
    for strength, lines in ((0.0, False), (0.02, False), (0.02, True), (1.0, False)):
        light = (strength * noise).exp() * 0.3 - 0.03
        if lines:
            light[:, ::120] *= 0.5
        picture = torch.cat([(2 * light - 1).clamp(-1, 1).expand(1, 3, -1, -1), torch.ones(1, 1, 512, 512)], 1)
        found.append(skin_contrast(picture, torch.ones(1, 1, 256, 256)))
    assert found[0] < 1e-3 and 0.008 < found[1] < 0.012 and found[2] < 1.3 * found[1] and found[3] == MOST_GRAIN
