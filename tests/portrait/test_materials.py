"""Hidden hair and skin, on volumes and lines of colours that are made up."""

import torch

from symgan_core.portrait.colour_line import ColourLine
from symgan_core.portrait.grain import grain_at
from symgan_core.portrait.materials import BEHIND, DARK, LEVEL, LEVEL_BEHIND, Material
from symgan_core.portrait.strands import CENTRE, RADIUS, strands_at


def material(strands: float, share: float = 1.0, grain: float = 0.0) -> Material:
    """Reddish, with a mean brightness of 0.3."""
    volume = torch.full((1, 1, 8, 8, 8), share)
    line = torch.tensor([[0.3, 0.0, -0.3], [1.0, 1.0, 1.0]])
    return Material(volume, ColourLine(line, torch.tensor([-3.0, 0.0])), float(torch.tensor(0.3 + DARK).log()), strands, grain, 0.38)


def around(count: int, height: float, radius: float = RADIUS) -> torch.Tensor:
    """``[count, 3]``: points of a horizontal circle about the head's axis."""
    angle = (torch.arange(count) + 0.5) / count * 2 * torch.pi
    x, y, z = CENTRE
    return torch.stack([x + radius * angle.sin(), torch.full_like(angle, y + height), z + radius * angle.cos()], 1)


def test_hidden_skin_gets_the_hue_and_most_of_the_brightness_of_the_photos() -> None:
    grey = torch.tensor([[0.2] * 3, [0.3] * 3, [0.6] * 3])
    for depth, level in ((BEHIND[1], LEVEL), (BEHIND[0], LEVEL_BEHIND)):
        found = material(0.0).drawn(grey, torch.tensor([[0.0, 0.0, depth]]).expand(3, 3), torch.ones(3), torch.ones(3))
        light = (found.mean(1) + DARK).log() - (torch.tensor(0.3) + DARK).log()
        wanted = level * ((grey[:, 0] + DARK).log() - (torch.tensor(0.3) + DARK).log())
        assert torch.allclose(light, wanted, atol=0.02)
    assert (found[:, 0] > 1.2 * found[:, 1]).all() and (found[:, 1] > 1.2 * found[:, 2]).all()


def test_what_detail_makes_darker_than_black_is_a_colour_too() -> None:
    found = material(0.1).drawn(torch.full((3, 3), -0.2), torch.ones(3, 3), torch.ones(3), torch.ones(3))
    assert torch.isfinite(found).all() and found.min() >= 0 and found.max() < 0.2


def test_what_is_not_of_the_material_stays() -> None:
    points = around(9, 0.1)
    assert (material(0.0).share(points) == 1).all() and (material(0.0, share=0.2).share(points) == 0).all()
    colours = torch.rand(9, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(material(0.1).drawn(colours, points, torch.ones(9), torch.zeros(9)), colours)


def test_at_a_grazing_angle_there_are_no_strands() -> None:
    points, grey = around(90, 0.0), torch.full((90, 3), 0.3)
    squarely, grazing = (material(0.15).drawn(grey, points, facing * torch.ones(90), torch.ones(90)).mean(1) for facing in (1.0, 0.05))
    assert grazing.std() < 1e-4 < 0.02 < squarely.std()


def test_hair_has_the_contrast_that_is_asked_for_and_skin_none() -> None:
    points = around(4000, 0.0)
    grey = torch.full((4000, 3), 0.3)
    ones = torch.ones(4000)
    deviations = [float((material(c).drawn(grey, points, ones, ones).mean(1) + DARK).log().std()) for c in (0.0, 0.08, 0.16)]
    assert deviations[0] < 1e-4 and 0.05 < deviations[1] < 0.11 and 1.8 < deviations[2] / deviations[1] < 2.2


def test_skin_has_the_grain_that_is_asked_for_and_it_is_fixed_to_the_head_without_a_direction() -> None:
    points = 0.2 * torch.randn(20000, 3, generator=torch.Generator().manual_seed(0))
    grain = grain_at(points)
    assert grain.mean().abs() < 0.05 and 0.9 < grain.std() < 1.1 and torch.equal(grain, grain_at(points))
    alike = [float(torch.corrcoef(torch.stack([grain, grain_at(points + step * axis)]))[0, 1])
             for step in (0.002, 0.1) for axis in torch.eye(3)]
    assert min(alike[:3]) > 0.6 and max(alike[:3]) - min(alike[:3]) < 0.05 and max(abs(x) for x in alike[3:]) < 0.1
    grey, ones = torch.full((20000, 3), 0.3), torch.ones(20000)
    drawn = (material(0.0, grain=0.04).drawn(grey, points, ones, ones).mean(1) + DARK).log()
    assert 0.03 < drawn.std() < 0.045


def test_strands_are_longer_than_they_are_wide_and_fall_from_the_crown() -> None:
    """Neighbours along a meridian are alike, those around the head are not."""
    step = 0.015
    for height in (0.1, -0.1, -0.3):
        radius = (RADIUS**2 - height**2) ** 0.5 if height > 0 else RADIUS
        here, below = around(2000, height, radius), around(2000, height - step, radius)
        turned = here.roll(round(step / (2 * torch.pi * radius) * 2000), 0)
        a, b, c = (strands_at(points) for points in (here, below, turned))
        assert torch.corrcoef(torch.stack([a, b]))[0, 1] > 0.45 > 0.3 > torch.corrcoef(torch.stack([a, c]))[0, 1].abs()


def test_strands_are_fixed_to_the_head_fade_at_the_crown_and_have_no_seam() -> None:
    points = around(500, 0.05)
    assert torch.equal(strands_at(points), strands_at(points))
    assert strands_at(around(50, RADIUS, 0.02)).abs().max() == 0
    x, y, z = CENTRE
    behind = torch.tensor([[x - 1e-4, y, z - RADIUS], [x + 1e-4, y, z - RADIUS]])
    assert (strands_at(behind)[0] - strands_at(behind)[1]).abs() < 0.6
