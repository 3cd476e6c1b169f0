"""The official FFHQ configuration at full size: 30.7 million weights by the fixture's rule, the numbers of the official code."""

import json

import numpy as np
import pytest
import torch

from symgan_core.generator import FFHQ512, TriPlaneGenerator
from symgan_core.generator.model import half_precision_pays
from tests.generator.test_golden import DATA, close, close_depth
from tests.weights_rule import make_state


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    return {k: torch.from_numpy(np.atleast_1d(v)) for k, v in np.load(DATA / "ffhq512_golden.npz").items()}


@pytest.fixture(scope="module")
def full() -> TriPlaneGenerator:
    state = make_state(json.loads((DATA / "ffhq512_state.json").read_text()), -12.0)
    generator = TriPlaneGenerator(FFHQ512)
    generator.load_state_dict({k: torch.as_tensor(v) for k, v in state.items()}, strict=True)
    return generator.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def ws(full: TriPlaneGenerator, golden: dict[str, torch.Tensor]) -> torch.Tensor:
    return full.mapping(golden["z"][:1], golden["c_cond"], 0.7)


@pytest.fixture(scope="module")
def planes(full: TriPlaneGenerator, ws: torch.Tensor) -> torch.Tensor:
    return full.planes(ws)


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest difference over the largest value."""
    assert a.shape == b.shape
    return float((a - b).abs().max() / b.abs().max())


def test_codes(full: TriPlaneGenerator, ws: torch.Tensor, golden: dict[str, torch.Tensor]) -> None:
    assert relative(ws[:, 0], golden["w_psi0.7"][:1]) < 1e-4
    both = full.mapping(golden["z"], golden["c_cond"].expand(2, -1))
    assert relative(both[:, 0], golden["w_psi1"]) < 1e-4


def test_planes_and_density(full: TriPlaneGenerator, planes: torch.Tensor, golden: dict[str, torch.Tensor]) -> None:
    flat = planes.reshape(96, 256, 256)
    assert relative(flat[:, 120:136, 100:116], golden["planes_crop_0"]) < 1e-4
    stats = torch.stack([flat.mean((1, 2)), flat.std((1, 2)), flat.amin((1, 2)), flat.amax((1, 2))], 1)
    assert relative(stats, golden["planes_stats_0"]) < 1e-4
    line = (torch.arange(32) + 0.5) / 32 - 0.5
    grid = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1).reshape(1, -1, 3)
    assert relative(full.query(planes, grid)[0].reshape(32, 32, 32), golden["sigma_grid_0"]) < 1e-4


@pytest.mark.parametrize("view", [0, 1])
def test_views(full: TriPlaneGenerator, planes: torch.Tensor, ws: torch.Tensor, golden: dict[str, torch.Tensor], view: int) -> None:
    out = full.view(planes, ws, golden["c"][view: view + 1])
    close(out.image_raw[0], golden[f"image_raw_0{view}"], 2e-3)
    close(out.image[0, :, ::4, ::4], golden[f"image_sub4_0{view}"], 2e-3)
    close_depth(out, golden[f"image_depth_0{view}"], 1e-3)
    if view == 0:
        close(out.image[0, :, 192:320, 192:320], golden["image_crop_00"], 2e-3)


@pytest.mark.skipif(not half_precision_pays(torch.device("cpu")), reason="this processor has no AMX")
@torch.no_grad()
def test_bfloat16_stays_near(full: TriPlaneGenerator, planes: torch.Tensor, ws: torch.Tensor, golden: dict[str, torch.Tensor]) -> None:
    exact = full.view(planes, ws, golden["c"][:1]).image
    full.half_precision = True
    try:
        fast = full.view(planes, ws, golden["c"][:1]).image
    finally:
        full.half_precision = False
    assert not torch.equal(fast, exact)
    difference = (fast - exact).abs()
    assert difference.max() < 4e-2 and difference.mean() < 1e-2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
def test_cuda_exact_and_fast(full: TriPlaneGenerator, golden: dict[str, torch.Tensor]) -> None:
    generator = TriPlaneGenerator(FFHQ512)
    generator.load_state_dict(full.state_dict())
    generator.eval().requires_grad_(False).to("cuda")
    z, condition, camera = (x.to("cuda") for x in (golden["z"][:1], golden["c_cond"], golden["c"][:1]))
    with torch.no_grad():
        ws = generator.mapping(z, condition, 0.7)
        for half, limit in ((False, 2e-3), (True, 2e-2)):
            generator.half_precision = half
            out = generator.synthesis(ws, camera)
            close(out.image[0, :, ::4, ::4].cpu(), golden["image_sub4_00"], limit)
            close(out.image_raw[0].cpu(), golden["image_raw_00"], limit)
