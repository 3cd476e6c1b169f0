"""Motions of a stored head: what takes a short cut is what the long way gives."""

from __future__ import annotations

import torch

from symgan_core.geometry.volume import box_points
from symgan_core.portrait import Portrait3D
from symgan_core.portrait.editing.colours import Places, shifts
from symgan_core.portrait.editing.fit import shipped_motions
from symgan_core.portrait.editing.motion import DEPTHS

BROWS = ((70, 63, 105, 66, 107), (46, 53, 52, 65, 55)), ((300, 293, 334, 296, 336), (276, 283, 282, 295, 285))
"""Upper and lower rim of each, from outside in."""


def test_a_box_is_pulled_back_as_its_points_are(stored: Portrait3D) -> None:
    motion = stored.editor().motion({"mouth_open": 2.0, "face_width": -1.0})
    points = box_points(40, 2 * motion.half_box, torch.device("cpu"))
    came = motion.pull_back(points)
    assert (points + motion.box_shift(40).permute(1, 2, 3, 0) - came).abs().max() < 1e-5
    assert (came - points).abs().max() > 0.01


def test_what_comes_from_the_mouth_is_found_wherever_it_is(stored: Portrait3D) -> None:
    """Also at the borders of the part of the chart that is looked at."""
    motion = stored.editor().motion({"mouth_open": 2.0})
    points = motion.face.places.clone()
    points[..., 2] = motion.chart[0, 3]
    share, on_chart = motion.from_inside(points)[..., 0], motion.chart[0, 5]
    assert on_chart.max() == 1 and (share - on_chart).abs().max() < 1e-4
    behind = points - points.new_tensor([0, 0, 2.1 * DEPTHS[0]])
    assert motion.from_inside(behind).max() == 0


def test_lowered_brows_keep_their_width() -> None:
    """Upper and lower rims sink alike; all of both does."""
    low = shipped_motions()[1]["brow_raise"][1].float()
    for upper, lower in BROWS:
        assert torch.equal(low[list(upper)], low[list(lower)])
        assert (low[list(upper), 1] < -0.001).all()


def test_black_depths_of_hair_get_lighter_with_the_locks_around() -> None:
    """Each pixel for itself, a step of light between two pixels would grow by half and more."""
    colours = torch.tensor([0.01, 0.12])[None, None, None].expand(1, 3, 1, 2)
    logits, one, none = colours.logit(), torch.ones(1, 1, 1, 2), torch.zeros(1, 1, 1, 2)
    places = Places(one, none, none, none, none, none, torch.full_like(logits, 0.07).logit())
    after = torch.sigmoid(logits + shifts(logits, {"hair_lightness": 2.5}, places))
    steps = [(x[..., 1] - x[..., 0]).mean() for x in (colours, after)]
    assert (after > colours + 0.05).all() and 0.8 * steps[0] < steps[1] < 1.5 * steps[0]
