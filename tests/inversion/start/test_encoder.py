"""The start of stage 1: the encoder's mean over all that may be, turned into one person."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from symgan_core.faces import look_closer
from symgan_core.generator import Head, TriPlaneGenerator, load_generator
from symgan_core.generator.traits import builtin_traits
from symgan_core.geometry import Camera
from symgan_core.inversion import make_target, to_uint8
from symgan_core.inversion.start.encoder import (
    BRAID,
    COMBED,
    CROPPED,
    OPTIONAL_PARTS,
    PONYTAIL,
    guess_code,
    outline_differences,
    resolve_attributes,
    with_haircut,
)
from symgan_core.inversion.target.target import Target
from training.export import known_traits
from training.heads import HeadPack, draw_codes, person_from_code
from training.heads import traits as trait_numbers
from training.heads.people import HAIR


@pytest.fixture(scope="module")
def builtin() -> TriPlaneGenerator:
    return load_generator("builtin", "cpu")


def photo_of(w: torch.Tensor, generator: TriPlaneGenerator, yaw: float = 0.0) -> Target:
    ws, camera = w.expand(1, generator.config.num_ws, -1), Camera.orbit(yaw, 0.0).vector()
    shown = generator.synthesis(ws, camera)
    mask = F.interpolate(shown.image_opacity, (256, 256)).clamp(0, 1)[0, 0].numpy()
    return make_target(to_uint8(shown.image), camera[0], (255 * mask).astype(np.uint8), generator)


@pytest.mark.slow
def test_the_traits_file_is_that_of_the_training() -> None:
    shipped, now = builtin_traits(), known_traits()
    assert shipped.places == now.places
    assert torch.allclose(shipped.mean, now.mean, atol=1e-4) and torch.allclose(shipped.scale, now.scale, atol=1e-4)
    assert torch.allclose(shipped.slopes, now.slopes, atol=1e-4)
    assert torch.allclose(shipped.low, now.low, atol=1e-4) and torch.allclose(shipped.high, now.high, atol=1e-4)
    w = torch.randn(shipped.mean.shape[0])
    assert torch.allclose(shipped.write(shipped.read(w)), w, atol=1e-4)


def without_extras(builtin: TriPlaneGenerator) -> torch.Tensor:
    """Traits of the mean head, with nothing that people may have or not."""
    traits = builtin_traits()
    base = traits.read(builtin.backbone.mapping.w_avg)
    for name in OPTIONAL_PARTS:
        base[traits.places[name]] = 0
    return base


def test_a_reading_beyond_all_people_becomes_somebodys() -> None:
    traits, pack = builtin_traits(), HeadPack()
    rng = np.random.default_rng(11)
    person = torch.from_numpy(trait_numbers(pack, person_from_code(pack, draw_codes(rng, 1)[0])))
    person = torch.maximum(torch.minimum(person, traits.high), traits.low)  # a rare number may be beyond those of the file by a little
    assert torch.allclose(traits.possible(person), person, atol=0.02)
    found = traits.possible(person + torch.from_numpy(rng.normal(0, 1, person.shape)).float() * traits.scale)
    assert ((found >= traits.low - 1e-6) & (found <= traits.high + 1e-6)).all()
    for name in ("ethnicity", "skins", "brow", "iris"):
        shares = found[traits.places[name]]
        assert shares.min() >= 0 and shares.sum().item() == pytest.approx(1, abs=1e-5)
    young, old = found[traits.places["age"]].tolist()
    assert old == pytest.approx(max(0, 2 * young - 1), abs=1e-5)


@pytest.mark.parametrize("worn", ["short01", "long01", None])
def test_of_several_haircuts_the_one_in_the_photo_is_kept(builtin: TriPlaneGenerator, worn: str | None) -> None:
    """The encoder is in doubt between the photo's haircut, a ponytail and a long one, and a little sure of glasses."""
    traits, style = builtin_traits(), worn and HAIR.index(worn)
    with torch.no_grad():
        base = without_extras(builtin)
        true = with_haircut(base, style, traits)
        target = photo_of(traits.write(true), builtin)
        others = [with_haircut(base, HAIR.index(name), traits) for name in ("ponytail01", "long01")]
        doubt = (true + sum(others)) / 3
        doubt[traits.places["glasses_kind"]] = torch.tensor([0.4, 0, 0])
        regions = look_closer(target.image).regions
        found = traits.read(resolve_attributes(traits.write(doubt), regions, target, builtin, traits))
    chosen = found[traits.places["hair"]]
    assert set(chosen.round(decimals=3).tolist()) <= {0.0, 1.0}
    assert (chosen.argmax().item() if chosen.any() else None) == style
    assert found[traits.places["glasses"]].abs().max() < 1e-4


def test_readings_that_cancel_each_other_are_no_haircut(builtin: TriPlaneGenerator) -> None:
    """Of a bald man before a dark collar the encoder reads a whole ponytail, and as much less than none of what looks like one."""
    traits = builtin_traits()
    with torch.no_grad():
        base = without_extras(builtin)
        bald = with_haircut(base, None, traits)
        target = photo_of(traits.write(bald), builtin)
        read = bald.clone()
        styles = read[traits.places["hair"]]
        styles[PONYTAIL], styles[COMBED], styles[COMBED + 1] = 1.0, -0.6, -0.4
        read[traits.places["hat_kind"]] = torch.tensor([0.7, -0.6])
        found = traits.read(resolve_attributes(traits.write(read), look_closer(target.image).regions, target, builtin, traits))
    assert found[traits.places["hair"]].abs().max() < 1e-4
    assert found[traits.places["hat"]].abs().max() < 1e-4


