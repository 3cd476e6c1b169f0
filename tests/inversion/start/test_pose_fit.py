"""What is done before the first step: the camera, and the features of the face, from its points."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from symgan_core.faces import as_tensor, look_closer
from symgan_core.faces.mesh import fitted_head, read_mesh
from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.generator.traits import builtin_traits
from symgan_core.geometry import Camera
from symgan_core.inversion import Inversion, settings
from symgan_core.inversion.start.camera import CAMERA_LIMITS, adjusted_camera
from symgan_core.inversion.start.pose_fit import NOISE, OPEN, FacePoints, PoseFit, fit_pose
from symgan_core.inversion.target.parts import PartsShown
from symgan_core.inversion.target.target import Target
from symgan_core.inversion.terms.photo import Photo
from symgan_core.inversion.terms.prior import LatentPrior
from training.heads.traits import UNITS


@pytest.fixture(scope="module")
def builtin() -> TriPlaneGenerator:
    return load_generator()


def expression(w: Tensor, **parts: float) -> Tensor:
    """``[1, 14, w_dim]``: the person ``w [w_dim]`` with another expression."""
    traits = builtin_traits()
    found = traits.read(w)
    names = ("smile", "down", "open")
    for name, strength in parts.items():
        found[traits.places["expression"].start + names.index(name)] = strength
    found[traits.places["teeth"]] = float(parts.get("open", 0) > 0)
    return traits.write(found).expand(1, 14, -1)


def test_what_opens_a_mouth_has_the_numbers_of_the_training() -> None:
    assert [UNITS[number] for number, _ in OPEN.values()] == list(OPEN)


@pytest.mark.parametrize(("yaw", "across"), [(8.0, 0.04), (-8.0, 0.04), (0.0, -0.04)])
def test_most_of_a_wrong_start_is_undone_by_the_points(builtin: TriPlaneGenerator, yaw: float, across: float) -> None:
    """The head that is turned is half-way between the mean one and the one that the photo shows."""
    right = Camera.orbit(12, 4).vector()
    z = torch.randn(1, builtin.config.z_dim, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        mean, ws = (builtin.mapping(x, right) for x in (torch.zeros_like(z), z))
        photo = builtin.synthesis(ws, right).image
    wrong = torch.tensor([yaw, 0, across, 0, 0, 0]) / torch.tensor(CAMERA_LIMITS)
    start = adjusted_camera(right, -torch.atanh(wrong))
    move, _ = fit_pose(builtin, (mean + ws) / 2, start, FacePoints(builtin, photo), True)
    found = adjusted_camera(start, move)
    (was, _), (began, _), (ended, pitch) = (Camera.from_vector(c).yaw_pitch() for c in (right, start, found))
    assert abs(was - began) == pytest.approx(abs(yaw), abs=0.1) and float(start[0, 18]) == pytest.approx(0.5 - across, abs=1e-3)
    assert abs(ended - was) < 1.5 and abs(pitch - 4) < 2 and abs(float(found[0, 18]) - 0.5) < 0.012


@pytest.mark.parametrize(("smile", "open_", "yaw"), [(0.8, 0.0, 0.0), (0.0, 0.4, 25.0)])
def test_the_face_gets_the_expression_of_the_photo(builtin: TriPlaneGenerator, smile: float, open_: float, yaw: float) -> None:
    """From a straight face to a smile, and to an open mouth: the mouth's points. The camera is known and stays."""
    traits, camera = builtin_traits(), Camera.orbit(yaw, 0).vector()
    with torch.no_grad():
        mean = builtin.backbone.mapping.w_avg
        straight, wanted = expression(mean, smile=0.0, down=0.0, open=0.0), expression(mean, smile=smile, down=0.0, open=open_)
        photo = builtin.synthesis(wanted, camera).image
        move, found = fit_pose(builtin, straight, camera, FacePoints(builtin, photo), False)
        points = [torch.from_numpy(look_closer(builtin.synthesis(ws, camera).image.clamp(-1, 1)).landmarks[48:])
                  for ws in (wanted, straight, found)]
    before, after = (float((x - points[0]).norm(dim=1).mean()) for x in points[1:])
    assert not move.any() and before > 1 and after < 0.6 * before
    shown = traits.read(found[0, 0])[traits.places["expression"]]
    assert float(shown[0] if smile else shown[2]) > 0.4 * max(smile, open_) and float(shown.min()) > -1e-4
    assert float(traits.read(found[0, 0])[traits.places["teeth"]]) > 0.9 or not open_
    rest = torch.ones(len(mean), dtype=torch.bool)
    rest[traits.moving], rest[traits.places["teeth"]] = False, False
    assert torch.allclose(found[..., rest], straight[..., rest], atol=1e-4) and (found == found[:, :1]).all()


