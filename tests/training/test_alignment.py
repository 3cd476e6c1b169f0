"""The first warp: found from meshes, it must bring features to where the mean head has them."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from symgan_core.generator import BUILTIN
from symgan_core.generator.decoder import axes_to_projections
from symgan_core.generator.warp import PlaneWarp
from training.alignment import Fields, draw_fields, fit_warp, plane_fields


@pytest.fixture(scope="module")
def projections() -> np.ndarray:
    return axes_to_projections(BUILTIN.plane_axes).numpy() * (2 / BUILTIN.box_warp)


def test_a_moved_head_gives_the_way_back(projections: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    home = rng.uniform(-0.25, 0.25, (3000, 3)).astype(np.float32)
    move = np.float32([0.01, -0.02, 0.03])
    fields = plane_fields(home + move, home, projections, 12)
    for k in range(3):
        expected = -move @ projections[k]
        assert np.allclose(fields[k][:, 3:9, 3:9], expected[:, None, None], atol=1e-4)


def test_features_come_from_the_mean_heads_place(projections: np.ndarray) -> None:
    """A head that is stretched: from a place of its planes, the field leads to the mean head's place of the same vertex."""
    rng = np.random.default_rng(1)
    home = rng.uniform(-0.3, 0.3, (6000, 3)).astype(np.float32)
    head = home * np.float32([1.1, 0.9, 1.0])
    fields = torch.from_numpy(plane_fields(head, home, projections, 24))
    some = np.abs(home).max(1) < 0.2
    at, aim = (torch.from_numpy(x[some] @ projections[0]) for x in (head, home))
    found = F.grid_sample(fields[:1], at[None, None], align_corners=False)[0, :, 0].T + at
    assert (found - aim).abs().mean() < 0.25 * (at - aim).abs().mean()


def test_the_warp_learns_the_fields() -> None:
    known = draw_fields(BUILTIN, 40)
    assert known.ws.shape == (40, BUILTIN.w_dim) and known.fields.shape == (40, 3, 2, 24, 24)
    torch.manual_seed(0)
    warp = fit_warp(PlaneWarp(BUILTIN), Fields(known.ws, known.fields), steps=250, batch=32)
    size = BUILTIN.plane_warp[0]
    still = F.affine_grid(torch.eye(2, 3)[None], [1, 1, size, size], align_corners=False)
    moves = (warp.places(known.ws, size) - still).permute(0, 1, 4, 2, 3)
    middle = (..., slice(6, 18), slice(6, 18))
    assert (moves - known.fields)[middle].square().mean() < 0.1 * known.fields[middle].square().mean()
