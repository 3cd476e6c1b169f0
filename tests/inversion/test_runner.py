import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.geometry import Camera
from symgan_core.inversion import (
    METHODS,
    Event,
    Portrait3D,
    to_uint8,
)
from symgan_core.inversion.start.camera import CAMERA_LIMITS, adjusted_camera
from symgan_core.portrait.detail import MIRRORED
from tests.inversion.heads import plain_psnr, short, start


@pytest.mark.parametrize("method", list(METHODS))
def test_each_method_runs_and_comes_closer(tiny: TriPlaneGenerator, method: str) -> None:
    inversion = start(tiny, short(method, 12, 12))
    before = plain_psnr(inversion)
    events = list(inversion)
    portrait = inversion.portrait()
    assert plain_psnr(inversion) > before + 1
    assert [e.step for e in events if e.stage == "pivot"] == list(range(1, 13))
    assert any(e.stage == "tuning" for e in events) == (method not in ("w", "w_plus"))
    assert (portrait.generator is tiny) == (method in ("w", "w_plus"))
    rows = portrait.ws[0]
    assert (rows == rows[0]).all() == (method in ("w", "pti", "pose_opt"))


def test_spi_uses_every_part_on_a_side_view(tiny: TriPlaneGenerator) -> None:
    names = set().union(*(e.losses for e in start(tiny, short("spi", 3, 14))))
    assert {"mirror", "points", "neighbour", "mirrored", "depth", "opacity", "prior"} <= names