@pytest.mark.parametrize(("yaw", "kept"), [(0.0, False), (70.0, True)])
def test_a_ponytail_is_made_up_only_where_the_photo_shows_it(builtin: TriPlaneGenerator, yaw: float, kept: bool) -> None:
    traits = builtin_traits()
    with torch.no_grad():
        base = without_extras(builtin)
        true = with_haircut(base, PONYTAIL, traits, 0.0)
        target = photo_of(traits.write(true), builtin, yaw)
        found = traits.read(resolve_attributes(traits.write(true), look_closer(target.image).regions, target, builtin, traits))
    long = found[traits.places["hair_shape"]][0] > 0.5 * CROPPED
    assert bool(found[traits.places["hair"]][PONYTAIL] > 0.5 and long) == kept


def test_nothing_is_left_of_a_braid_that_the_photo_does_not_show(builtin: TriPlaneGenerator) -> None:
    traits = builtin_traits()
    with torch.no_grad():
        true = traits.write(with_haircut(without_extras(builtin), BRAID, traits, CROPPED))
        target = photo_of(true, builtin, 0.0)
        found = resolve_attributes(true, look_closer(target.image).regions, target, builtin, traits)
        heads = [Head.of(builtin, w[None, None].expand(1, builtin.config.num_ws, -1)) for w in (true, found)]
        tails = [float(head.view(head.orbit(90.0), 128).image_opacity[..., 84:108, 100:].mean()) for head in heads]
    assert traits.read(found)[traits.places["hair"]].argmax() == BRAID
    assert tails[1] < 0.5 * tails[0], tails


def test_styles_have_the_numbers_of_the_training() -> None:
    assert [HAIR[n] for n in (BRAID, PONYTAIL, COMBED)] == ["braid01", "ponytail01", "short01"]


def test_a_doubtful_side_stays_doubtful() -> None:
    traits = builtin_traits()
    found = torch.zeros(len(traits.mean))
    hair, side = (found[traits.places[name]] for name in ("hair", "hair_side"))
    hair[5], side[5], hair[6], side[6] = 0.5, -0.1, 0.5, 0.6
    assert with_haircut(found, 5, traits)[traits.places["hair_side"]].tolist() == pytest.approx([0] * 5 + [-0.2, 0, 0])
    assert with_haircut(found, 6, traits)[traits.places["hair_side"]].tolist() == [0.0] * 6 + [1.0, 0.0]


def test_what_is_surely_worn_stays_on(builtin: TriPlaneGenerator) -> None:
    traits = builtin_traits()
    with torch.no_grad():
        base = traits.read(builtin.backbone.mapping.w_avg)
        base[traits.places["glasses_kind"]] = torch.tensor([0.9, 0, 0])
        target = photo_of(traits.write(base), builtin)
        regions = look_closer(target.image).regions
        found = traits.read(resolve_attributes(traits.write(base), regions, target, builtin, traits))
    assert torch.allclose(found[traits.places["glasses"]], base[traits.places["glasses"]], atol=1e-4)


def test_haircuts_are_compared_within_the_photo(builtin: TriPlaneGenerator) -> None:
    with torch.no_grad():
        w = builtin.backbone.mapping.w_avg
        target = photo_of(w, builtin)
        regions = look_closer(target.image, points_too=False).regions
        beyond = torch.zeros_like(target.image[:, :1])
        beyond[..., :128, :] = 1  # the upper half
        other = regions.clone()
        other[:, : other.shape[1] // 2] = regions[:, : other.shape[1] // 2].roll(1, 0)
        cut = replace(target, out_of_frame=beyond)
        same, moved = outline_differences(w[None], regions, cut, builtin), outline_differences(w[None], other, cut, builtin)
        assert moved.item() == pytest.approx(same.item(), abs=1e-6)
        same, moved = outline_differences(w[None], regions, target, builtin), outline_differences(w[None], other, target, builtin)
        assert moved.item() > same.item() + 0.02


def test_haircuts_are_drawn_together_as_they_are_alone(builtin: TriPlaneGenerator) -> None:
    """Drafts stand one below the other for the second look: none may see its neighbour."""
    traits = builtin_traits()
    with torch.no_grad():
        w = builtin.backbone.mapping.w_avg
        codes = torch.stack([traits.write(with_haircut(traits.read(w), HAIR.index(name), traits)) for name in ("short01", "long01")])
        target = photo_of(codes[1], builtin)
        regions = look_closer(target.image, points_too=False).regions
        alone = [outline_differences(code[None], regions, target, builtin).item() for code in codes]
        assert outline_differences(codes, regions, target, builtin).tolist() == pytest.approx(alone, abs=1e-4)
        assert alone[0] > alone[1] + 0.01


def test_another_generator_has_no_guess(tiny: TriPlaneGenerator) -> None:
    target = Target(torch.zeros(1, 3, 64, 64), None, tiny.frontal_camera())
    assert guess_code(target, tiny) is None
