"""The training of the last look at points, in small."""

from pathlib import Path

import numpy as np
import pytest
import torch

from symgan_core.faces import as_tensor, look_closer
from symgan_core.faces.frames import cut_squares
from symgan_core.faces.maps import JAW
from symgan_core.faces.points import HALF, PATCH, PointNetwork, gather_points, group_squares, in_patch, patch_points, wider
from symgan_core.geometry import DEFAULT_FOCAL, Camera, project
from symgan_core.weights import read_shipped, write_shipped
from tests.training.learning import learning_curve
from training.crops import Crops, seen
from training.heads import HeadPack, HeadRenderer, draw_codes, person_from_code
from training.heads.landmarks import points_of
from training.points import SIDE, Patches, astray, compressed, losses, mean_of_versions, patches, shadowed, sharpened
from training.pool import Pool, expressive


@pytest.fixture(scope="module")
def crops(pool: Pool) -> Crops:
    return Crops(pool, backdrops=4, side=SIDE, near=True)


def test_crops_show_the_face_alone(crops: Crops) -> None:
    for gently in (False, True):
        pictures, truth, _ = crops.draw(16, gently=gently)
        assert pictures.shape == (16, 3, SIDE, SIDE) and truth.regions.shape == (16, SIDE // 2, SIDE // 2)
        inside = (truth.points > 0) & (truth.points < 1)
        assert inside.float().mean() > 0.97 and (truth.points.amax(1) - truth.points.amin(1)).amax(1).min() > 0.5


def test_patches_are_cut_as_those_of_a_photo(crops: Crops) -> None:
    pictures, truth, _ = crops.draw(2, gently=True)
    squares = astray(group_squares(truth.points))
    found = patches(pictures, squares)
    assert found.shape == (2, 2 * HALF, 6, PATCH, PATCH)
    pixels = squares * SIDE
    for part, square in enumerate((pixels[0], wider(pixels[0]))):
        expected = cut_squares(pictures[:1], square, PATCH)
        away = (found[0, :, 3 * part: 3 * part + 3] - expected).abs().mean((1, 2, 3))
        assert (away < 0.02).all(), away


@pytest.mark.slow
def test_the_network_learns(crops: Crops) -> None:
    torch.manual_seed(0)
    network, drawn = PointNetwork(), Patches(crops, 6)

    def parts() -> dict[str, torch.Tensor]:
        shown, *truth = drawn.draw()
        return losses(network(shown), *truth)

    history = learning_curve(network, parts, steps=20, rate=3e-3)
    assert np.mean(history[-3:]) < 0.7 * np.mean(history[:2])


def test_points_that_a_patch_has_lost_do_not_count(crops: Crops) -> None:
    torch.manual_seed(0)
    _, squares, points, visible = Patches(crops, 2).draw()
    heat = [torch.randn(2, len(patch_points(patch)), 32, 32, requires_grad=True) for patch in range(2 * HALF)]
    far = squares + squares.new_tensor([0.0, 0, 50, 0])
    assert sum(float(v) for v in losses(heat, far, points, visible).values()) == 0
    assert sum(float(v) for v in losses(heat, squares, points, visible).values()) > 0
    assert gather_points(heat, squares).shape == (2, 51, 2)
    assert torch.allclose(in_patch(in_patch(points, HALF), HALF), points, atol=1e-6)


def test_versions_are_averaged(tmp_path: Path) -> None:
    states = []
    for seed in range(2):
        torch.manual_seed(seed)
        states.append(PointNetwork().state_dict())
        write_shipped(states[-1], tmp_path / f"{seed}.safetensors")
    mean_of_versions([tmp_path / f"{seed}.safetensors" for seed in range(2)], tmp_path / "mean.safetensors")
    found = read_shipped(tmp_path / "mean.safetensors")
    PointNetwork().load_state_dict(found)
    for name in ("maps.1.weight", "kind.weight", "down.0.0.1.running_var"):
        assert torch.allclose(found[name], (states[0][name] + states[1][name]) / 2, atol=2e-3)


def test_shadows_and_files_leave_a_picture_what_it_is() -> None:
    torch.manual_seed(0)
    pictures = torch.nn.functional.interpolate(torch.rand(32, 3, 6, 6), (96, 96), mode="bicubic").clamp(0, 1) - 0.5
    for change, most in ((shadowed, 0.6), (sharpened, 0.6), (compressed, 0.1)):
        away = (change(pictures) - pictures).abs().mean((1, 2, 3))
        assert 8 <= (away < 1e-6).sum() <= 24 and 0.005 < away.max() < most, away


def test_features_of_rendered_people_are_read_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight people in plain views: points that are seen, without the jaw's, and the pose. What holds today; 2 % is what is aimed at."""
    renderer, rng, side = HeadRenderer(HeadPack(), 512), np.random.default_rng(31), 512
    away, before, turned = [], [], []
    for yaw in (-50, -35, -20, -5, 5, 20, 35, 50):
        code = expressive(draw_codes(rng, 1)[0], rng)
        person, camera = person_from_code(renderer.pack, code), Camera.orbit(yaw, float(rng.uniform(-15, 15)))
        view = renderer.draw(renderer.build(person), person, camera.cam2world[0].numpy(), DEFAULT_FOCAL)
        places, depth = project(torch.from_numpy(points_of(renderer.pack, person))[None], camera.vector())
        shown = seen(places, depth - 2.7, torch.from_numpy(view.depth)[None].float())[0].numpy()
        truth, close = places[0].numpy() * side, look_closer(as_tensor(view.rgb))
        with monkeypatch.context() as without:
            without.setattr("symgan_core.faces.closeup.finer_points", lambda _, points: points)
            coarse = look_closer(as_tensor(view.rgb))
        eyes = np.linalg.norm(truth[36:42].mean(0) - truth[42:48].mean(0))
        for found, errors in ((close, away), (coarse, before)):
            errors.extend((np.linalg.norm(found.landmarks - truth, axis=1) / eyes)[JAW:][shown[JAW:]])
        turned.append(np.abs(np.array([close.yaw, close.pitch]) - camera.yaw_pitch()))
    assert np.mean(away) < min(0.027, 0.85 * np.mean(before)), (np.mean(away), np.mean(before))
    assert np.mean(turned) < 3
