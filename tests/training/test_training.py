"""The synthetic people and their training, in small."""

import json
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from symgan_core.generator import BUILTIN, TriPlaneGenerator, save_generator
from symgan_core.generator.synthesis import MappingNetwork
from symgan_core.geometry import Camera, project
from tests.conftest import TINY
from training.batch import FEATURES, Batch, beside, drawn, finer, place_samples
from training.heads import CODE, HeadPack, draw_codes, person_from_code, trait_layout, trait_statistics, traits
from training.heads.people import Z_DIM
from training.pool import EXPRESSIONS, expressive


@pytest.fixture(scope="module")
def pack() -> HeadPack:
    return HeadPack()


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    from training.pool import Pool

    pool = Pool.open(tmp_path_factory.mktemp("pool"), 4)
    pool.fill(seed=0, places=range(4))
    return pool


def small_trainer(pool, folder, start=None, **changes):
    """A trainer of the tiny generator: 16-pixel planes, pictures of 256 as the pool has them."""
    from training.config import TrainConfig
    from training.train import Trainer

    config = TrainConfig(**{"people": 2, "views": 2, "rays": 64, "points": 100, "free_points": 100, "growth": (3, 6), "patches": 2,
                            "patch_size": 24, "patch_from_step": 10**6} | changes)
    generator = replace(TINY, z_dim=Z_DIM, image_resolution=256, neural_rendering_resolution=256, w_dim=32,
                        superresolution=None)
    return Trainer(pool, folder, config=config, generator_config=generator, start=start)


def test_training_learns_saves_and_resumes(pool, tmp_path) -> None:
    trainer = small_trainer(pool, tmp_path)
    assert [trainer.plane_size() for trainer.step_number in (0, 3, 6)] == [4, 8, 16]
    trainer.step_number = 0
    losses = [trainer.step(x) for x in islice(trainer.draws, 80)]
    for name in ("point", "colour"):
        assert np.mean([x[name] for x in losses[-5:]]) < 0.85 * np.mean([x[name] for x in losses[:3]]), name
    trainer.save()
    assert max(p.stat().st_size for p in tmp_path.iterdir()) < 16 * 2**20
    again = small_trainer(pool, tmp_path)
    assert again.step_number == 80
    for (name, a), b in zip(again.generator.named_parameters(), trainer.generator.parameters(), strict=True):
        assert torch.equal(a, b), name
    moments = [opt.state_dict()["state"][0]["exp_avg"] for opt in (again.optimizer, trainer.optimizer)]
    assert torch.equal(*moments)
    assert json.loads((tmp_path / "state.json").read_text())["step"] == 80 and (tmp_path / "sheet.png").exists()


def test_training_goes_on_from_a_shipped_file(pool, tmp_path) -> None:
    from training.mapping import absorb_shift

    first = small_trainer(pool, tmp_path / "a")
    first.step(next(iter(first.draws)))
    absorb_shift(first.ema)
    save_generator(first.ema, tmp_path / "shipped.safetensors")
    absorb_shift(first.ema, -4.0)
    again = small_trainer(pool, tmp_path / "b", start=tmp_path / "shipped.safetensors")
    assert again.plane_size() == 16
    for (name, a), b in zip(again.generator.named_parameters(), first.ema.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-4), name


