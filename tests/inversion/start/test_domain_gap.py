"""How far a photo is from the generator's training."""

from dataclasses import replace

import pytest
import torch

from symgan_core.generator import load_generator
from symgan_core.inversion import make_target, settings
from symgan_core.inversion.start.domain_gap import domain_gap
from symgan_core.inversion.state import PivotStage, State
from symgan_core.inversion.terms.face_depth import FOREIGN, LEARNED, FaceDepth, mesh_share
from tests.inversion.heads import photo_of


@pytest.fixture(scope="module")
def stage() -> PivotStage:
    """Of a head of the generator's own, with its code."""
    builtin = load_generator()
    image, mask, camera = photo_of(builtin, 20)
    target = make_target(image, camera, mask, builtin)
    z = torch.randn(1, builtin.config.z_dim, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        ws = builtin.mapping(z, camera[None])
    return PivotStage(State(builtin, ws, target.camera), target, settings("spi", "fast"), None, torch.Generator().manual_seed(0))


def test_a_head_of_the_generators_own_is_near_and_another_face_is_far(stage: PivotStage) -> None:
    own = domain_gap(stage)
    other = replace(stage, state=replace(stage.state, ws=-stage.state.ws))
    assert 0 <= own < 0.7 * LEARNED and domain_gap(other) > 2 * own


def test_light_of_another_colour_is_not_another_face(stage: PivotStage) -> None:
    tinted = (stage.target.image + torch.tensor([0.1, 0.0, -0.1])[:, None, None]).clamp(-1, 1)
    assert domain_gap(replace(stage, target=replace(stage.target, image=tinted))) < LEARNED


def test_without_a_face_nothing_is_said(stage: PivotStage) -> None:
    assert domain_gap(replace(stage, target=replace(stage.target, image=torch.ones_like(stage.target.image)))) is None
    assert domain_gap(replace(stage, target=replace(stage.target, white_background=False))) is None


def test_the_mesh_has_no_say_of_a_face_that_the_generator_knows(stage: PivotStage) -> None:
    assert [mesh_share(gap) for gap in (None, 0.0, LEARNED, (LEARNED + FOREIGN) / 2, FOREIGN, 1.0)] == pytest.approx([1, 0, 0, 0.5, 1, 1])
    assert FaceDepth().start(replace(stage, state=replace(stage.state, domain_gap=LEARNED / 2))) is None
    half = FaceDepth(20.0).start(replace(stage, state=replace(stage.state, domain_gap=(LEARNED + FOREIGN) / 2)))
    assert half.scale == pytest.approx(10.0)
