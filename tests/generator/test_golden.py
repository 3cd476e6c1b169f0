"""The small golden fixture, and the full configuration's names."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from symgan_core.generator import BUILTIN, FFHQ512, GeneratorConfig, SuperResolutionConfig, Synthesized, TriPlaneGenerator
from symgan_core.generator.model import _whole_float32
from tests.weights_rule import make_state

DATA = Path(__file__).parents[1] / "data"
SMALL = GeneratorConfig(
    name="small", z_dim=64, channel_max=32, mapping_features=64, image_resolution=256, neural_rendering_resolution=64,
    superresolution=SuperResolutionConfig(channels=(128, 64), upsample=(False, True), resize="smaller", own_filter=True))


def small_state() -> dict[str, torch.Tensor]:
    shapes = json.loads((DATA / "small_state.json").read_text())
    return {k: torch.as_tensor(v) for k, v in make_state(shapes, -50.0).items()}


@pytest.fixture(scope="module")
def small() -> TriPlaneGenerator:
    generator = TriPlaneGenerator(SMALL)
    generator.load_state_dict(small_state(), strict=True)
    return generator.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    return {k: torch.from_numpy(np.atleast_1d(v)) for k, v in np.load(DATA / "small_golden.npz").items()}


def ws_of(generator: TriPlaneGenerator, golden: dict[str, torch.Tensor], psi: float = 0.7) -> torch.Tensor:
    return generator.mapping(golden["z"], golden["c_cond"].expand(2, -1), psi)


def close(a: torch.Tensor, b: torch.Tensor, limit: float) -> None:
    assert a.shape == b.shape
    assert (a - b).abs().max() < limit


def close_depth(out: Synthesized, truth: torch.Tensor, limit: float) -> None:
    """Along rays that meet something. Weights that sum to less than a thousandth are multiples of float32's rounding, and their mean depth
    is another one on each kind of processor."""
    met = out.image_opacity[0] > 1e-3
    assert met.float().mean() > 0.5
    assert (out.image_depth[0] - truth).abs()[met].max() < limit


def test_mapping(small: TriPlaneGenerator, golden: dict[str, torch.Tensor]) -> None:
    for psi, key in ((1.0, "w_psi1"), (0.7, "w_psi0.7")):
        ws = ws_of(small, golden, psi)
        close(ws[:, 0], golden[key], 1e-5)
        assert (ws == ws[:, :1]).all() and ws.shape == (2, 14, 512)
    close(small.mapping(golden["z"], golden["c"][1:].expand(2, -1))[:, 0], golden["w_psi1_condcam1"], 1e-5)
    cut = small.mapping(golden["z"][:1], golden["c_cond"], 0.7, truncation_cutoff=8)
    close(cut[0, [0, 7, 8, 13]], golden["w_psi0.7_cutoff8"], 1e-5)


@pytest.mark.parametrize("latent", [0, 1])
def test_planes(small: TriPlaneGenerator, golden: dict[str, torch.Tensor], latent: int) -> None:
    planes = small.planes(ws_of(small, golden)[latent: latent + 1]).reshape(96, 256, 256)
    close(planes[:, 120:136, 100:116], golden[f"planes_crop_{latent}"], 2e-5)
    stats = golden[f"planes_stats_{latent}"]
    flat = planes.flatten(1)
    close(torch.stack([flat.mean(1), flat.std(1), flat.amin(1), flat.amax(1)], 1), stats, 5e-5)


def test_point_queries(small: TriPlaneGenerator, golden: dict[str, torch.Tensor]) -> None:
    planes = small.planes(ws_of(small, golden)[:1])
    sigma, rgb = small.query(planes, golden["points"][None])
    close(sigma[0], golden["points_sigma_0"], 5e-3)
    close(rgb[0].T, golden["points_rgb_0"], 5e-4)
    line = (torch.arange(32) + 0.5) / 32 - 0.5
    grid = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1).reshape(1, -1, 3)
    close(small.query(planes, grid)[0].reshape(32, 32, 32), golden["sigma_grid_0"], 5e-3)


@pytest.mark.parametrize(("latent", "view"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_views(small: TriPlaneGenerator, golden: dict[str, torch.Tensor], latent: int, view: int) -> None:
    out = small.synthesis(ws_of(small, golden)[latent: latent + 1], golden["c"][view: view + 1])
    key = f"{latent}{view}"
    close(out.image_raw[0], golden[f"image_raw_{key}"], 5e-4)
    close(out.image[0, :, ::4, ::4], golden[f"image_sub4_{key}"], 5e-4)
    close(out.image[0, :, 96:160, 96:160], golden[f"image_crop_{key}"], 5e-4)
    close_depth(out, golden[f"image_depth_{key}"], 1e-3)


def test_half_precision_stays_near_and_leaves_gradients_alone(small: TriPlaneGenerator, golden: dict[str, torch.Tensor]) -> None:
    ws, camera = ws_of(small, golden)[:1], golden["c"][:1]
    small.half_precision = True
    try:
        with torch.no_grad():
            fast = small.synthesis(ws, camera).image
        learning = small.synthesis(ws.requires_grad_(True), camera).image.detach()
    finally:
        small.half_precision = False
    truth = golden["image_sub4_00"]
    close(learning[0, :, ::4, ::4], truth, 5e-4)
    assert fast.dtype == torch.float32 and not torch.equal(fast, learning)
    # bfloat16 on a CPU has 8 bits of mantissa; CUDA's float16, three more, is held to 2e-2 in test_full_size.py
    assert (fast[0, :, ::4, ::4] - truth).abs().max() < 4e-2 * truth.abs().max()


def test_cuda_reads_whole_float32() -> None:
    before = torch.backends.cudnn.allow_tf32
    with _whole_float32(torch.device("cuda")):
        assert not torch.backends.cudnn.allow_tf32 and torch.backends.cudnn.enabled
    assert torch.backends.cudnn.allow_tf32 == before


def test_clamping_happens_in_the_super_resolution_alone(golden: dict[str, torch.Tensor]) -> None:
    state = small_state()
    for name in ("backbone.synthesis.b8.conv1.bias", "superresolution.block0.conv1.bias", "superresolution.block1.torgb.bias"):
        state[name] = state[name] * 6000
    generator = TriPlaneGenerator(SMALL)
    generator.load_state_dict(state)
    generator.eval().requires_grad_(False)
    seen: dict[str, float] = {}
    for name in ("backbone.synthesis.b8.conv1", "superresolution.block0.conv1", "superresolution.block1.torgb"):
        generator.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: seen.update({name: float(out.abs().max())}))
    generator.synthesis(ws_of(generator, golden)[:1], golden["c"][:1])
    assert seen["backbone.synthesis.b8.conv1"] == pytest.approx(1515.4, abs=0.5)
    assert seen["superresolution.block0.conv1"] == seen["superresolution.block1.torgb"] == 256


def test_full_configuration_has_the_official_names_and_shapes() -> None:
    with torch.device("meta"):
        state = TriPlaneGenerator(FFHQ512).state_dict()
    assert {k: list(v.shape) for k, v in state.items()} == json.loads((DATA / "ffhq512_state.json").read_text())


def test_deterministic_unless_jittered(tiny: TriPlaneGenerator, frontal: torch.Tensor) -> None:
    ws = tiny.mapping(torch.ones(1, 16), frontal[None])
    a, b = (tiny.synthesis(ws, frontal[None]).image for _ in range(2))
    assert torch.equal(a, b)
    jittered = [tiny.synthesis(ws, frontal[None], jitter=torch.Generator().manual_seed(s)).image for s in (1, 1, 2)]
    assert torch.equal(jittered[0], jittered[1]) and not torch.equal(jittered[0], jittered[2]) and not torch.equal(jittered[0], a)


def test_chunks_do_not_change_the_picture(tiny: TriPlaneGenerator, frontal: torch.Tensor) -> None:
    ws = tiny.mapping(torch.ones(1, 16), frontal[None])
    whole = tiny.synthesis(ws, frontal[None])
    tiny.chunk_rays = 37
    parts = tiny.synthesis(ws, frontal[None])
    assert torch.allclose(whole.image, parts.image, atol=1e-5) and torch.allclose(whole.image_depth, parts.image_depth, atol=1e-5)


def test_wrong_shapes_are_said_at_the_door(tiny: TriPlaneGenerator, frontal: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="16"):
        tiny.mapping(torch.zeros(1, 17), frontal[None])
    with pytest.raises(ValueError, match="ws"):
        tiny.planes(torch.zeros(1, 3, 24))


def test_configurations_survive_json() -> None:
    for config in (FFHQ512, BUILTIN, SMALL):
        assert GeneratorConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert FFHQ512.num_ws == 14 and BUILTIN.num_ws == 14
