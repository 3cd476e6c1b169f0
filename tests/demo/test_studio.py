"""The page's workshop without a browser: what a click gets, also when things go wrong."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo import handlers
from demo.handlers import Studio
from demo.settings import Settings
from symgan_core.inversion import METHODS, PhotoRequest


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Studio:
    root = tmp_path_factory.mktemp("studio")
    return Studio(Settings(device="cpu", shares=root / "shares", work=root / "work", keep_portraits=2))


def test_an_example_opens_with_video_and_view(studio: Studio) -> None:
    shown = studio.open_example(0)
    assert Path(shown.video).is_file() and shown.portrait_id in studio.portraits
    zeros = [0.0] * 7
    front, side = studio.view(shown.portrait_id, 0, 0, 1, "white", zeros), studio.view(shown.portrait_id, 40, 0, 1, "white", zeros)
    assert front.shape == (512, 512, 3) and np.abs(front.astype(int) - side).mean() > 5
    older = studio.view(shown.portrait_id, 0, 0, 1, "white", [2.0, *zeros[1:]])
    assert np.abs(front.astype(int) - older).mean() > 1
    assert np.array_equal(studio.view(shown.portrait_id, 0, 0, 1, "white", zeros), front)
    dark = studio.view(shown.portrait_id, 0, 0, 1, "#1f2430", zeros)
    assert dark[2, 2].tolist() == pytest.approx([31, 36, 48], abs=2) and np.abs(dark[256, 256].astype(int) - front[256, 256]).max() < 3
    assert np.array_equal(studio.view(shown.portrait_id, 0, 0, 1, "blurred", zeros), front)  # examples have no photo


def test_warming_up_goes_as_far_as_the_first_step(studio: Studio, monkeypatch, caplog) -> None:
    """So far that a first photo meets nothing new: faces, a guess, an optimiser. Nothing is kept of it, and a fault stops nobody."""
    met, start = [], handlers.start_inversion

    def noting(*args):
        for event in start(*args):
            met.append(event.stage)
            yield event

    monkeypatch.setattr(handlers, "start_inversion", noting)
    kept = dict(studio.portraits)
    studio.warm_up()
    assert met == ["guess", "guess", "pivot"] and dict(studio.portraits) == kept and not caplog.records
    monkeypatch.setattr(handlers, "start_inversion", lambda *args: 1 / 0)
    studio.warm_up()
    assert "warming up failed" in caplog.text


def test_portraits_in_memory_are_bounded(studio: Studio) -> None:
    numbers = [studio.open_example(i % 3).portrait_id for i in range(4)]
    assert len(studio.portraits) == 2 and len(set(numbers)) == 4
    assert studio.view(numbers[0], 0, 0, 1, "white", []) is None and studio.share(numbers[0], []) is None
    assert "no longer" in list(studio.refilm(numbers[0], "white", []))[-1].status


def test_a_share_opens_after_a_restart(studio: Studio) -> None:
    made = studio.share(studio.open_example(1).portrait_id, [0.0] * 7)
    again = Studio(studio.settings)
    shown = again.open_share(made[0])
    assert Path(shown.video).is_file() and again.view(shown.portrait_id, 10, 0, 1, "white", [0.0] * 7) is not None
    assert again.open_share("A" * 22) is None


def test_a_photo_is_checked_before_time_is_spent(studio: Studio, astronaut: np.ndarray, tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(astronaut).save(path)
    seen = studio.check(str(path), PhotoRequest(0))
    assert not seen.failed and seen.boxes is None and seen.crop.shape == (360, 360, 3) and abs(seen.pose[0]) < 30
    monkeypatch.setattr(studio.provider, "find", lambda photo: 1 / 0)  # what was found is remembered
    turned = studio.check(str(path), PhotoRequest(0, 40.0, 5.0, roll=10.0))
    assert turned.pose == (40, 5) and np.abs(turned.crop.astype(int) - seen.crop).mean() > 5
    assert studio.check(str(path), PhotoRequest(0, 100.0, 0.0)).failed
    assert studio.check(str(tmp_path / "none.png"), PhotoRequest(0)).failed


@pytest.mark.parametrize("kind", ["none", "text", "nobody"])
def test_bad_photos_end_in_one_line(studio: Studio, kind: str, tmp_path) -> None:
    path = tmp_path / "photo.png"
    if kind == "text":
        path.write_text("hello")
    if kind == "nobody":
        Image.new("RGB", (200, 200), (10, 200, 90)).save(path)
    last = list(studio.invert(None if kind == "none" else str(path), "fast", PhotoRequest(0), "s"))[-1]
    assert last.failed and "\n" not in last.failed and "sg-error" in last.status and "s" not in studio.stops


def test_a_fault_of_ours_shows_no_traceback(studio: Studio, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(studio.provider, "find", lambda photo: 1 / 0)
    Image.new("RGB", (200, 200)).save(tmp_path / "p.png")
    last = list(studio.invert(str(tmp_path / "p.png"), "fast", PhotoRequest(0), "s"))[-1]
    assert "our side" in last.failed and "Zero" not in last.status


def test_stopping_nobody_is_harmless(studio: Studio) -> None:
    studio.stop("unknown")
    assert "spi" in METHODS
