"""The photo's palette for the whole head."""

import math
from dataclasses import replace

import pytest
import torch

from symgan_core.faces import shares_of
from symgan_core.generator import Head, TriPlaneGenerator, load_generator
from symgan_core.geometry import Camera
from symgan_core.inversion import Portrait3D
from symgan_core.inversion.appearance.palette import (
    CLASSES,
    HAIR,
    SKIN,
    ClassColors,
    adapt_palette,
    fit_class_colors,
    fit_tone_curve,
    layer_change,
    plain_map,
)
from symgan_core.inversion.target.target import Target
from symgan_core.portrait.colour_line import ColourLine
from tests.conftest import TINY


def test_the_plain_map_is_found_in_spite_of_what_differs_otherwise() -> None:
    rng = torch.Generator().manual_seed(0)
    source = 2 * torch.randn(500, 3, generator=rng)
    gain, bias = torch.tensor([0.9, 1.1, 0.8]), torch.tensor([0.5, -0.2, 0.3])
    aim = source * gain + bias
    aim[:40] = -3.5  # as an open mouth
    found = plain_map(source, aim)
    assert torch.allclose(found[0], gain, atol=0.05) and torch.allclose(found[1], bias, atol=0.1)


def test_skin_and_hair_change_each_on_its_own_and_what_is_unknown_plainly() -> None:
    """Inputs say of what a point is; the photo shows the first two of three stuffs."""
    rng = torch.Generator().manual_seed(0)
    kind = torch.eye(3)[torch.randint(3, (900,), generator=rng)] + 0.02 * torch.randn(900, 3, generator=rng)
    seen = kind[kind[:, 2] < 0.5]
    wanted = torch.tensor([[0.8, 0.0, -0.4], [-0.5, 0.3, 0.2]])
    plain = torch.tensor([0.1, 0.1, -0.1])
    weight, bias = layer_change(seen, seen[:, :2] @ wanted, kind, plain.expand(900, 3))
    for k in range(2):
        change = weight @ torch.eye(3)[k] + bias
        assert (change - wanted[k]).norm() < 0.4 * (plain - wanted[k]).norm()
    unknown = weight @ torch.eye(3)[2] + bias
    assert (unknown - plain).norm() < 0.35


def test_too_little_in_common_changes_nothing() -> None:
    generator = TriPlaneGenerator(replace(TINY, superresolution=None)).eval().requires_grad_(False)
    camera, size = generator.frontal_camera(), TINY.image_resolution
    target = Target(torch.zeros(1, 3, size, size), torch.zeros(1, 1, size, size), camera)
    planes = torch.randn(1, 3, TINY.plane_channels, 16, 16, generator=torch.Generator().manual_seed(0))
    ws = torch.zeros(1, TINY.num_ws, TINY.w_dim)
    assert adapt_palette(Head(generator, ws, planes), target) is generator


def test_the_head_takes_the_colours_and_keeps_its_shape(tiny: TriPlaneGenerator) -> None:
    torch.manual_seed(0)
    plain = TriPlaneGenerator(replace(TINY, superresolution=None)).eval().requires_grad_(False)
    plain.decoder.net[2].bias[0] += 100  # all of the box is matter
    before = {k: v.clone() for k, v in plain.state_dict().items()}
    ws = plain.mapping(torch.randn(1, TINY.z_dim, generator=torch.Generator().manual_seed(1)), plain.frontal_camera())
    planes, camera = plain.planes(ws), plain.frontal_camera()
    seen = plain.render(planes, camera, plain.config.image_resolution)
    photo = torch.tensor([0.3, -0.2, -0.5]).reshape(1, 3, 1, 1).expand_as(seen.features).contiguous()
    target = Target(photo, torch.ones_like(seen.opacity), camera)
    tinted = adapt_palette(Head(plain, ws, planes), target)
    after = tinted.render(planes, camera, plain.config.image_resolution)
    solid = (seen.opacity > 0.9).expand_as(photo)
    assert solid.float().mean() > 0.3
    assert torch.equal(after.opacity, seen.opacity) and torch.equal(after.depth, seen.depth)
    assert (after.features - photo).abs()[solid].mean() < 0.3 * (seen.features - photo).abs()[solid].mean()
    assert all(torch.equal(before[k], v) for k, v in plain.state_dict().items())  # the generator that others use stays as it was
    assert adapt_palette(Head.of(tiny, ws), target) is tiny  # its colours go through a super-resolution


INKS = {"grey": (torch.zeros(3), torch.ones(3)), "sepia": (torch.tensor([0.6, 0.0, -0.6]), torch.tensor([0.95, 1.0, 1.05]))}


