"""The generator against the plain transcription of the specification, where no golden number exists."""

from dataclasses import replace

import pytest
import torch

from symgan_core.generator import TriPlaneGenerator
from symgan_core.geometry import Camera
from tests import oracle
from tests.generator.test_golden import SMALL, small_state

VARIANTS = {
    "4X": ({}, {}),
    "8XDC": ({"image_resolution": 512, "superresolution": {"upsample": (True, True), "resize": "differs", "own_filter": False}},
             {"sr_up": (True, True), "sr_resize_smaller_only": False}),
    "64 pixels, 2X": ({"image_resolution": 128, "superresolution": {"input_resolution": 64, "resize": "differs"}},
                      {"sr_input": 64, "sr_resize_smaller_only": False}),
    "raw 128": ({"neural_rendering_resolution": 128}, {"resolution": 128}),
    "fewer samples": ({"depth_resolution": 20, "depth_resolution_importance": 13}, {"samples": (20, 13)}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_published_variant(variant: str) -> None:
    changes, settings = VARIANTS[variant]
    sr = replace(SMALL.superresolution, **changes.get("superresolution", {}))
    config = replace(SMALL, **{**changes, "superresolution": sr})
    generator = TriPlaneGenerator(config).eval().requires_grad_(False)
    fresh, known = generator.state_dict(), small_state()
    generator.load_state_dict({k: known[k] if k in known and known[k].shape == v.shape else v for k, v in fresh.items()})
    state = generator.state_dict()
    camera, z = Camera.orbit(25, 8).vector(), torch.randn(1, 64, generator=torch.Generator().manual_seed(3))
    w = oracle.mapping(state, z, camera)
    ws = generator.mapping(z, camera)
    assert torch.allclose(ws[:, 0], w, atol=1e-5)
    image, raw, depth = oracle.synthesis(state, w, camera, oracle.Settings(
        **{"sr_up": (False, True), "sr_resize_smaller_only": True, "resolution": 64} | settings))
    out = generator.synthesis(ws, camera)
    assert (out.image_raw - raw).abs().max() < 1e-3
    assert (out.image - image).abs().max() < 2e-3 * max(1, float(image.abs().max()))
    assert (out.image_depth - depth).abs().mean() < 1e-3
