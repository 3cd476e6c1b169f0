import math

import pytest
import torch

from symgan_core.geometry import Camera, camera_rays, coarse_depths, importance_depths, march
from symgan_core.geometry.volume import interval_weights, largest_component, march_both


def test_two_samples_by_hand() -> None:
    sigma, depths = torch.tensor([[[3.0, 5.0]]]), torch.tensor([[[2.0, 2.5]]])
    alpha = 1 - math.exp(-math.log1p(math.exp(4 - 1)) * 0.5)  # mean density 4, minus 1, softplus, times the step
    features = torch.tensor([[[[0.2, 0.6]]]])
    out = march(sigma, features, depths)
    assert out.weights.item() == pytest.approx(alpha, abs=1e-6)
    assert out.features.item() == pytest.approx(2 * alpha * 0.4 - 1, abs=1e-6)
    assert out.depth.item() == pytest.approx(2.25, abs=1e-6)


def test_an_empty_ray_is_black_far_and_has_a_finite_gradient() -> None:
    sigma = torch.full((1, 1, 4), -200.0, requires_grad=True)
    depths = torch.linspace(2, 3, 4)[None, None]
    out = march(sigma, torch.ones(1, 3, 1, 4), depths)
    assert torch.equal(out.features, torch.full((1, 3, 1), -1.0)) and out.depth.item() == 3.0
    (out.features.sum() + out.depth.sum()).backward()
    assert torch.isfinite(sigma.grad).all()


def test_white_back_fills_what_is_not_met() -> None:
    out = march(torch.full((1, 1, 4), -200.0), torch.zeros(1, 3, 1, 4), torch.linspace(2, 3, 4)[None, None], white_back=True)
    assert torch.equal(out.features, torch.ones(1, 3, 1))


def test_a_rendered_sphere_has_the_depth_of_a_sphere() -> None:
    radius, camera = 0.25, Camera.orbit(20, 10).vector()
    origins, directions = camera_rays(camera, 32)
    depths = coarse_depths(2.25, 3.15, 600, origins.shape[:2])
    points = origins[:, :, None] + directions[:, :, None] * depths[..., None]
    sigma = torch.where(points.norm(dim=-1) < radius, 2000.0, -2000.0)
    out = march(sigma, torch.ones(1, 3, 1024, 600), depths)
    along = -(origins * directions).sum(-1)
    squared = radius**2 - (origins.square().sum(-1) - along**2)
    inner = squared > 0.01  # away from the grazing edge
    exact = along - squared.clamp(min=0).sqrt()
    assert inner.sum() > 200
    assert (out.depth - exact)[inner].abs().max() < 2 * 0.9 / 599
    assert (out.weights.sum(-1)[inner] > 0.999).all() and (out.weights.sum(-1)[squared < -0.01] < 1e-3).all()


def test_coarse_depths_are_bin_midpoints_unless_jittered() -> None:
    plain = coarse_depths(2.25, 3.3, 48, (1, 1))[0, 0]
    assert torch.allclose(plain, 2.25 + (torch.arange(48) + 0.5) * 1.05 / 47)
    a, b = (coarse_depths(2.25, 3.3, 48, (1, 2), torch.Generator().manual_seed(s)) for s in (1, 1))
    assert torch.equal(a, b) and not torch.equal(a[0, 0], plain)


def test_importance_depths_gather_where_the_weight_is() -> None:
    depths = torch.linspace(2, 3, 11)[None, None]
    weights = torch.zeros(1, 1, 10)
    weights[..., 6] = 1.0
    drawn = importance_depths(weights, depths, 40)
    assert (drawn.diff(dim=-1) >= 0).all()
    assert ((drawn > 2.4) & (drawn < 2.9)).float().mean() > 0.9


def test_two_sets_of_samples_march_as_their_sorted_union() -> None:
    rng = torch.Generator().manual_seed(0)
    sigma, features = torch.randn(2, 5, 9, generator=rng) * 9, torch.rand(2, 3, 5, 9, generator=rng)
    depths = torch.rand(2, 5, 9, generator=rng).sort(-1).values + 2
    shuffled = torch.rand(2, 5, 9, generator=rng).argsort(-1)
    mixed = sigma.gather(-1, shuffled), features.gather(-1, shuffled[:, None].expand_as(features)), depths.gather(-1, shuffled)
    whole = march(sigma, features, depths, white_back=True)
    parts = march_both(tuple(x[..., :4] for x in mixed), tuple(x[..., 4:] for x in mixed), white_back=True)
    for a, b in zip(whole, parts, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_weights_never_exceed_one() -> None:
    rng = torch.Generator().manual_seed(0)
    sigma = torch.randn(2, 50, 16, generator=rng) * 100
    weights = interval_weights(sigma, torch.linspace(2, 3, 16).expand(2, 50, 16))
    assert (weights >= 0).all() and (weights.sum(-1) <= 1 + 1e-5).all()


def test_jittered_draws_ascend_and_fall_one_into_each_bin() -> None:
    depths = torch.linspace(2, 3, 41).expand(1, 50, -1)
    weights = torch.zeros(1, 50, 40)
    weights[..., 18:22] = 0.25
    drawn = importance_depths(weights, depths, 8, torch.Generator().manual_seed(0), floor=1e-4)
    middle = importance_depths(weights, depths, 8, floor=1e-4)
    assert (drawn.diff(dim=-1) >= 0).all() and (drawn[:, :1] != drawn[:, 1:2]).all()
    inner = slice(1, -1)  # the outermost bins reach into what hardly weighs anything
    assert (drawn - middle)[..., inner].abs().max() < 0.015 and (drawn.mean(1) - middle.mean(1))[..., inner].abs().max() < 0.003
    spread = importance_depths(weights, depths, 8, floor=1.0)
    assert spread.std() > 3 * middle.std()


def test_what_floats_beside_the_bulk_is_emptied_and_nothing_else() -> None:
    volume = torch.full((1, 1, 24, 24, 24), -20.0)
    volume[..., 6:18, 6:18, 6:18] = 30.0
    volume[..., 18:23, 17, 17] = 30.0  # a thin braid hangs on an edge
    volume[..., 1, 1, 1:3] = 30.0  # a crumb
    volume[..., 1, 2, 1] = 3.0  # its fringe
    volume[..., 23, 3, 3] = 2.0  # mist that nobody sees
    volume[..., 4, 6, 6] = volume[..., 3, 6, 6] = 30.0
    volume[..., 5, 6, 6] = 2.0  # hangs beside another crumb and on the bulk
    clean = largest_component(volume, 5.0, -1e3)
    assert (clean[..., :3, :3, :4] == -1e3).all() and (clean[clean != volume] == -1e3).all()
    assert (clean[..., 3:5, 6, 6] == -1e3).all() and clean[..., 5, 6, 6] == 2.0
    kept = torch.ones_like(volume, dtype=torch.bool)
    kept[..., :6, :8, :8] = False
    assert torch.equal(clean[kept], volume[kept])
    nothing = torch.full((1, 1, 8, 8, 8), -20.0)
    assert torch.equal(largest_component(nothing, 5.0, -1e3), nothing)