def in_ink(bias: torch.Tensor, gain: torch.Tensor, size: int = 128) -> Target:
    """A photo of light and shade, in one ink."""
    shade = 1.5 * torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(3))
    shade = torch.nn.functional.avg_pool2d(shade, 9, 1, 4) * 6
    image = (bias.reshape(1, 3, 1, 1) + gain.reshape(1, 3, 1, 1) * shade).sigmoid() * 2 - 1
    return Target(image, torch.ones(1, 1, size, size), torch.zeros(1, 25))


@pytest.mark.parametrize("ink", INKS)
def test_a_photo_in_one_ink_gives_a_head_in_that_ink(ink: str) -> None:
    torch.manual_seed(0)
    plain = TriPlaneGenerator(replace(TINY, superresolution=None)).eval().requires_grad_(False)
    plain.decoder.net[2].bias[0] += 100
    ws = plain.mapping(torch.randn(1, TINY.z_dim, generator=torch.Generator().manual_seed(1)), plain.frontal_camera())
    planes, camera, (bias, gain) = plain.planes(ws), plain.frontal_camera(), INKS[ink]
    tinted = adapt_palette(Head(plain, ws, planes), replace(in_ink(bias, gain), camera=camera))
    behind = tinted.render(planes, Camera.orbit(180, 0).vector(), 32)
    logits = ((behind.features / 2 + 0.5).clamp(1e-4, 1 - 1e-4))[0][:, behind.opacity[0, 0] > 0.99].T.logit()
    shade = logits.mean(1, keepdim=True)
    assert len(shade) > 100 and shade.std() > 0.01
    assert (logits - (bias + gain * shade)).abs().max() < 0.05


def test_teeth_in_the_photo_are_not_the_colour_of_an_open_mouth() -> None:
    """The photo has the head's own colours, but where its lips are closed it laughs."""
    generator = load_generator("builtin", "cpu")
    camera = generator.frontal_camera()
    ws = generator.backbone.mapping.w_avg.expand(1, generator.config.num_ws, -1).contiguous()
    head = Head.of(generator, ws)
    seen = head.view(camera)
    lips = shares_of(seen.image, ("mouth",))[0] > 0.3
    photo = torch.where(lips, torch.tensor([0.9, 0.9, 1.0]).reshape(1, 3, 1, 1), seen.image)
    tinted = adapt_palette(head, Target(photo, (seen.image_opacity > 0.5).float(), camera))
    inside = generator.open_mouth()
    before, after = (Head.of(g, inside).view(camera).image for g in (generator, tinted))
    open_mouth = (shares_of(before, ("mouth",))[0] > 0.6).expand_as(before)
    assert (after - before)[open_mouth].abs().mean() < 0.1


def test_which_photos_are_in_one_ink() -> None:
    sepia, noise = in_ink(*INKS["sepia"]), torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(4))
    assert fit_tone_curve(sepia) is not None and fit_tone_curve(replace(sepia, mask=None)) is None
    assert fit_tone_curve(replace(sepia, image=(sepia.image + 0.03 * noise).clamp(-1, 1))) is not None  # a file's grain
    lips = sepia.image.clone()
    lips[:, 0, 80:100, 50:80] += 0.3
    for image in (lips, photo_with_hair(128).image, torch.full_like(lips, 0.2)):
        assert fit_tone_curve(replace(sepia, image=image.clamp(-1, 1))) is None


def test_a_portrait_keeps_its_palette(tmp_path) -> None:
    generator = load_generator("builtin", "cpu")
    camera = generator.frontal_camera()
    ws = generator.mapping(torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(1)), camera)
    planes = generator.planes(ws)
    seen = generator.render(planes, camera)
    photo = Target(seen.features.flip(1).contiguous(), seen.opacity, camera)  # red for blue
    tinted = adapt_palette(Head(generator, ws, planes), photo)
    portrait = Portrait3D(tinted, ws, camera, {"generator": "builtin"})
    before = portrait.render(yaw=60).image
    assert (before - Portrait3D(generator, ws, camera, {}).render(yaw=60).image).abs().max() > 0.1
    portrait.save(tmp_path)
    loaded = Portrait3D.load(tmp_path, "cpu", base=generator)
    assert (loaded.render(yaw=60).image - before).abs().max() < 2 / 255  # [-1, 1]
    assert loaded.generator.backbone is generator.backbone


BROWN = torch.tensor([0.5, 0.33, 0.17])
BLUE = torch.tensor([0.2, 0.3, 0.9])