def test_where_a_photo_is_cut_off_the_frame_is_fitted_to_the_mesh(builtin: TriPlaneGenerator, astronaut: np.ndarray) -> None:
    photo = as_tensor(astronaut[:220, 120:340])
    whole, cut = (FacePoints(builtin, photo, outside) for outside in (0.05, 0.2))
    fitted, _, _ = fitted_head(read_mesh(photo, np.array([150.0, 0, 104, 115])).points)
    assert np.abs(cut.pose.frame - fitted).max() < 2 and np.abs(whole.pose.frame - fitted).max() > 2
    assert torch.equal(cut._wanted, whole._wanted) and abs(cut.pose.yaw - whole.pose.yaw) < 5


def test_a_generator_whose_w_nobody_knows_keeps_its_code(tiny: TriPlaneGenerator) -> None:
    ws = torch.randn(1, tiny.config.num_ws, tiny.config.w_dim, generator=torch.Generator().manual_seed(0))
    camera = tiny.frontal_camera()
    move, found = fit_pose(tiny, ws, camera, FacePoints(tiny, torch.zeros(1, 3, 64, 64)), True)
    assert torch.equal(found, ws) and move.shape == (6,) and torch.isfinite(move).all()


def test_points_pull_camera_and_expression_to_the_photo(builtin: TriPlaneGenerator) -> None:
    """They are away by what the camera is off; with the right head, by no more than the error of a reading."""
    traits, camera = builtin_traits(), Camera.orbit(10, 0).vector()
    with torch.no_grad():
        mean = builtin.backbone.mapping.w_avg
        straight, smiling = expression(mean, smile=0.0), expression(mean, smile=0.8)
        points = FacePoints(builtin, builtin.synthesis(smiling, camera).image)
    points.find(smiling, camera)
    assert float(points.difference(smiling, camera)) < 1.5 * NOISE

    across = torch.tensor([0, 0, 0.3, 0, 0, 0], requires_grad=True)
    moved = points.difference(smiling, adjusted_camera(camera, across))
    moved.backward()
    assert float(moved) == pytest.approx(CAMERA_LIMITS[2] * torch.tensor(0.3).tanh().item(), rel=0.2)
    assert across.grad[2] > 5 * across.grad[3].abs()

    points.find(straight, camera)
    ws = straight.clone().requires_grad_(True)
    away = points.difference(ws, camera)
    away.backward()
    smile = traits.places["expression"].start
    assert ws.grad[0, 0, smile] < 0 and not ws.grad[0, 1:].any()
    fixed = torch.ones(len(mean), dtype=torch.bool)
    fixed[traits.moving] = False
    assert not ws.grad[..., fixed].any()
    with torch.no_grad():
        ws[0, 0, smile] = smiling[0, 0, smile]
        assert float(points.difference(ws, camera)) < float(away)


@pytest.mark.slow
def test_the_haircut_stays_as_it_was_guessed(builtin: TriPlaneGenerator) -> None:
    """Two steps of stage 1 with a photo of somebody else's hair."""
    camera, traits = Camera.orbit(0, 0).vector(), builtin_traits()
    z = torch.randn(1, builtin.config.z_dim, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        photo = builtin.synthesis(builtin.mapping(z, camera), camera).image.clamp(-1, 1)
    config = settings("spi", "fast")
    steps = replace(config, pivot=replace(config.pivot, steps=3, terms=(Photo(), LatentPrior())), tuning=None)
    ends = []
    for kept in (True, False):
        method = steps if kept else replace(steps, pivot=replace(steps.pivot, prepare=(PoseFit(),)))
        inversion = Inversion(Target(photo, None, camera), builtin, method)
        began = inversion.portrait().ws
        ends.append((inversion.finish().ws - began).abs().amax((0, 1)))
    rest = [n for n in range(len(ends[0])) if n not in traits.haircut]
    assert ends[0][traits.haircut].max() < 1e-4 and ends[0][rest].max() > 0.01 and ends[1][traits.haircut].max() > 0.01


@pytest.mark.parametrize(("method", "asked"), [("spi", True), ("pti", False)])
def test_strays_are_told_by_a_haircut_that_is_kept(builtin: TriPlaneGenerator, monkeypatch: pytest.MonkeyPatch, method: str,
                                                        asked: bool) -> None:
    """A method that begins at the mean has nobody's haircut yet."""
    seen = []
    monkeypatch.setattr("symgan_core.inversion.start.haircut.parts_shown", lambda *_: seen.append(parts) or parts)
    parts = PartsShown(*torch.zeros(5, 1, 1, 64, 64))
    photo, config = torch.zeros(1, 3, 256, 256), settings(method, "fast")
    config = replace(config, pivot=replace(config.pivot, steps=1), tuning=None)
    target = Target(photo, torch.ones(1, 1, 256, 256), Camera.orbit(0, 0).vector(), hair_candidates=torch.ones(1, 1, 256, 256))
    for _ in Inversion(target, builtin, config):
        pass
    assert bool(seen) == asked
