"""What the shipped weights must show: heads, not fog. Loose on purpose, but a flat or empty generator fails."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.geometry import Camera
from symgan_core.inversion import make_target, to_uint8
from symgan_core.inversion.start.encoder import guess_code


@pytest.fixture(scope="module")
def builtin() -> TriPlaneGenerator:
    return load_generator("builtin", "cpu")


@pytest.fixture(scope="module")
def people(builtin: TriPlaneGenerator) -> torch.Tensor:
    z = torch.randn(4, builtin.config.z_dim, generator=torch.Generator().manual_seed(1))
    return builtin.mapping(z, builtin.frontal_camera().expand(4, -1))


def test_random_people_stand_in_the_frame_and_have_depth(builtin: TriPlaneGenerator, people: torch.Tensor) -> None:
    camera = builtin.frontal_camera()
    for ws in people:
        out = builtin.synthesis(ws[None], camera)
        opacity, depth = (F.interpolate(x, (64, 64), mode="area")[0, 0] for x in (out.image_opacity, out.image_depth))
        assert 0.25 < opacity.mean() < 0.75
        assert opacity[24:40, 24:40].min() > 0.9 and opacity[:6, :6].max() < 0.3
        nose, cheeks = depth[32:40, 29:35].min(), depth[32:40, [18, 45]].mean()
        assert 0.04 < cheeks - nose < 0.3  # a face is not flat


def test_people_differ(builtin: TriPlaneGenerator, people: torch.Tensor) -> None:
    camera = builtin.frontal_camera()
    views = torch.cat([builtin.synthesis(ws[None], camera).image for ws in people])
    assert (views[:, None] - views).abs().mean((2, 3, 4))[~torch.eye(4, dtype=bool)].min() > 0.03


def test_the_head_turns(builtin: TriPlaneGenerator, people: torch.Tensor) -> None:
    left, right = (builtin.synthesis(people[:1], Camera.orbit(yaw, 0).vector()).image for yaw in (40, -40))
    assert (left - right).abs().mean() > 0.05
    assert (left - right.flip(-1)).abs().mean() < (left - right).abs().mean()  # nearly symmetric


def test_nothing_is_outside_the_box_whatever_the_planes_say(builtin: TriPlaneGenerator) -> None:
    half = builtin.config.box_warp / 2
    planes = 50 * torch.randn(1, 3, builtin.config.plane_channels, 64, 64, generator=torch.Generator().manual_seed(0))
    points = torch.rand(1, 4000, 3, generator=torch.Generator().manual_seed(1)) * 4 * half - 2 * half
    sigma = builtin.query(planes, points)[0]
    outside = points.abs().amax(-1) > half
    assert sigma[outside].max() < -100 and (sigma[~outside] > 0).float().mean() > 0.1


def test_the_guess_is_nearer_than_the_mean_head(builtin: TriPlaneGenerator, people: torch.Tensor) -> None:
    mean = builtin.backbone.mapping.w_avg
    gains = []
    for ws, yaw in zip(people, (0.0, 20.0, -30.0, 10.0), strict=True):
        camera = Camera.orbit(yaw, 0).vector()
        with torch.no_grad():
            photo = builtin.synthesis(ws[None], camera)
            mask = F.interpolate(photo.image_opacity, (256, 256)).clamp(0, 1)[0, 0].numpy()
            target = make_target(to_uint8(photo.image), camera[0], (255 * mask).astype(np.uint8), builtin)
            shown = [builtin.synthesis(w.expand(1, builtin.config.num_ws, -1), camera).image for w in (guess_code(target, builtin), mean)]
        gains.append(float((shown[1] - photo.image).abs().mean() / (shown[0] - photo.image).abs().mean()))
    assert min(gains) > 1 and np.mean(gains) > 1.5
