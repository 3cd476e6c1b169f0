"""The synthetic people and their training, in small."""

import json

import numpy as np
import pytest
import torch

from symgan_core.geometry import DEFAULT_FOCAL, Camera
from tests.conftest import TINY
from training.heads import CODE, HeadPack, HeadRenderer, draw_codes, person_from_code
from training.heads.people import CHOICE_GAP, HAIR, Z_DIM, _hair_scores, macro_weights
from training.heads.render import frame

FRONT = Camera.orbit(0, 0).cam2world[0].numpy()


@pytest.fixture(scope="module")
def pack() -> HeadPack:
    return HeadPack()


@pytest.fixture(scope="module")
def renderer(pack: HeadPack) -> HeadRenderer:
    return HeadRenderer(pack, 128)


def view_of(renderer: HeadRenderer, code: np.ndarray, cam2world: np.ndarray = FRONT):
    person = person_from_code(renderer.pack, code)
    return renderer.draw(renderer.build(person), person, cam2world, DEFAULT_FOCAL)


def test_codes_are_normal_and_lead_to_one_style(pack: HeadPack) -> None:
    codes = draw_codes(np.random.default_rng(0), 400)
    assert codes.shape == (400, Z_DIM) and abs(codes.mean()) < 0.02 and abs(codes.std() - 1) < 0.03
    scores = np.sort([_hair_scores(c) for c in codes], axis=1)
    assert (scores[:, -1] - scores[:, -2]).min() >= CHOICE_GAP - 1e-4
    styles = {HAIR[int(np.argmax(_hair_scores(c)))] for c in codes}
    assert styles == set(HAIR)


def test_macro_weights_share_out_to_one() -> None:
    for age in (0.3, 0.5, 0.8):
        weights = macro_weights(0.3, age, np.array([0.2, 0.3, 0.5]), 0.7, 0.4)
        bodies = {k: v for k, v in weights.items() if "universal" not in k}
        assert sum(bodies.values()) == pytest.approx(1, abs=1e-3) and min(weights.values()) >= 0


def test_a_head_fills_the_frame_as_the_rule_says(pack: HeadPack, renderer: HeadRenderer) -> None:
    code = draw_codes(np.random.default_rng(1), 1)[0]
    person = person_from_code(pack, code)
    vertices = pack.compose(person.weights)
    centre, scale = frame(pack, vertices, None)
    mark = pack.landmarks
    crown, chin = ((vertices[mark[n], 1] - centre[1]) * scale for n in ("crown", "chin_bottom"))
    height = crown - chin
    assert crown + 0.06 * height == pytest.approx(0.633 / 2, abs=1e-4)
    assert chin - 0.17 * height == pytest.approx(-0.633 / 2, abs=1e-4)


def test_views_agree_with_their_labels(renderer: HeadRenderer) -> None:
    view = view_of(renderer, draw_codes(np.random.default_rng(2), 1)[0])
    assert view.rgb.shape == (128, 128, 3) and view.depth.shape == (64, 64)
    alpha = view.alpha.reshape(64, 2, 64, 2).mean((1, 3)) / 255
    assert np.isnan(view.depth[alpha == 0]).all() and np.isfinite(view.depth[alpha == 1]).mean() > 0.99
    assert (view.rgb[view.alpha == 0] == 255).all()
    assert -0.45 < np.nanmin(view.depth) < -0.15 and (view.region == 3).sum() > 4 and (view.region == 1).mean() > 0.1


def test_depth_and_camera_agree_between_views(renderer: HeadRenderer) -> None:
    """A point seen in two views is the same point: warping by depth gives the colours back."""
    from symgan_core.geometry import warp_to_view
    from symgan_core.geometry.rays import pixel_centres
    from training.train import along_ray

    code = draw_codes(np.random.default_rng(3), 1)[0]
    cams = [Camera.orbit(y, 0).vector() for y in (0, 12)]
    views = [view_of(renderer, code, Camera.from_vector(c).cam2world[0].numpy()) for c in cams]
    images = [torch.from_numpy(v.rgb).permute(2, 0, 1)[None].float() / 127.5 - 1 for v in views]
    flat = [torch.from_numpy(v.depth.astype(np.float32)).nan_to_num(9).reshape(1, -1) for v in views]
    depths = [along_ray(z, pixel_centres(64)[None], c).reshape(1, 1, 64, 64) for z, c in zip(flat, cams, strict=True)]
    warp = warp_to_view(images[0], cams[0], depths[0], cams[1], depths[1], tolerance=0.01)
    seen = warp.visible[0, 0] > 0
    head = torch.from_numpy(views[1].alpha) > 250
    assert (seen & head).sum() > 2000
    assert (warp.image - images[1]).abs().mean(1)[0][seen & head].median() < 12 / 127.5


