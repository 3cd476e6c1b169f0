"""Fields, openings and charts on cases that can be worked out by hand."""

from __future__ import annotations

import torch

from symgan_core.geometry.volume import box_points
from symgan_core.portrait.editing.fields import at, inverse, spline
from symgan_core.portrait.editing.openings import Opening, polyline, stretched_between, within


def test_a_spline_meets_its_values_and_fades_away() -> None:
    rng = torch.Generator().manual_seed(0)
    points, values = torch.rand(40, 3, generator=rng) * 0.3, torch.randn(40, 2, generator=rng) * 0.02
    found = spline(points, values, torch.cat([points, torch.full((1, 3), 5.0)]), 1e-4)
    assert (found[:-1] - values).abs().max() < 2e-3 and found[-1].abs().max() < 1e-3
    assert spline(points, values, points, 10.0).abs().max() < 0.3 * values.abs().max()  # a large ridge gives way


def test_what_a_field_moves_is_found_again() -> None:
    """Stretches of two and a half, and squeezes to a third, are undone."""
    line = torch.linspace(-1, 1, 64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    places = torch.stack([x, y], -1)[8:-8, 8:-8]
    for steepness in (1.5, -0.6):
        forward = torch.stack([0.1 * torch.sin(3 * y), steepness * (y - 0.2).clamp(0, 0.2)])[None]
        came = inverse(forward, places)
        assert (came + at(forward, came) - places).norm(dim=-1).max() < 0.01


def test_a_volume_is_read_x_fastest() -> None:
    volume = box_points(9, 2.0, torch.device("cpu")).permute(3, 0, 1, 2)[None]
    point = torch.tensor([[0.3, -0.7, 0.1], [2.0, 0.0, -2.0]])
    assert torch.allclose(at(volume, point), point.clamp(-1, 1), atol=1e-5)


def lens(height: float, low: float = 0.0) -> Opening:
    x = torch.linspace(-0.5, 0.5, 9)
    arch = height * (1 - (2 * x).square())
    return Opening(torch.stack([x, arch], 1), torch.stack([x, low * (1 - (2 * x).square())], 1))


def test_lids_cover_what_does_not_move() -> None:
    places = torch.tensor([[0.0, 0.05], [0.2, 0.02]])
    came, _ = within(lens(0.2, -0.2), lens(0.1, -0.2), places, torch.zeros(2))
    assert torch.allclose(came, places, atol=1e-6)
    assert float(within(lens(0.2), lens(0.4), torch.tensor([[0.0, 0.4]]), torch.zeros(1))[0][0, 1]) < 0.2001  # and not beyond


def test_below_the_old_lower_lip_something_else_is_seen() -> None:
    _, below = within(lens(0.1), lens(0.1, -0.3), torch.tensor([[0.0, -0.2], [0.0, 0.05]]), torch.zeros(2))
    assert abs(float(below[0]) - 0.2) < 1e-5 and below[1] < 0


def test_the_inside_of_an_open_mouth_is_stretched_to_fit() -> None:
    came = stretched_between(lens(0.2, -0.4), lens(0.1, -0.1), torch.tensor([[0.0, 0.1], [0.0, -0.1], [0.0, 0.0]]))
    assert torch.allclose(came[:, 1], torch.tensor([0.2, -0.4, -0.1]), atol=1e-5)


def test_rims_that_would_pass_each_other_meet() -> None:
    met = lens(-0.1, 0.1).closed()
    assert met.gap() == 0 and met.upper[4, 1].abs() < 1e-6
    assert torch.equal(lens(0.2, -0.1).closed().upper, lens(0.2, -0.1).upper)


def test_a_polyline_goes_on_as_it_ends() -> None:
    x, y = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([0.0, 2.0, 1.0])
    assert polyline(x, y, torch.tensor([-1.0, 0.5, 1.5, 9.0])).tolist() == [0.0, 1.0, 1.5, 1.0]
