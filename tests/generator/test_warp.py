"""Planes whose contents move with w, and the learned canvas."""

from dataclasses import replace

import pytest
import torch

from symgan_core.generator import TriPlaneGenerator
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


def test_changes_of_one_face_are_carried_to_another(moved: TriPlaneGenerator) -> None:
    """Smooth planes, moved by one face's field and carried on to a second face, are what that face's own field makes of them."""
    warp = moved.backbone.warp
    torch.nn.init.normal_(warp.field.weight, std=0.8)
    before, after = torch.randn(2, 1, MOVED.num_ws, MOVED.w_dim)
    line = torch.linspace(-1, 1, 64)
    canonical = torch.stack([line.expand(64, 64), line[:, None].expand(64, 64)])[None, None].expand(1, 3, -1, -1, -1).sin()
    here, there = (warp(canonical, ws[:, 0]) for ws in (before, after))
    inner = (..., slice(12, -12), slice(12, -12))
    assert (here - there)[inner].abs().max() > 0.05
    assert torch.allclose(moved.carry(here, before, after)[inner], there[inner], atol=0.005)
    assert moved.carry(here, before, before) is here


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
