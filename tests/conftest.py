"""Shared fixtures: a tiny seeded generator, with which the whole path runs in seconds."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import pytest
import torch

from symgan_core.generator import CORRECTED_AXES, GeneratorConfig, SuperResolutionConfig, TriPlaneGenerator
from symgan_core.geometry import Camera

TINY = GeneratorConfig(
    name="tiny", z_dim=16, w_dim=24, image_resolution=64, plane_resolution=16, plane_channels=8, channel_base=256, channel_max=16,
    mapping_features=24, mapping_lr_multiplier=1.0, superresolution=SuperResolutionConfig(input_resolution=16, channels=(8, 8), clamp=None),
    neural_rendering_resolution=16, ray_start=2.28, ray_end=3.12, depth_resolution=8, depth_resolution_importance=8, box_warp=0.9,
    white_back=True, plane_axes=CORRECTED_AXES, c_gen_conditioning_zero=True)


def make_tiny(seed: int = 0) -> TriPlaneGenerator:
    torch.manual_seed(seed)
    generator = TriPlaneGenerator(TINY)
    with torch.no_grad():  # a cloud with holes inside the box, nothing outside it
        generator.decoder.net[2].weight[0] *= 60
        nothing = generator.decoder(torch.zeros(1, 1, TINY.plane_channels))[0]
        generator.decoder.net[2].bias[0] -= nothing.item() + 4
    return generator.eval().requires_grad_(False)


@pytest.fixture
def tiny() -> TriPlaneGenerator:
    return make_tiny()


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    import skimage.data

    return skimage.data.astronaut()


@pytest.fixture
def frontal() -> torch.Tensor:
    return Camera.orbit(0, 0).vector()[0]
