"""A head is its generator, code, planes and grid: it shows what the generator shows of them."""

from dataclasses import replace

import pytest
import torch

from symgan_core.generator import Head, Sampling, TriPlaneGenerator
from symgan_core.geometry import Camera
from tests.conftest import TINY

DRAFT = Sampling(samples=(12, 4))


@pytest.fixture
def head() -> Head:
    torch.manual_seed(0)
    generator = TriPlaneGenerator(replace(TINY, density_grid=16, orbit_radius=2.5, orbit_pivot=(0.0, 0.1, 0.0)))
    generator.decoder.net[2].bias.data[0] += 30  # all of the box is matter, or there would be nothing to see
    return Head.of(generator.eval().requires_grad_(False), torch.randn(1, TINY.num_ws, TINY.w_dim))


def test_a_head_shows_what_the_generator_shows_of_its_parts(head: Head) -> None:
    camera, generator = head.orbit(20, 5), head.generator
    points = torch.rand(1, 30, 3) - 0.5
    for own, plain in ((head.view(camera, 16, DRAFT), generator.view(head.planes, head.ws, camera, 16, DRAFT)),
                       (head.render(camera, 16, DRAFT), generator.render(head.planes, camera, 16, DRAFT)),
                       (head.query(points), generator.query(head.planes, points))):
        assert all(torch.equal(a, b) for a, b in zip(own, plain, strict=True))
    assert head.view(camera).image_opacity.mean() > 0.1
    assert not torch.equal(head.render(camera, 16, DRAFT).features, head.render(camera, 16).features)
    assert head.draft(camera).depth.shape[-1] == generator.config.draft_resolution


def test_its_grid_is_the_one_that_views_look_at_first(head: Head) -> None:
    assert torch.equal(head.grid, head.generator.density_grid(head.planes)) and head.grid.shape[-1] == 16
    assert Head.of(head.generator, head.ws, head.planes, 2).grid.shape[-1] == 8
    nothing = replace(head, grid=torch.full_like(head.grid, -1000.0))
    assert nothing.render(head.orbit(0)).opacity.sum() < 0.2 * head.render(head.orbit(0)).opacity.sum()


def test_its_cameras_go_around_it_as_the_configuration_says(head: Head) -> None:
    camera = Camera.orbit(30, -10, 2.5, (0.0, 0.1, 0.0))
    assert torch.equal(head.orbit(30, -10), camera.vector())
    assert torch.equal(head.orbit(30, -10, 2.0), camera.zoomed(2.0).vector())
    assert torch.equal(head.generator.frontal_camera(), head.orbit(0.0))
