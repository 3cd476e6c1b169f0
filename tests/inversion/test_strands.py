"""Strands in hair that no photo shows."""

import pytest
import torch

from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.generator.decoder import sample_planes
from symgan_core.generator.traits import traits_of
from symgan_core.geometry import Camera
from symgan_core.inversion.guess import WORN, with_haircut
from symgan_core.inversion.labels import HiddenView
from symgan_core.inversion.palette import hair_seen
from symgan_core.inversion.strands import DARKEST, brighter_features, hair_strands, strand_contrast, streaks
from symgan_core.inversion.target import Target

STYLE = 3
"""Long hair."""


@pytest.fixture(scope="module")
def generator() -> TriPlaneGenerator:
    return load_generator("builtin", "cpu")


@pytest.fixture(scope="module")
def planes(generator: TriPlaneGenerator) -> torch.Tensor:
    """The mean face with one haircut."""
    traits = traits_of(generator.config)
    found = with_haircut(traits.read(generator.backbone.mapping.w_avg), STYLE, traits)
    for part in WORN:
        found[traits.places[part]] = 0
    w = traits.write(found)
    with torch.no_grad():
        return generator.planes(w.expand(1, generator.config.num_ws, -1))


def photo_of(generator: TriPlaneGenerator, planes: torch.Tensor, contrast: float) -> Target:
    """The head from in front, with stripes in its hair."""
    camera = generator.frontal_camera()
    with torch.no_grad():
        seen = generator.view(planes, None, camera)
    image = seen.image.clamp(-1, 1)
    stripes = contrast * torch.sin(torch.arange(image.shape[-1]) * 1.6) * (hair_seen(image))
    return Target(((image + 1) * stripes.exp() - 1).clamp(-1, 1), (seen.image_opacity > 0.9).float(), camera)


def side_view(size: int) -> HiddenView:
    """The right side behind the ears."""
    hidden = torch.zeros(1, 1, size, size)
    hidden[..., : size // 2] = 1
    return HiddenView(Camera.orbit(-80, 0).vector(), hidden)


@torch.no_grad()
def test_hidden_hair_gets_strands_and_nothing_else_changes(generator: TriPlaneGenerator, planes: torch.Tensor) -> None:
    target = photo_of(generator, planes, 0.3)
    view = side_view(target.image.shape[-1])
    offset = hair_strands(generator, planes, target, [view])
    before, after = (generator.view(x, None, view.camera) for x in (planes, planes + offset))
    hair = hair_seen(before.image) & (view.hidden > 0)
    photos = strand_contrast(target.image, hair_seen(target.image))
    assert photos > 0.1
    was, now = strand_contrast(before.image, hair), strand_contrast(after.image, hair)
    assert was < 0.1 * photos and 0.25 * photos < now < 0.8 * photos, (was, now, photos)
    colours = (after.image - before.image).mean((2, 3))
    assert colours.abs().max() < 0.02  # neither brighter nor tinted
    assert (after.image_opacity - before.image_opacity).abs().mean() < 2e-3 and (after.image_depth - before.image_depth).abs().mean() < 1e-3
    face = [generator.view(x, None, target.camera).image[..., 110:200, 90:166] for x in (planes, planes + offset)]
    assert (face[0] - face[1]).abs().max() < 0.05


@torch.no_grad()
def test_smooth_hair_no_hair_and_no_hidden_hair_ask_for_no_strands(generator: TriPlaneGenerator, planes: torch.Tensor) -> None:
    plain = photo_of(generator, planes, 0.0)
    striped = photo_of(generator, planes, 0.3)
    bald = Target(torch.full_like(plain.image, 0.3), plain.mask, plain.camera)
    view = side_view(plain.image.shape[-1])
    for target, views in ((plain, [view]), (bald, [view]), (striped, []),
                          (striped, [HiddenView(view.camera, torch.zeros_like(view.hidden))])):
        assert not hair_strands(generator, planes, target, views).any()
    assert strand_contrast(plain.image, torch.zeros_like(plain.mask) > 0) == 0


def test_streaks_are_long_from_top_to_bottom() -> None:
    noise = streaks(128)
    assert noise.shape == (1, 1, 128, 128) and float(noise.std()) == pytest.approx(1)
    across, along = noise.diff(dim=3).abs().mean(), noise.diff(dim=2).abs().mean()
    assert across > 4 * along and torch.equal(noise, streaks(128))


@torch.no_grad()
def test_features_brighten_as_asked_and_black_hair_stays_black(generator: TriPlaneGenerator, planes: torch.Tensor) -> None:
    points = torch.tensor([[[x, 0.05, -0.1] for x in torch.linspace(-0.15, 0.15, 200)]])
    features = sample_planes(planes, points, generator.projections, generator.config.box_warp)[0]
    gained = []
    for shade in (0.0, -9.0):
        dark = generator.with_own(["decoder"])
        dark.decoder.add_to_colours(torch.zeros(3, dark.config.decoder_hidden), torch.full((3,), shade))
        change = brighter_features(dark, features)
        assert change.norm() < 4.01 * features.std(0).norm()
        was, now = ((dark.decoder(f[None])[1][0, :3] + DARKEST).log().mean() for f in (features, features + 0.05 * change))
        gained.append(float(now - was))
    assert gained[0] == pytest.approx(0.05, rel=0.3) and 0 <= gained[1] < 0.01
