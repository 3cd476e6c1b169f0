"""ZeroGPU without its hardware: heavy work in a fork, by files and plain data; and nothing of that elsewhere."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from demo import work, zero
from demo.gallery import EXAMPLES
from demo.work import Progress
from demo.zero import Room, on_zero_gpu
from symgan_core.errors import RequestError, SymganError
from symgan_core.faces import FaceCrop, load_provider, read_photo
from symgan_core.generator import TriPlaneGenerator, load_generator, save_generator
from symgan_core.inversion import PRESETS, PhotoRequest, Portrait3D, crop_face

from ..conftest import make_tiny
from . import spaces_standin


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """A small generator's file: what goes through a fork, and how, is that of a large one."""
    path = tmp_path_factory.mktemp("generator") / "tiny.safetensors"
    save_generator(make_tiny(), path)
    return str(path)


@pytest.fixture(scope="module")
def generator(source: str) -> TriPlaneGenerator:
    return load_generator(source, "cpu")


@pytest.fixture(scope="module")
def crop(generator: TriPlaneGenerator) -> FaceCrop:
    picture = read_photo(EXAMPLES / "noor" / "input.png")
    return crop_face(picture, load_provider().find(picture)[0], generator, PhotoRequest(0))


@pytest.fixture
def spaces(monkeypatch):
    module = spaces_standin.make(monkeypatch)
    monkeypatch.setitem(sys.modules, "spaces", module)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(PRESETS, "fast", (2, 2))
    monkeypatch.setattr(work, "FRAMES", 8)
    return module


def test_zero_gpu_is_told_by_hardware_and_package(spaces, monkeypatch) -> None:
    assert on_zero_gpu() and on_zero_gpu({"SPACES_ZERO_GPU": "1"})
    assert not on_zero_gpu({}) and not on_zero_gpu({"SPACES_ZERO_GPU": "false"})
    monkeypatch.delitem(sys.modules, "spaces")
    monkeypatch.setattr(zero.importlib.util, "find_spec", lambda name: None)
    assert not on_zero_gpu({"SPACES_ZERO_GPU": "1"})


def test_the_stand_in_is_as_strict_as_zero_gpu(spaces) -> None:
    with pytest.raises(RuntimeError, match="main process"):
        torch.zeros(1, device="cuda")
    met = []

    @zero.gpu(5)
    def task(number: int):
        met.append(number)
        yield os.getpid(), number
        raise SymganError("Seen.", "Help.")

    running = task(3)
    process, number = next(running)
    assert process != os.getpid() and number == 3 and not met and spaces.calls == [5]
    with pytest.raises(RuntimeError, match="SymganError$"):
        next(running)


def test_a_photo_goes_through_the_fork(spaces, generator: TriPlaneGenerator, source: str, crop: FaceCrop, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    room = Room(generator, source, place="cpu")
    assert room.apart and len(spaces.decorated) == 2
    seen = list(room.invert(tmp_path, crop, "fast", PhotoRequest(0), lambda: False))
    assert spaces.calls == [zero.INVERT_SECONDS["fast"]]
    assert all(isinstance(done, Progress) for done in seen) and seen[-1].stage == "done"
    assert {done.stage for done in seen} >= {"pivot", "tuning", "video"} and sum(seen[-1].origins.values()) == pytest.approx(1, abs=0.02)
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"input.webp", "portrait.safetensors", "report.json", "orbit.mp4", "strip.webp", "coarse.webp"}
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    portrait = Portrait3D.load(tmp_path, base=generator)
    picture, photo = portrait.render().image, crop.image
    assert picture.shape[-1] == generator.config.image_resolution and photo.dtype == np.uint8

    films = [tmp_path / "turn.gif", tmp_path / "turn.webp"]
    assert [done.stage for done in room.films(portrait, "white", films, 64)] == ["video"] * 4
    assert films[0].read_bytes()[:4] == b"GIF8" and films[1].read_bytes()[8:12] == b"WEBP" and spaces.calls[1:] == [zero.FILM_SECONDS]
    with pytest.raises(SymganError, match="'greyish' is not a colour"):
        list(room.films(portrait, "greyish", films))


@pytest.mark.slow
def test_stopping_reaches_the_fork(spaces, generator: TriPlaneGenerator, source: str, crop: FaceCrop, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(PRESETS, "fast", (400, 400))
    seen = list(Room(generator, source, place="cpu").invert(tmp_path, crop, "fast", PhotoRequest(0), lambda: True))
    assert seen[-1].stage == "done" and "tuning" not in {done.stage for done in seen}
    assert (tmp_path / "orbit.mp4").is_file() and not (tmp_path / zero.STOP_FILE).exists()


def test_elsewhere_nothing_changes(generator: TriPlaneGenerator, monkeypatch, tmp_path: Path) -> None:
    def inverted(folder, crop, generator, preset, request, source, stop):
        yield Progress(str(os.getpid()), int(stop()), 1)
        raise RequestError("Seen.", "Help.")

    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    monkeypatch.setattr(zero, "invert_into", inverted)
    room = Room(generator, "builtin")
    running = room.invert(tmp_path, None, "fast", PhotoRequest(0), lambda: True)
    assert next(running) == Progress(str(os.getpid()), 1, 1) and not room.apart
    with pytest.raises(RequestError):
        next(running)
    assert zero.gpu(5)(inverted) is inverted
