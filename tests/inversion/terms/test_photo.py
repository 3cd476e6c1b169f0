from dataclasses import replace

import torch

from symgan_core.generator import Synthesized, TriPlaneGenerator
from symgan_core.inversion import (
    settings,
)
from symgan_core.inversion.terms import photo
from symgan_core.inversion.terms.photo import color_target, near_enough
from symgan_core.losses import PerceptualLoss
from tests.inversion.heads import short, start


def test_a_stage_ends_early_by_lpips_alone() -> None:
    (pti,), spi, name = settings("pti").tuning.terms, settings("spi").tuning.terms[0], "lpips-alex"
    assert near_enough(0.04, pti.stop_at_lpips, PerceptualLoss(name, torch.dist))
    assert not near_enough(0.06, pti.stop_at_lpips, PerceptualLoss(name, torch.dist))
    assert not near_enough(0.04, pti.stop_at_lpips, PerceptualLoss("gradient", torch.dist))
    assert not near_enough(0.0, spi.stop_at_lpips, PerceptualLoss(name, torch.dist))


def test_a_stage_stops_where_the_whole_view_is_near_enough(tiny: TriPlaneGenerator, monkeypatch) -> None:
    """A look at some of its pixels is nearer, and only calls for the question."""
    config, asked = short("pti", 1, 12), []
    config = replace(config, tuning=replace(config.tuning, terms=(replace(config.tuning.terms[0], stop_at_lpips=10.0),)))
    stopped = start(tiny, config)
    list(stopped)
    assert stopped.portrait().report["steps"]["tuning"] == 1
    monkeypatch.setattr(photo, "whole_distance", lambda *_: asked.append(1) or 11.0)
    whole = start(tiny, config)
    list(whole)
    assert whole.portrait().report["steps"]["tuning"] == 12 and len(asked) == 3  # every fifth step


def test_a_gap_in_hair_teaches_opacity_alone() -> None:
    """Background inside the render is not painted onto what stands behind it; at the outline the photo is what counts."""
    opacity = torch.ones(1, 1, 16, 16)
    opacity[..., 12:] = 0
    out = Synthesized(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), opacity, opacity)
    mask = torch.ones(1, 1, 16, 16)
    mask[..., 5, 5] = 0  # a gap
    mask[..., 11:] = 0  # the photo's outline, one pixel inside the render's
    photo = torch.ones(1, 3, 16, 16)
    aim = color_target(out, photo, mask)
    assert (aim[..., 5, 5] == 0).all() and aim.sum() == 3 * 255
    assert color_target(out, photo, None) is photo


def test_along_the_outline_nothing_is_painted() -> None:
    out = Synthesized(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), torch.ones(1, 1, 16, 16), torch.zeros(1, 1, 16, 16))
    mask, photo = torch.ones(1, 1, 16, 16), torch.ones(1, 3, 16, 16)
    mask[..., 10:] = 0
    aim = color_target(out, photo, mask, edge=1)[0, 0, 0]
    assert aim.tolist() == [1.0] * 9 + [0.0, 0.0] + [1.0] * 5


def test_a_collar_is_not_painted_onto_a_jaw() -> None:
    out = Synthesized(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), torch.ones(1, 1, 16, 16), torch.ones(1, 1, 16, 16))
    photo, mask, foreign = torch.ones(1, 3, 16, 16), torch.ones(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    foreign[..., 3, 4] = 1
    aim = color_target(out, photo, mask, occluder_mask=foreign)
    assert (aim[..., 3, 4] == 0).all() and aim.sum() == 3 * 255
