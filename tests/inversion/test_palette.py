"""The photo's palette for the whole head."""

from dataclasses import replace

import torch

from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.inversion import Portrait3D
from symgan_core.inversion.palette import colour_map, in_the_photos_colours
from symgan_core.inversion.target import Target
from tests.conftest import TINY


def picture(seed: int) -> torch.Tensor:
    """Smooth blots of colour, away from black and white."""
    rough = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed)) * 1.2 - 0.6
    return torch.nn.functional.interpolate(rough, (96, 96), mode="bicubic").clamp(-0.8, 0.8)


def recoloured(x: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    logits = ((x + 1) / 2).logit()
    return torch.sigmoid(torch.einsum("ij,bjhw->bihw", change[:, :3], logits) + change[:, 3, None, None]) * 2 - 1


def test_the_map_is_found_in_spite_of_what_differs_otherwise() -> None:
    render, mask = picture(0), torch.ones(1, 1, 96, 96)
    change = torch.tensor([[0.9, 0.2, 0.0, 0.5], [0.0, 1.1, -0.1, -0.2], [0.1, 0.0, 0.8, 0.3]])
    photo = recoloured(render, change)
    photo[..., 30:44, 30:44] = -1  # as an open mouth
    found = colour_map(render, photo, mask)
    assert (recoloured(render, found) - recoloured(render, change)).abs().mean() < 0.05
    assert (recoloured(render, found) - recoloured(render, change)).abs().mean() < 0.2 * (render - recoloured(render, change)).abs().mean()


def test_nothing_seen_changes_nothing() -> None:
    assert torch.equal(colour_map(picture(0), picture(1), torch.zeros(1, 1, 96, 96)), torch.eye(3, 4))


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
    tinted = in_the_photos_colours(plain, planes, target)
    after = tinted.render(planes, camera, plain.config.image_resolution)
    solid = (seen.opacity > 0.9).expand_as(photo)
    assert solid.float().mean() > 0.3
    assert torch.equal(after.opacity, seen.opacity) and torch.equal(after.depth, seen.depth)
    assert (after.features - photo).abs()[solid].mean() < 0.3 * (seen.features - photo).abs()[solid].mean()
    assert all(torch.equal(before[k], v) for k, v in plain.state_dict().items())  # the generator that others use stays as it was
    assert in_the_photos_colours(tiny, tiny.planes(ws), target) is tiny  # its colours go through a super-resolution


def test_a_portrait_keeps_its_palette(tmp_path) -> None:
    generator = load_generator("builtin", "cpu")
    camera = generator.frontal_camera()
    ws = generator.mapping(torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(1)), camera)
    planes = generator.planes(ws)
    seen = generator.render(planes, camera)
    photo = Target(seen.features.flip(1).contiguous(), seen.opacity, camera)  # red for blue
    tinted = in_the_photos_colours(generator, planes, photo)
    portrait = Portrait3D(tinted, ws, camera, {"generator": "builtin"})
    before = portrait.render(yaw=60).image
    assert (before - Portrait3D(generator, ws, camera, {}).render(yaw=60).image).abs().max() > 0.1
    portrait.save(tmp_path)
    loaded = Portrait3D.load(tmp_path, "cpu", base=generator)
    assert (loaded.render(yaw=60).image - before).abs().max() < 2 / 255  # [-1, 1]
    assert loaded.generator.backbone is generator.backbone
