"""Losses and gradients that are not finite: the last good state stays, the stage ends, and the report says so."""

import json
import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from symgan_core.generator import TriPlaneGenerator
from symgan_core.inversion import Inversion, Term
from symgan_core.inversion.step import Step
from symgan_core.inversion.terms.base import GIVE_UP
from tests.inversion.heads import short, start


@dataclass(frozen=True)
class Broken(Term):
    """NaN in the steps ``at``, in value and gradient, or (``hidden``) in the gradient alone."""

    at: tuple[int, ...]
    hidden: bool = False

    def losses(self, step: Step, scale: float) -> dict[str, Tensor]:
        image = step.view.out.image.mean()
        if step.number not in self.at:
            return {"broken": image * 0}
        return {"broken": (image * 0).square().sqrt() if self.hidden else image * math.nan}


def broken(tiny: TriPlaneGenerator, stage: str, at: tuple[int, ...], hidden: bool = False) -> Inversion:
    method, term = short("pti", 8, 8), Broken(at, hidden)
    part = getattr(method, stage)
    return start(tiny, replace(method, **{stage: replace(part, terms=(*part.terms, term))}))


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("stage", ["pivot", "tuning"])
def test_a_stage_that_goes_wrong_ends_at_its_last_good_state(tiny: TriPlaneGenerator, stage: str, hidden: bool) -> None:
    inversion, good = broken(tiny, stage, tuple(range(4, 8)), hidden), broken(tiny, stage, ())
    for event in good:
        if (event.stage, event.step) == (stage, 4):
            wanted = good.portrait()
            break
    events = list(inversion)
    portrait = inversion.portrait()
    assert [e.step for e in events if e.stage == stage][-1] == 4 + GIVE_UP < 8
    assert portrait.report["skipped_steps"] == {stage: GIVE_UP} and portrait.report["steps"][stage] == 4 + GIVE_UP
    assert torch.equal(portrait.ws, wanted.ws)
    if stage == "tuning":
        assert torch.equal(portrait.render(yaw=20).image, wanted.render(yaw=20).image)
    assert portrait.render(yaw=20).image.isfinite().all()
    json.dumps(portrait.report, allow_nan=False)


@pytest.mark.parametrize("stage", ["pivot", "tuning"])
def test_a_single_bad_step_is_left_out_and_the_stage_goes_on(tiny: TriPlaneGenerator, stage: str) -> None:
    inversion = broken(tiny, stage, (2, 4, 5))
    events = [e for e in inversion if e.stage == stage]
    assert [e.skipped for e in events] == [0, 0, 1, 1, 2, 3, 3, 3]
    assert all(math.isfinite(value) for e in events for value in e.losses.values()) and "broken" not in events[4].losses
    assert inversion.portrait().report["skipped_steps"] == {stage: 3}
    assert inversion.portrait().render(yaw=20).image.isfinite().all()


def test_a_good_run_says_nothing_of_it(tiny: TriPlaneGenerator) -> None:
    assert "skipped_steps" not in start(tiny, short("pti", 2, 2)).finish().report