@pytest.mark.parametrize(("method", "parts"), [("spi", {"superresolution"}), ("pti", {"backbone", "decoder", "superresolution"})])
def test_a_method_tunes_its_parts_alone(tiny: TriPlaneGenerator, method: str, parts: set[str]) -> None:
    """What spi leaves alone keeps its colours where no view looks: the decoder above all."""
    inversion = start(tiny, short(method, 2, 3))
    list(inversion)
    before, portrait = tiny.state_dict(), inversion.portrait()
    changed = {k.split(".")[0] for k, v in portrait.generator.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == parts and (portrait.planes_offset is not None) == (method == "spi")


def test_origins_are_shares_of_all_views(tiny: TriPlaneGenerator) -> None:
    inversion = start(tiny, short("spi", 6, 6), yaw=30)
    list(inversion)
    maps, shares = inversion.origins((-60.0, 30.0, 60.0))
    assert maps.shape == (3, 1, 64, 64) and sum(shares.values()) == pytest.approx(1, abs=1e-3)
    assert inversion.portrait().report["origins"] == shares

    plain = start(tiny, short("pti", 6, 6), yaw=30)
    list(plain)
    assert (plain.origins((-60.0,))[0] != MIRRORED).all()


def test_a_frontal_photo_has_no_mirror(tiny: TriPlaneGenerator) -> None:
    inversion = start(tiny, short(), yaw=3)
    names = set().union(*(e.losses for e in inversion))
    assert not {"mirror", "mirrored"} & names
    report = inversion.portrait().report
    assert report["mirror_weight"] == 0 and report["mirror_rejected_share"] is None


def test_the_same_seed_gives_the_same_latent(tiny: TriPlaneGenerator) -> None:
    latents = []
    for seed in (3, 3, 4):
        inversion = start(tiny, short(first=6, second=2), seed=seed)
        list(inversion)
        latents.append(inversion.portrait().ws)
    assert torch.equal(latents[0], latents[1]) and not torch.equal(latents[0], latents[2])


def test_the_base_generator_is_left_alone(tiny: TriPlaneGenerator) -> None:
    before = {k: v.clone() for k, v in tiny.state_dict().items()}
    inversion = start(tiny, short())
    list(inversion)
    assert all(torch.equal(v, before[k]) for k, v in tiny.state_dict().items())
    assert any(not torch.equal(v, before[k]) for k, v in inversion.portrait().generator.state_dict().items())


def test_stopping_keeps_the_best_so_far(tiny: TriPlaneGenerator) -> None:
    inversion = start(tiny, short(first=3, second=50))
    first = plain_psnr(inversion)
    events = iter(inversion)
    for event in events:
        if event.stage == "tuning" and event.step == 6:
            break
    events.close()
    portrait = inversion.portrait()
    assert portrait.report["steps"] == {"pivot": 3, "tuning": 6}
    assert plain_psnr(inversion) > first
    assert portrait.report["mirror_rejected_share"] is not None
    assert torch.isfinite(portrait.render(yaw=20).image).all()


def test_a_run_stopped_in_its_first_steps_shows_the_photos_face() -> None:
    """The guess is drawn twice, as it is and with the photo on it; who stops soon after has the latter, and going on is not hindered."""
    generator = load_generator("builtin", "cpu")
    inversion = start(generator, short(first=2, second=1), yaw=0)
    events = iter(inversion)
    guess, painted, first = (next(events) for _ in range(3))
    assert [(e.stage, e.step, e.total) for e in (guess, painted, first)] == [("guess", 1, 2), ("guess", 2, 2), ("pivot", 1, 2)]
    side = painted.preview.shape[0]
    assert guess.preview.shape == painted.preview.shape == (side, 3 * side, 3) and first.preview.shape == (side, side, 3)
    turned = [np.abs(e.preview[:, -side:].astype(int) - painted.preview[:, side:-side]).mean() for e in (first, guess)]
    assert turned[0] < 0.7 * turned[1]  # what turns while the code is sought is the painted head, for the code alone would be a step back
    photo = to_uint8(torch.nn.functional.interpolate(inversion.target.image, (side, side), mode="area"))
    away = [np.abs(e.preview[:, side:-side].astype(int) - photo).mean() for e in (guess, painted)]
    assert away[1] < 0.7 * away[0], away
    portrait, state = inversion.portrait(), inversion._state
    assert portrait.planes_offset is not None and state.offset is None and state.generator is generator
    alone, learned = (torch.nn.functional.avg_pool2d(p.render(portrait.camera, detail=False).image, 2)
                      for p in (Portrait3D(generator, portrait.ws, portrait.camera), portrait))
    errors = [float((image - inversion.target.image).abs().mean()) for image in (alone, learned)]
    assert errors[1] < 0.8 * errors[0], errors
    assert inversion.portrait().planes_offset is not None
    assert [e.stage for e in events] == ["pivot", "tuning"]


def test_events_carry_pictures_and_plain_numbers(tiny: TriPlaneGenerator) -> None:
    events: list[Event] = list(start(tiny, short(first=6, second=1)))
    assert events[0].preview.shape == (64, 64, 3) and events[0].preview.dtype == np.uint8
    assert events[1].preview is None and events[5].preview is not None
    assert all(isinstance(v, float) for e in events for v in e.losses.values())


def test_camera_moves_only_if_asked_and_within_limits(tiny: TriPlaneGenerator) -> None:
    fixed, free = start(tiny, short()), start(tiny, short(first=8, optimize_camera=True))
    for inversion in (fixed, free):
        list(inversion)
    assert torch.equal(fixed.portrait().camera, fixed.target.camera)
    moved = free.portrait().report["camera_moved"]
    assert moved["yaw"] != 0 and abs(moved["yaw"]) <= CAMERA_LIMITS[0]
    base = Camera.orbit(20, 10).vector()
    assert torch.allclose(adjusted_camera(base, torch.zeros(6)), base, atol=1e-6)
    far = Camera.from_vector(adjusted_camera(base, torch.tensor([9.0, 0, 0, 0, 0, 0])))
    assert far.yaw_pitch()[0] == pytest.approx(20 + CAMERA_LIMITS[0], abs=0.3)
    up = Camera.from_vector(adjusted_camera(Camera.orbit(0, 10).vector(), torch.tensor([0.0, 9, 0, 0, 0, 0])))
    assert up.yaw_pitch()[1] == pytest.approx(10 + CAMERA_LIMITS[1], abs=0.1)
    level, rolled = (Camera.from_vector(adjusted_camera(base, torch.tensor([0.0, 0, 0, 0, 0, roll]))) for roll in (0.0, 9.0))
    assert rolled.yaw_pitch() == pytest.approx(level.yaw_pitch(), abs=0.1)
    turn = (rolled.cam2world[0, :3, :2] * level.cam2world[0, :3, :2]).sum(0)
    assert turn.tolist() == pytest.approx([math.cos(math.radians(CAMERA_LIMITS[5]))] * 2, abs=1e-3)


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("stage", ["pivot", "tuning"])
def test_a_snapshot_is_a_copy_and_does_not_disturb_the_run(tiny: TriPlaneGenerator, method: str, stage: str) -> None:
    """In the middle of a stage; what was handed out stays as it was, and the run ends as one without snapshots."""
    undisturbed, inversion = start(tiny, short(method, 3, 4)), start(tiny, short(method, 3, 4))
    end, taken = undisturbed.finish(), []
    for event in inversion:
        if event.stage == stage and event.step == 2:
            portrait = inversion.portrait()
            taken.append((portrait, portrait.ws.clone(), json.dumps(portrait.report), portrait.render(yaw=20).image))
    assert bool(taken) == (stage == "pivot" or inversion.method.tuning is not None)
    last = inversion.portrait()
    assert torch.equal(last.ws, end.ws) and torch.equal(last.render(yaw=20).image, end.render(yaw=20).image)
    for portrait, ws, report, picture in taken:
        assert torch.equal(portrait.ws, ws) and json.dumps(portrait.report) == report and portrait.report["steps"][stage] == 2
        again = replace(portrait, _head=None)
        assert torch.equal(again.render(yaw=20).image, picture) and not torch.equal(last.render(yaw=20).image, picture)
        assert not any(weight.requires_grad for weight in portrait.generator.parameters())


def test_reports_that_are_handed_out_share_nothing(tiny: TriPlaneGenerator) -> None:
    inversion = start(tiny, short("w", 2, 0))
    portrait = inversion.finish()
    portrait.report["losses"]["pivot"]["mine"] = 1.0
    inversion.origins((0.0,))
    assert "origins" not in portrait.report and "mine" not in inversion.portrait().report["losses"]["pivot"]
