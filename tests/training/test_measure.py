"""The measures of the prior, on a tiny generator and on numbers that can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from symgan_core.editing import Direction, Directions
from symgan_core.generator import TriPlaneGenerator
from symgan_core.geometry import Camera
from tests.conftest import TINY
from training.directions import SOURCES, z_numbers
from training.heads import HeadPack, draw_codes, person_from_code, trait_statistics, traits
from training.labels import readings, recombined
from training.measure import FitConfig, Views, colour_agreement, fit, on_white, score
from training.readers import NAMES, SIDE, Effects, known_effects, load_reader, save_reader, train_reader


def views_of(generator: TriPlaneGenerator, ws: torch.Tensor) -> Views:
    cameras = torch.cat([Camera.orbit(yaw, 0).vector() for yaw in (-30, 0, 40)])
    outs = [generator.synthesis(ws, c[None]) for c in cameras]
    masks = torch.nn.functional.interpolate(torch.cat([o.image_opacity for o in outs]), (64, 64))
    return Views(torch.cat([o.image for o in outs]).clamp(-1, 1), masks.clamp(0, 1), torch.cat([o.image_depth for o in outs]), cameras)


def test_fitting_comes_close_to_a_head_that_the_generator_knows(tiny: TriPlaneGenerator) -> None:
    z = torch.randn(1, 16, generator=torch.Generator().manual_seed(5))
    truth = tiny.mapping(z, tiny.frontal_camera())
    views, config = views_of(tiny, truth), FitConfig(steps=60)
    before = score(tiny, fit(tiny, views, replace(config, steps=1)), views)
    after = score(tiny, fit(tiny, views, config), views)
    assert after["psnr"].mean() > before["psnr"].mean() + 2
    assert score(tiny, truth, views)["psnr"].min() > 60 and score(tiny, truth, views)["depth"].max() < 1e-5


def test_a_head_before_anything_is_the_same_head_before_white() -> None:
    line = np.arange(24) - 11.5
    mask = (np.clip(9 - np.hypot(line[:, None], line), -1, 1) * 127.5 + 127.5).round().astype(np.uint8)
    share, head = mask[..., None] / 255, np.array([60.0, 40, 20])
    left_and_right = np.where(line[None, :, None] < 0, [128.0, 128, 128], [20.0, 200, 90])
    for behind in (np.full(3, 128.0), left_and_right):
        image = (share * head + (1 - share) * behind).round().astype(np.uint8)
        assert np.abs(on_white(image, mask) - (share * head + (1 - share) * 255)).max() < 1
    assert np.array_equal(on_white(image, np.full_like(mask, 255)), image)


def test_colours_that_do_not_depend_on_the_view_agree() -> None:
    class Grey(TriPlaneGenerator):
        """One colour, a solid ball."""

        def query(self, planes, points):
            return 4000 * (0.2 - points.norm(dim=-1)), torch.full((*points.shape[:2], TINY.plane_channels), 0.3).transpose(1, 2)

        def super_resolve(self, rendered, ws):
            return torch.nn.functional.interpolate(rendered.features[:, :3], (64, 64), mode="bilinear")

    grey = Grey(replace(TINY, neural_rendering_resolution=32, depth_resolution=48, depth_resolution_importance=48))
    assert colour_agreement(grey, people=1) < 1


def test_effects_compare_a_direction_with_the_others() -> None:
    effects = Effects(("a", "b", "c"), np.array([[4.0, -0.5, 0.2], [0.1, 2.0, 1.0], [0, 0, 3.0]]), np.array([0.9, 0.1, 0.7]))
    assert effects.ratios() == pytest.approx({"a": 8, "b": 2, "c": np.inf})
    assert "| a | +4.00 | b -0.50 | 8.0 | 0.90 |" in effects.table()


def test_known_effects_are_readings_of_the_vectors() -> None:
    found = Directions((Direction("age", "", "", 2.0), Direction("smile", "", "", 1.0)),
                       {"age": torch.tensor([1.0, 0.1]), "smile": torch.tensor([0.0, 1.0])})
    effects = known_effects(found, {"age": np.array([1.0, 0]), "smile": np.array([0, 2.0])})
    assert effects.change == pytest.approx(np.array([[4, 0.8], [0, 4]]))


def test_a_recombined_person_has_the_hair_of_another() -> None:
    pack = HeadPack()
    one, other = (person_from_code(pack, z) for z in draw_codes(np.random.default_rng(4), 2))
    both = recombined(one, other)
    assert both.hair == other.hair != one.hair and both.hair_colour is other.hair_colour
    assert both.weights is one.weights and both.iris == one.iris


def test_readings_say_what_a_person_is() -> None:
    pack = HeadPack()
    found, (mean, scale) = readings(pack, 300), trait_statistics(pack)
    codes = draw_codes(np.random.default_rng(5), 200)
    w = np.stack([(traits(pack, person_from_code(pack, z)) - mean) / scale for z in codes])
    for name, least in (("age", 0.95), ("smile", 0.95), ("eye_opening", 0.95), ("weight", 0.95), ("nose_size", 0.7), ("light_side", 0.6)):
        numbers = sum(sign * codes[:, place] for place, sign in z_numbers(pack, SOURCES[name]))
        assert np.corrcoef(w @ found[name], numbers)[0, 1] > least, name
        assert (w @ found[name]).std() == pytest.approx(1, abs=0.2)


def test_the_reader_learns_to_see_light_and_keeps_what_it_learned(tmp_path) -> None:
    rng = np.random.default_rng(0)
    brightness = rng.standard_normal(80).astype(np.float32)
    pictures = np.clip(128 + 40 * brightness[:, None, None, None] + rng.normal(0, 5, (80, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    truth = np.zeros((80, len(NAMES)), np.float32)
    truth[:, 1] = brightness
    torch.manual_seed(0)
    reader = train_reader(pictures, truth, steps=100, batch=8)
    assert reader.readable[1] > 0.5
    save_reader(reader, tmp_path / "r.safetensors")
    again = load_reader(tmp_path / "r.safetensors")
    shown = torch.from_numpy(pictures[:3]).permute(0, 3, 1, 2) / 127.5 - 1
    assert torch.equal(again(shown), reader(shown)) and torch.equal(again.readable, reader.readable)