def test_attributes_do_what_they_are_called(renderer: HeadRenderer) -> None:
    def mean(**changes: float) -> float:
        code = draw_codes(np.random.default_rng(4), 1)[0]
        for name, value in changes.items():
            code[CODE[name].start] = value
        view = view_of(renderer, code)
        big = np.repeat(np.repeat(view.region, 2, 0), 2, 1)
        return float(view.rgb[big == (2 if "hair_lightness" in changes else 1)].mean())

    assert mean(skin_tone=2.0) > mean(skin_tone=-2.0) + 3
    assert mean(hair_lightness=2.5) > mean(hair_lightness=-2.5) + 10
    assert mean(light_strength=2.0) > mean(light_strength=-2.0) + 5


def test_mirrored_hair_is_the_mirror_image(pack: HeadPack) -> None:
    mesh = pack.proxies["short01"]
    base = pack.compose({"macrodetails/caucasian-male-young": 1.0})
    symmetric = (base + base[pack.mirror] * np.float32([-1, 1, 1])) / 2
    flipped = mesh.mirrored(pack.mirror).fit(symmetric)
    assert np.abs(flipped - mesh.fit(symmetric) * np.float32([-1, 1, 1])).max() < 1e-3


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    from training.pool import Pool

    pool = Pool.open(tmp_path_factory.mktemp("pool"), 4)
    pool.fill(seed=0, start=0, step=1, count=4)
    return pool


def test_training_learns_saves_and_resumes(pool, tmp_path) -> None:
    from dataclasses import replace

    from training.train import TrainConfig, Trainer

    # patches want 256-pixel targets: the tiny generator upsamples 16 to 64, so the super-resolution stays out here
    config = TrainConfig(people=2, views=2, rays=64, small_planes_steps=3, patch_from_step=10**6)
    generator = replace(TINY, z_dim=Z_DIM)
    trainer = Trainer(pool, tmp_path, config=config, generator_config=generator)
    losses = [trainer.step(pool.ready()) for _ in range(30)]
    assert np.mean([x["colour"] for x in losses[-5:]]) < 0.8 * np.mean([x["colour"] for x in losses[:3]])
    trainer.save()
    assert max(p.stat().st_size for p in tmp_path.iterdir()) < 16 * 2**20
    again = Trainer(pool, tmp_path, config=config, generator_config=generator)
    assert again.step_number == 30
    for a, b in zip(again.generator.parameters(), trainer.generator.parameters(), strict=True):
        assert torch.equal(a, b)
    moments = [opt.state_dict()["state"][0]["exp_avg"] for opt in (again.optimizer, trainer.optimizer)]
    assert torch.equal(*moments)
    assert json.loads((tmp_path / "state.json").read_text())["step"] == 30 and (tmp_path / "sheet.png").exists()


def test_the_super_resolution_learns_from_patches(pool, tmp_path) -> None:
    from dataclasses import replace

    from symgan_core.generator import SuperResolutionConfig
    from training.train import TrainConfig, Trainer

    config = TrainConfig(people=2, views=1, rays=16, small_planes_steps=0, patch_from_step=0, patches=2, patch_size=16)
    generator = replace(TINY, z_dim=Z_DIM, image_resolution=256, neural_rendering_resolution=64,
                        superresolution=SuperResolutionConfig(input_resolution=64, channels=(8, 8), clamp=None))
    trainer = Trainer(pool, tmp_path, config=config, generator_config=generator)
    losses = []
    for _ in range(30):
        trainer.rng = np.random.default_rng(7)  # the same people and patches each time, or their differences hide the progress
        losses.append(trainer.step(pool.ready())["patch"])
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:3])


def test_samples_gather_around_the_known_depth(pool, tmp_path) -> None:
    from training.train import TrainConfig, Trainer

    trainer = Trainer(pool, tmp_path, config=TrainConfig(), generator_config=TINY)
    depths = trainer._place_samples(torch.tensor([[2.6, float("nan")]]))
    assert depths.shape == (1, 2, 16) and (depths.diff(dim=-1) >= 0).all()
    assert ((depths[0, 0] - 2.6).abs() < 0.05).sum() == 9
    assert depths[0, 1].min() < 2.4 and depths[0, 1].max() > 3.0
