"""The measures of the prior, on a tiny generator and on numbers that can be worked out by hand."""

from dataclasses import replace

import numpy as np
import torch

from symgan_core.generator import TriPlaneGenerator
from symgan_core.geometry import Camera
from tests.conftest import TINY
from training.measure import FitConfig, Views, colour_agreement, fit, on_white, score


def views_of(generator: TriPlaneGenerator, ws: torch.Tensor) -> Views:
    cameras = torch.cat([Camera.orbit(yaw, 0).vector() for yaw in (-30, 0, 40)])
    outs = [generator.synthesis(ws, c[None]) for c in cameras]
    masks = torch.nn.functional.interpolate(torch.cat([o.image_opacity for o in outs]), (64, 64))
    return Views(torch.cat([o.image for o in outs]).clamp(-1, 1), masks.clamp(0, 1), torch.cat([o.image_depth for o in outs]), cameras)


def test_fitting_comes_close_to_a_head_that_the_generator_knows(tiny: TriPlaneGenerator) -> None:
    z = torch.randn(1, 16, generator=torch.Generator().manual_seed(5))
    truth = tiny.mapping(z, tiny.frontal_camera())
    views, config = views_of(tiny, truth), FitConfig(steps=60)
    before = score(tiny, fit(tiny, views, replace(config, steps=1)), views)
    after = score(tiny, fit(tiny, views, config), views)
    assert after["psnr"].mean() > before["psnr"].mean() + 2
    assert score(tiny, truth, views)["psnr"].min() > 60 and score(tiny, truth, views)["depth"].max() < 1e-5


def test_a_head_before_anything_is_the_same_head_before_white() -> None:
    line = np.arange(24) - 11.5
    mask = (np.clip(9 - np.hypot(line[:, None], line), -1, 1) * 127.5 + 127.5).round().astype(np.uint8)
    share, head = mask[..., None] / 255, np.array([60.0, 40, 20])
    left_and_right = np.where(line[None, :, None] < 0, [128.0, 128, 128], [20.0, 200, 90])
    for behind in (np.full(3, 128.0), left_and_right):
        image = (share * head + (1 - share) * behind).round().astype(np.uint8)
        assert np.abs(on_white(image, mask) - (share * head + (1 - share) * 255)).max() < 1
    assert np.array_equal(on_white(image, np.full_like(mask, 255)), image)


def test_colours_that_do_not_depend_on_the_view_agree() -> None:
    class Grey(TriPlaneGenerator):
        """One colour, a solid ball."""

        def query(self, planes, points):
            return 4000 * (0.2 - points.norm(dim=-1)), torch.full((*points.shape[:2], TINY.plane_channels), 0.3).transpose(1, 2)

        def super_resolve(self, rendered, ws):
            return torch.nn.functional.interpolate(rendered.features[:, :3], (64, 64), mode="bilinear")

    grey = Grey(replace(TINY, neural_rendering_resolution=32, depth_resolution=48, depth_resolution_importance=48))
    assert colour_agreement(grey, people=1) < 1