def test_patches_and_a_critic_teach(pool, tmp_path) -> None:
    trainer = small_trainer(pool, tmp_path, growth=(0, 0), patch_from_step=0, adversarial_from_step=20)
    losses = []
    for _ in range(40):
        trainer.draws.rng = np.random.default_rng(7)  # the same people and patches each time, or their differences hide the progress
        torch.manual_seed(7)
        losses.append(trainer.step(next(iter(trainer.draws))))
    assert np.mean([x["patch"] for x in losses[15:20]]) < 0.8 * np.mean([x["patch"] for x in losses[:3]])
    assert "critic" not in losses[19] and losses[-1]["critic"] < losses[20]["critic"]
    trainer.save()
    again = small_trainer(pool, tmp_path)
    for a, b in zip(again.adversary.critic.parameters(), trainer.adversary.critic.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_wider_backbone_takes_a_narrower_ones_weights(tmp_path) -> None:
    from training.checkpoint import widen

    narrow, wide = (TriPlaneGenerator(replace(TINY, canvas=True, channel_base=base)).eval() for base in (128, 256))
    with torch.no_grad():
        for name, weight in narrow.named_parameters():
            if "canvas" in name or name.endswith("bias"):
                weight.normal_()
        widen(narrow.state_dict(), wide)
        ws = torch.randn(2, TINY.num_ws, TINY.w_dim)
        assert wide.backbone.synthesis.b16.conv1.weight.shape != narrow.backbone.synthesis.b16.conv1.weight.shape
        assert torch.allclose(wide.planes(ws), narrow.planes(ws), atol=1e-4)
        for weight in wide.backbone.synthesis.b16.conv1.parameters():  # what is new is not heard yet, and can learn to speak
            weight.requires_grad_(True)
    wide.planes(ws).square().sum().backward()
    assert wide.backbone.synthesis.b16.torgb.weight.grad[:, 8:].abs().min() > 0
    with pytest.raises(ValueError, match="narrower"):
        widen(wide.state_dict(), narrow)


def test_rays_beside_the_head_look_where_its_edge_is(pool) -> None:
    depth = torch.full((1, 20, 20), torch.nan)
    depth[0, :, :8] = torch.arange(8) / 100 + 0.1
    near = beside(depth)
    assert torch.equal(near[0, :, :8], depth[0, :, :8])
    assert torch.allclose(near[0, 5, 8:12], torch.tensor([0.14, 0.15, 0.16, 0.17])) and near[0, :, 12:].isnan().all()
    batch = Batch(drawn(pool, np.array([0]), np.array([[0]])), torch.device("cpu"))
    rim = torch.isnan(batch.depth[0]) & torch.isfinite(batch.near[0])
    row, column = batch.choose(4000)
    chosen = rim[row[0], column[0]].float().mean()
    interest = batch.interest[0].repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert chosen > 2 * (rim * interest).sum() / interest.sum()


def test_a_pool_is_completed_and_then_left_alone(tmp_path) -> None:
    from training.pool import Pool

    pool = Pool.open(tmp_path, 3)
    pool.fill(seed=2, places=[1])
    assert pool.ready().tolist() == [1]
    first = pool.arrays["codes"][1].copy()
    pool.fill(seed=3, places=pool.missing(2))
    assert pool.ready().tolist() == [0, 1, 2] and (pool.arrays["codes"][1] == first).all()
    assert (Pool.open(tmp_path).arrays["codes"] == pool.arrays["codes"]).all()


def test_a_pool_knows_each_persons_traits(pool, pack) -> None:
    mean, scale = trait_statistics(pack)
    w = drawn(pool, np.array([2, 0]), np.array([[0], [3]]))["w"].numpy()
    for row, person in zip(w, (2, 0), strict=True):
        own = traits(pack, person_from_code(pack, pool.arrays["codes"][person]))
        assert np.allclose(row, (own - mean) / scale, atol=1e-5)
    assert np.abs(w[0] - w[1]).max() > 0.5
    missing = type(pool)(pool.folder, pool.heads, pool.arrays | {"w": np.zeros_like(pool.arrays["w"])})
    with pytest.raises(ValueError, match="anew"):
        missing.ws(np.array([0]))


def test_features_are_looked_at_most(pool) -> None:
    numbers, views = pool.ready()[:2], np.zeros((2, 1), int)
    batch = Batch(drawn(pool, numbers, views), torch.device("cpu"))
    region = torch.from_numpy(pool.arrays["region"][numbers, 0])
    row, column = batch.choose(4000)
    kinds = region[torch.arange(2)[:, None], row // 2, column // 2]
    for n in FEATURES:
        there, chosen = (region == n).flatten(1).float().mean(1), (kinds == n).float().mean(1)
        assert (chosen[there > 0] > 5 * there[there > 0]).all(), n


def test_some_people_of_a_pool_make_faces() -> None:
    rng = np.random.default_rng(0)
    codes = draw_codes(rng, 600)
    moved = np.stack([expressive(code, rng) for code in codes])
    own = {name: CODE[name].start for name in EXPRESSIONS}
    assert (np.delete(moved, list(own.values()), 1) == np.delete(codes, list(own.values()), 1)).all()
    for name, (share, low, high) in EXPRESSIONS.items():
        changed = moved[:, own[name]][moved[:, own[name]] != codes[:, own[name]]]
        assert abs(len(changed) / 600 - share) < 0.08 and low <= changed.min() and changed.max() <= high
    assert (moved[:, own["mouth_open"]] > 1).mean() > 2 * (codes[:, own["mouth_open"]] > 1).mean()


def test_finer_depth_is_linear_along_a_surface_and_keeps_its_edges() -> None:
    slope = torch.arange(6.0)[None, None].expand(1, 4, -1) * 0.004
    depth = torch.cat([slope, slope[..., :2] + 0.5, torch.full((1, 4, 2), torch.nan)], -1)
    fine = finer(depth)
    assert fine.shape == (1, 8, 20)
    assert torch.allclose(fine[0, 3, 1:11].diff(), torch.full((9,), 0.002), atol=1e-6)
    assert torch.allclose(fine[0, 3, 11:13], torch.tensor([0.02, 0.5])) and torch.equal(fine[0, 3, 15], depth[0, 1, 7])
    assert fine[0, :, 16:].isnan().all() and fine[0, :, :16].isfinite().all()


def test_samples_gather_around_the_known_depth() -> None:
    depths = place_samples(torch.tensor([[2.6, float("nan")]]), (2.28, 3.12), (4, 9, 3), 0.05)
    assert depths.shape == (1, 2, 16) and (depths.diff(dim=-1) >= 0).all()
    assert ((depths[0, 0] - 2.6).abs() < 0.05).sum() == 9
    assert depths[0, 1].min() < 2.4 and depths[0, 1].max() > 3.0
    outside = place_samples(torch.tensor([[2.25, 3.2]]), (2.28, 3.12), (4, 9, 3), 0.05)
    assert (outside.diff(dim=-1) >= 0).all()  # a step back would make a negative thickness, and weights without limit


def test_points_are_where_the_pixels_show_them(pool) -> None:
    batch = Batch(drawn(pool, np.array([0, 1]), np.array([[0, 1], [2, 0]])), torch.device("cpu"))
    row, column = batch.choose(50, on_head=True)
    pixels = batch.pixels(row, column)
    points = pixels.origins + pixels.directions * pixels.depth[..., None]
    uv, distance = project(points, batch.cameras)
    assert torch.isfinite(points).all() and torch.allclose(distance, pixels.depth, atol=1e-4)
    assert torch.allclose(uv[..., 0] * 256 - 0.5, column.float(), atol=1e-2) and pixels.colour.abs().max() <= 1


def test_empty_points_are_empty(pool) -> None:
    """No known-empty point lies on or just behind a surface that a view of the batch shows."""
    torch.manual_seed(0)  # the nearest of a thousand points: of twelve seeds, ten give more than 0.004
    batch = Batch(drawn(pool, np.array([0]), np.array([[0, 1, 2]])), torch.device("cpu"))
    points, empty = batch.free_points(4000, 0.76)
    assert 0.2 < empty.float().mean() < 0.95
    surface = batch.pixels(*batch.choose(400, on_head=True)).by_person(1)
    whole = surface.opacity[0] > 0.97
    places = (surface.origins + surface.directions * (surface.depth + 0.01)[..., None])[0][whole]
    nearest = torch.cdist(points[0][empty[0]], places).min()
    assert nearest > 0.004


def test_matter_in_empty_space_is_searched_for(pool, tmp_path) -> None:
    from training.sampling import PlaneSampler

    trainer = small_trainer(pool, tmp_path, free_points=200, free_search=10)
    batch = Batch(drawn(pool, np.array([0, 1]), np.array([[0, 1], [2, 0]])), torch.device("cpu"))
    sampler = PlaneSampler(trainer.generator, trainer.ws_of(batch), 16)
    points, empty = trainer._free_points(sampler, batch)
    assert points.shape == (2, 200, 3) and empty[:, 100:].all() and 0.2 < empty[:, :100].float().mean() < 0.95
    density = sampler.query(points)[0].detach()
    for person in range(2):
        random = density[person, :100][empty[person, :100]]
        assert density[person, 100:].min() > random.median()


@pytest.mark.parametrize("plane_warp", [None, (4, 8)])
def test_the_fast_sampler_is_the_generators_own(plane_warp: tuple[int, int] | None) -> None:
    from training.sampling import PlaneSampler

    torch.manual_seed(0)
    generator = TriPlaneGenerator(replace(TINY, plane_warp=plane_warp))
    if plane_warp:
        torch.nn.init.normal_(generator.backbone.warp.field.weight, std=3)  # by up to half a plane: some come from beyond the edge
    ws = torch.randn(2, TINY.num_ws, TINY.w_dim, requires_grad=True)
    points = (torch.rand(2, 300, 3) - 0.5) * 1.1  # some lie outside the box
    ours, theirs = PlaneSampler(generator, ws).query(points), generator.query(generator.planes(ws), points)
    assert torch.allclose(ours[0], theirs[0], atol=1e-4) and torch.allclose(ours[1], theirs[1].transpose(1, 2), atol=1e-4)
    weights = [ws, generator.backbone.synthesis.b4.const] + ([generator.backbone.warp.field.weight] if plane_warp else [])
    mine, own = (torch.autograd.grad(s.square().sum() + f.sum(), weights, retain_graph=True) for s, f in (ours, theirs))
    for a, b in zip(mine, own, strict=True):
        assert (a - b).norm() < 1e-3 * b.norm()
    assert torch.equal(PlaneSampler(generator, ws).query(points[:1], 1)[0], ours[0][:1])


@pytest.mark.parametrize("fast", [True, False])
def test_bfloat16_changes_the_planes_little_and_not_what_learns(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.sampling import PlaneSampler

    torch.manual_seed(0)
    generator = TriPlaneGenerator(replace(TINY, plane_warp=(4, 8)))
    ws, points = torch.randn(2, TINY.num_ws, TINY.w_dim), (torch.rand(2, 300, 3) - 0.5) * 0.9
    plain = PlaneSampler(generator, ws).query(points)[1]
    if not fast:  # as on a GPU
        monkeypatch.setattr(PlaneSampler, "runs_fast", staticmethod(lambda device: False))
    sampler = PlaneSampler(generator, ws, bfloat16=True)
    half = sampler.query(points)[1]
    assert sampler.planes.dtype == torch.float32
    assert 0 < float((half - plain).norm()) < 0.02 * float(plain.norm())
    half.sum().backward()
    gradient = generator.backbone.synthesis.b4.const.grad
    assert gradient.dtype == torch.float32 and float(gradient.abs().sum()) > 0


def test_the_mapping_learns_traits_from_codes_alone(pack: HeadPack) -> None:
    from training.mapping import draw_pairs, explained, train_mapping

    codes, truth = draw_pairs(3000, 0)
    mapping = MappingNetwork(replace(BUILTIN, mapping_features=128, mapping_layers=3, w_dim=truth.shape[1]))
    train_mapping(mapping, codes, truth, steps=900, batch=128)
    share = explained(mapping, *draw_pairs(200, 1))
    layout = trait_layout(pack, person_from_code(pack, codes[0].numpy()))
    assert share[layout["body"]].mean() > 0.25 and share[layout["skin_tint"]].mean() > 0.25
    assert torch.allclose(mapping.w_avg, truth.mean(0) + 4)


def test_the_shift_of_w_is_absorbed(tiny: TriPlaneGenerator) -> None:
    from training.mapping import absorb_shift

    ws = torch.randn(1, TINY.num_ws, TINY.w_dim)
    camera = Camera.orbit(10).vector()
    before = tiny.synthesis(ws, camera).image
    absorb_shift(tiny, 4.0)
    assert torch.allclose(tiny.synthesis(ws + 4.0, camera).image, before, atol=1e-4)
