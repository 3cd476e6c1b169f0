"""Planes whose contents move with w, the learned canvas, and the border of the super-resolution."""

from dataclasses import replace

import pytest
import torch

from symgan_core.generator import Rendered, TriPlaneGenerator
from symgan_core.generator.warp import PlaneWarp
from tests.conftest import TINY

MOVED = replace(TINY, plane_warp=(4, 8), canvas=True)


@pytest.fixture
def moved() -> TriPlaneGenerator:
    torch.manual_seed(0)
    return TriPlaneGenerator(MOVED).eval().requires_grad_(False)


def shift_by(warp: PlaneWarp, plane: int, texels: float, size: int) -> None:
    """Make the field the same everywhere: the content of one plane comes from ``texels`` further right."""
    warp.field.weight.zero_()
    field = torch.zeros(3, 2, warp.cells, warp.cells)
    field[plane, 0] = texels * 2 / size
    warp.field.bias.copy_(field.flatten() / warp.field.bias_gain)


def test_an_untrained_warp_leaves_planes_as_they_are(moved: TriPlaneGenerator) -> None:
    ws = torch.randn(2, MOVED.num_ws, MOVED.w_dim)
    assert torch.allclose(moved.planes(ws), moved.backbone.canonical(ws), atol=1e-5)


def test_a_warp_moves_one_plane(moved: TriPlaneGenerator) -> None:
    ws = torch.randn(1, MOVED.num_ws, MOVED.w_dim)
    still = moved.planes(ws)
    shift_by(moved.backbone.warp, 1, 2, 16)
    out = moved.planes(ws)
    assert torch.allclose(out[:, 1, :, :, :-2], still[:, 1, :, :, 2:], atol=1e-4)
    assert torch.allclose(out[:, [0, 2]], still[:, [0, 2]], atol=1e-5)
    assert torch.allclose(out[:, 1, :, :, -2:], still[:, 1, :, :, -1:].expand(-1, -1, -1, 2), atol=1e-4)  # the edge is repeated


def test_an_offset_moves_along(moved: TriPlaneGenerator) -> None:
    ws = torch.randn(1, MOVED.num_ws, MOVED.w_dim)
    offset = torch.zeros(1, 3, MOVED.plane_channels, 16, 16)
    offset[:, 0, :, 5, 9] = 7.0
    shift_by(moved.backbone.warp, 0, 3, 16)
    change = (moved.planes(ws, offset=offset) - moved.planes(ws))[0, 0, 0]
    assert change.argmax() == 5 * 16 + 6 and change.max() == pytest.approx(7, abs=1e-2)


def test_the_field_follows_the_first_row_of_ws_alone(moved: TriPlaneGenerator) -> None:
    torch.nn.init.normal_(moved.backbone.warp.field.weight)
    ws = torch.randn(1, MOVED.num_ws, MOVED.w_dim)
    other = ws.clone()
    other[:, 1:] += 1
    first = [moved.backbone.warp.places(w[:, 0], 16) for w in (ws, other, ws + 1)]
    assert torch.equal(first[0], first[1]) and not torch.allclose(first[0], first[2], atol=1e-3)


def test_the_canvas_reaches_the_planes(moved: TriPlaneGenerator) -> None:
    ws = torch.randn(1, MOVED.num_ws, MOVED.w_dim)
    before = moved.backbone.canonical(ws)
    moved.backbone.synthesis.b16.canvas[:, 3, 12] = 50
    change = (moved.backbone.canonical(ws) - before).abs().amax((0, 1, 2))
    far = torch.ones(16, 16, dtype=torch.bool)
    far[1:6, 10:15] = False
    assert change[3, 12] > 0.1 and change[far].max() < 1e-5
    assert moved.backbone.synthesis.b4.canvas is None


def test_a_border_keeps_a_flat_picture_flat() -> None:
    """White in, white out, up to the last pixel: zero padding alone would darken the edge."""
    spread = {}
    for border in (0, 4):
        torch.manual_seed(0)
        generator = TriPlaneGenerator(replace(TINY, superresolution=replace(TINY.superresolution, border=border)))
        image = generator.superresolution.blocks(torch.ones(1, 3, 16, 16), torch.ones(1, 8, 16, 16), torch.zeros(1, TINY.w_dim))
        assert image.shape == (1, 3, 64, 64)
        spread[border] = float((image - image[..., 32:33, 32:33]).detach().abs().max())
    assert spread[4] < 1e-4 < 0.1 < spread[0]


def test_empty_space_is_white_with_a_matte() -> None:
    torch.manual_seed(0)
    generator = TriPlaneGenerator(replace(TINY, superresolution=replace(TINY.superresolution, matte=True)))
    opacity = torch.zeros(1, 1, 16, 16)
    opacity[..., 9:] = 1
    rendered = Rendered(torch.rand(1, 8, 16, 16), torch.full((1, 1, 16, 16), 2.7), opacity)
    image = generator.super_resolve(rendered, torch.zeros(1, TINY.num_ws, TINY.w_dim))
    bare = generator.superresolution(rendered.features[:, :3], rendered.features, torch.zeros(1, TINY.w_dim))
    assert (image[..., :24] == 1).all() and torch.equal(image[..., 32:], bare[..., 32:])