def halves(hair: float = 1.0, skin: float = 1.0):
    """Stands in for the second look: hair is what lies above, skin what lies below."""
    def seen(image: torch.Tensor, *groups: tuple[str, ...]) -> list[torch.Tensor]:
        above = (torch.arange(image.shape[-2]) < image.shape[-2] // 2).float()[:, None].expand(image.shape[-2:])[None, None]
        there = {HAIR: above * hair, SKIN: (1 - above) * skin}
        return [there.get(group, 0 * above) for group in groups]
    return seen


def photo_with_hair(size: int = 32) -> Target:
    """Brown hair over blue skin, both from shade to light."""
    light = torch.linspace(0.3, 1.6, size).expand(size, size)
    image = light[None] * BROWN[:, None, None]
    image[:, size // 2:] = (light[None] * BLUE[:, None, None] * 0.6)[:, size // 2:]
    return Target(image[None].clamp(0, 1) * 2 - 1, torch.ones(1, 1, size, size), torch.zeros(1, 25))


def test_hair_and_skin_take_the_photos_colours_and_keep_their_light(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symgan_core.inversion.appearance.palette.shares_of", halves())
    stuffs = fit_class_colors(photo_with_hair())
    red = torch.tensor([0.6, 0.1, 0.1]) * torch.linspace(0.2, 1.2, 9)[:, None]
    for stuff, colour in zip(stuffs, (BROWN, BLUE), strict=True):
        own = stuff.like(red)
        assert torch.allclose(own.mean(1), red.mean(1), atol=1e-3)
        assert torch.allclose(own / own.mean(1, keepdim=True), (colour / colour.mean()).expand(9, 3), atol=0.03)


def test_dark_hair_behind_the_photos_light_hair_is_made_as_bright() -> None:
    hair = ClassColors(HAIR, ColourLine(torch.zeros(2, 3), torch.tensor([0.1, 0.9]).log()), math.log(0.6))
    all_hair = torch.ones(200, 1)
    for own, wanted in ((0.2, 0.6 * math.exp(-0.15)), (0.55, 0.55), (0.9, 0.6 * math.exp(0.15))):  # shade stays shade
        assert own * hair.brighter(torch.full((200, 3), own), all_hair) == pytest.approx(wanted, rel=0.02)
    assert hair.brighter(torch.full((200, 3), 0.1), 0.3 * all_hair) == 1  # none there


def test_what_is_darker_than_all_of_the_photos_skin_has_the_hue_of_its_shade() -> None:
    """A line through the logarithms alone would make it redder and redder."""
    skin = ClassColors(SKIN, ColourLine(torch.tensor([[0.2, 0.0, -0.2], [0.8, 1.0, 1.2]]), torch.tensor([0.2, 0.8]).log()), -1.0)
    shade, dark = skin.like(torch.tensor([[0.2] * 3, [0.05] * 3]))
    assert torch.allclose(dark / dark.mean(), shade / shade.mean(), atol=1e-4)
    light = skin.like(torch.tensor([[0.6] * 3]))[0]
    assert light[0] / light[2] < 0.9 * shade[0] / shade[2]


def test_of_what_the_photo_does_not_show_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = photo_with_hair()
    for shares, target, count in (((0.3, 0.3), photo, 0), ((0.3, 1), photo, 1), ((1, 1), photo, 2),
                                  ((1, 1), replace(photo, mask=None), 0), ((1, 1), replace(photo, white_background=False), 0)):
        monkeypatch.setattr("symgan_core.inversion.appearance.palette.shares_of", halves(*shares))
        assert len(fit_class_colors(target)) == count


@pytest.mark.parametrize("where", CLASSES)
def test_hidden_hair_skin_and_clothing_are_painted_as_the_photos(where: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the photo shows is grey, and of what it does not show the second look says that it is such stuff: green."""
    torch.manual_seed(0)
    plain = TriPlaneGenerator(replace(TINY, superresolution=None)).eval().requires_grad_(False)
    plain.decoder.net[2].bias[0] += 100
    ws = plain.mapping(torch.randn(1, TINY.z_dim, generator=torch.Generator().manual_seed(1)), plain.frontal_camera())
    planes, camera = plain.planes(ws), plain.frontal_camera()
    seen = plain.render(planes, camera, plain.config.image_resolution)
    target = Target(torch.zeros_like(seen.features), torch.ones_like(seen.opacity), camera)
    monkeypatch.setattr("symgan_core.inversion.appearance.palette.shares_of",
                        lambda image, *groups: [torch.full_like(image[:, :1], float(g == where)) for g in groups])
    line = torch.stack([torch.tensor([0.2, 0.6, 0.2]).log(), torch.ones(3)])
    green = ClassColors(where, ColourLine(line, torch.tensor([0.1, 0.9]).log()), math.log(0.33))

    def greenness(stuffs: list[ClassColors]) -> float:
        tinted = adapt_palette(Head(plain, ws, planes), target, stuffs)
        behind = tinted.render(planes, Camera.orbit(180, 0).vector(), 16)
        red, green, blue = behind.features[0][:, behind.opacity[0, 0] > 0.9].mean(1)
        return float(green - (red + blue) / 2)

    assert greenness([green]) > greenness([]) + 0.03
