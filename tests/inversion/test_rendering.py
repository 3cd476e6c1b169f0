"""Looks at a part of a view: the pixels are the whole view's, and so is what they are compared with."""

from dataclasses import replace

import torch

from symgan_core.generator import Head, SuperResolutionConfig, TriPlaneGenerator
from symgan_core.geometry import Camera
from symgan_core.inversion.rendering import draft_stride, render_strided
from tests.conftest import TINY

CAMERA = Camera.orbit(20.0, -5.0).vector()


def generator_with(rendering: int, image: int) -> TriPlaneGenerator:
    torch.manual_seed(0)
    refining = None if rendering == image else SuperResolutionConfig(
        input_resolution=rendering, channels=(8, 8), upsample=(False, True), clamp=None)
    return TriPlaneGenerator(replace(TINY, neural_rendering_resolution=rendering, image_resolution=image, superresolution=refining))


def test_interlaced_looks_are_the_picture_row_by_row() -> None:
    generator = generator_with(16, 16)
    ws, rng = torch.randn(1, TINY.num_ws, TINY.w_dim), torch.Generator().manual_seed(0)
    planes = generator.planes(ws)
    whole = generator.render(planes, CAMERA)
    places = torch.arange(256.0).reshape(1, 1, 16, 16)
    seen = torch.full((256,), torch.nan)
    for _ in range(60):
        out, (where, nothing) = render_strided(Head(generator, ws, planes), CAMERA, (places, None), 4, rng)
        assert out.image.shape == (1, 3, 4, 4) and nothing is None
        assert torch.allclose(out.image.flatten(2), whole.features.flatten(2)[..., where.flatten().long()], atol=1e-4)
        assert torch.allclose(out.image_depth.flatten(), whole.depth.flatten()[where.flatten().long()], atol=1e-4)
        seen[where.flatten().long()] = 1
    assert seen.isfinite().all()  # each pixel gets its turn


def test_where_the_image_is_finer_than_the_rendering_looks_are_whole_and_coarse() -> None:
    generator = generator_with(16, 32)
    ws, picture = torch.randn(1, TINY.num_ws, TINY.w_dim), torch.randn(1, 3, 32, 32)
    out, (same,) = render_strided(Head.of(generator, ws), CAMERA, (picture,), 2, torch.Generator())
    assert out.image.shape == (1, 3, 32, 32) and out.image_raw.shape == (1, 3, 8, 8) and same is picture


def test_drafts_are_of_eg3ds_size_or_less() -> None:
    assert draft_stride(generator_with(16, 32)) == 1
    assert draft_stride(TriPlaneGenerator(replace(TINY, neural_rendering_resolution=256))) == 2
