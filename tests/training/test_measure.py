"""The measures of the prior, on a tiny generator and on numbers that can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from symgan_core.generator import TriPlaneGenerator
from symgan_core.geometry import Camera
from tests.conftest import TINY
from training.measure import FitConfig, Views, colour_agreement, fit, score
from training.readers import Effects, Reader, coordinates


def views_of(generator: TriPlaneGenerator, ws: torch.Tensor) -> Views:
    cameras = torch.cat([Camera.orbit(yaw, 0).vector() for yaw in (-30, 0, 40)])
    outs = [generator.synthesis(ws, c[None]) for c in cameras]
    masks = torch.nn.functional.interpolate(torch.cat([o.image_opacity for o in outs]), (64, 64))
    return Views(torch.cat([o.image for o in outs]).clamp(-1, 1), masks.clamp(0, 1), torch.cat([o.image_depth for o in outs]), cameras)


def test_fitting_comes_close_to_a_head_that_the_generator_knows(tiny: TriPlaneGenerator) -> None:
    z = torch.randn(1, 16, generator=torch.Generator().manual_seed(5))
    truth = tiny.mapping(z, tiny.frontal_camera())
    views, config = views_of(tiny, truth), FitConfig(steps=60, image_steps=15, rays=300, samples=(12, 8))
    before = score(tiny, fit(tiny, views, replace(config, steps=1, image_steps=0)), views)
    after = score(tiny, fit(tiny, views, config), views)
    assert after["psnr"].mean() > before["psnr"].mean() + 2
    assert score(tiny, truth, views)["psnr"].min() > 60 and score(tiny, truth, views)["depth"].max() < 1e-5


def test_colours_that_do_not_depend_on_the_view_agree() -> None:
    class Grey(TriPlaneGenerator):
        """One colour, a solid ball."""

        def query(self, planes, points):
            return 4000 * (0.2 - points.norm(dim=-1)), torch.full((*points.shape[:2], TINY.plane_channels), 0.3).transpose(1, 2)

        def super_resolve(self, rendered, ws):
            return torch.nn.functional.interpolate(rendered.features[:, :3], (64, 64), mode="bilinear")

    grey = Grey(replace(TINY, neural_rendering_resolution=32, depth_resolution=48, depth_resolution_importance=48))
    assert colour_agreement(grey, people=1) < 1


def test_coordinates_are_strengths() -> None:
    vectors = torch.tensor([[2.0, 0, 0], [0, 1, 1]])
    ws = torch.tensor([[3.0, 0.5, 0.5]])
    assert coordinates(ws, vectors).tolist() == [[1.5, 0.5]]


def test_effects_compare_a_direction_with_the_others() -> None:
    effects = Effects(("a", "b", "c"), np.array([[4.0, -0.5, 0.2], [0.1, 2.0, 1.0], [0, 0.1, 3.0]]), np.array([0.9, 0.8, 0.7]))
    assert effects.ratios() == pytest.approx({"a": 8, "b": 2, "c": 30})
    assert "| a | +4.00 | b -0.50 | 8.0 | 0.90 |" in effects.table()


def test_the_reader_reads_a_picture_per_row() -> None:
    assert Reader(5).eval()(torch.zeros(2, 3, 96, 96), torch.zeros(2, 2)).shape == (2, 5)
