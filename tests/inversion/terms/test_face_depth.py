"""The term for the face's depth."""

from dataclasses import replace

import pytest
import torch

from symgan_core.generator import load_generator
from symgan_core.inversion import make_target, settings
from symgan_core.inversion.rendering import CachedDensityGrid
from symgan_core.inversion.state import PivotStage, State
from symgan_core.inversion.step import Step
from symgan_core.inversion.terms.face_depth import NOISE, FaceDepth, depth_difference
from tests.inversion.heads import photo_of


def bump(height: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Differences with a bump in the middle, and where that is."""
    line = torch.linspace(-0.2, 0.2, 41)
    inside = line[:, None].square() + line.square() < 0.1**2
    return 3 + height * inside, inside


def test_how_far_away_the_face_is_is_not_judged() -> None:
    off, _ = bump(0.0)
    assert float(depth_difference(off, torch.ones_like(off))) < 1.001 * NOISE
    off, _ = bump(0.02)
    assert float(depth_difference(off, torch.ones_like(off))) > 1.2 * NOISE


def test_what_does_not_count_is_not_judged() -> None:
    off, inside = bump(0.02)
    assert float(depth_difference(off, 1.0 - inside.float())) < 1.001 * NOISE
    assert float(depth_difference(off, torch.zeros_like(off))) == 0


@pytest.fixture(scope="module")
def stage() -> PivotStage:
    builtin, method = load_generator(), settings("spi", "fast")
    image, mask, camera = photo_of(builtin, 20)
    target = make_target(image, camera, mask, builtin)
    ws = builtin.backbone.mapping.w_avg.expand(1, builtin.config.num_ws, -1).clone()
    return PivotStage(State(builtin, ws, target.camera), target, method, None, torch.Generator().manual_seed(0))


def test_a_code_goes_to_where_the_face_is_as_deep_as_the_photos(stage: PivotStage) -> None:
    loss = FaceDepth().start(stage)

    def step(ws: torch.Tensor) -> Step:
        stage.rng.manual_seed(0)
        return Step(stage, 0, 0.0, ws, stage.target).with_planes(CachedDensityGrid(stage.generator))

    ws = stage.state.ws.clone().requires_grad_(True)
    before = loss.losses(step(ws))["face_depth"]
    before.backward()
    with torch.no_grad():
        moved = ws - 0.03 * ws.grad / ws.grad.norm() * ws.numel() ** 0.5
        after = loss.losses(step(moved))["face_depth"]
    assert 20 * NOISE < float(after) < float(before)


def test_what_hides_the_face_is_not_judged(stage: PivotStage) -> None:
    hidden = replace(stage.target, occluder_mask=torch.ones_like(stage.target.mask))
    step = Step(stage, 0, 0.0, stage.state.ws, hidden).with_planes(CachedDensityGrid(stage.generator))
    assert float(FaceDepth().start(stage).losses(step)["face_depth"]) == 0


def test_a_photo_without_a_face_has_no_say(stage: PivotStage) -> None:
    empty = replace(stage, target=replace(stage.target, image=torch.ones_like(stage.target.image)))
    assert FaceDepth().start(empty) is None
    assert FaceDepth().start(replace(stage, target=replace(stage.target, white_background=False))) is None
