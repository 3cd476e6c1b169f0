"""The page is killed at random moments; and what looks at the remains sees what it has to see."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.gallery import EXAMPLES
from symgan_core.faces import draw_check, load_provider, read_photo
from symgan_core.generator import load_generator
from symgan_core.inversion import PhotoRequest, crop_face

from .kills import run
from .remains import Photo, Results, half_files, traces


@pytest.fixture(scope="module")
def photo() -> Photo:
    return Photo(EXAMPLES / "emil" / "input.png", load_provider(), load_generator("builtin", "cpu"))


def test_a_photo_is_found_whatever_is_left_of_it(photo: Photo, tmp_path: Path) -> None:
    data, picture = photo.path.read_bytes(), read_photo(photo.path)
    crop = crop_face(picture, load_provider().find(picture)[0], load_generator("builtin", "cpu"), PhotoRequest(0))
    left = {"whole": data, "beginning": data[:8000], "end": data[-40000:], "inside": b"x" * 999 + data[20000:60000]}
    written = (("again.jpg", picture, "JPEG", 60), ("crop", crop.image, "WEBP", 50), ("check", draw_check(crop), "WEBP", 80))
    for name, pixels, kind, quality in written:
        Image.fromarray(pixels).save(out := io.BytesIO(), kind, quality=quality)
        left[name] = out.getvalue()
    for name, content in left.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "noise.png").write_bytes(_png(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)))
    for name in ("still.jpg", "strip.webp", "coarse.webp", "portrait.safetensors"):  # what a link to this very head shows
        source = EXAMPLES / "emil" / name
        (tmp_path / name).write_bytes(source.read_bytes() if source.is_file() else b"")
    assert sorted(line.split(":")[0] for line in traces(tmp_path, [photo])) == sorted(left)


def test_damaged_results_and_half_files_are_found(photo: Photo, tmp_path: Path) -> None:
    for name in ("portrait.safetensors", "report.json", "orbit.mp4", "strip.webp"):
        content = (EXAMPLES / "emil" / name).read_bytes()
        for folder, part in (("whole", content), ("half", content[:len(content) // 2])):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_bytes(part)
    found = Results(load_generator("builtin", "cpu")).damaged(tmp_path)
    assert sorted(line.split(":")[0] for line in found) == [f"half/{name}" for name in (
        "orbit.mp4", "portrait.safetensors", "report.json", "strip.webp")]
    for name in (".a.12-0123abcd.partial.json", "tmp0a1b_2c3", "me.png.tmp"):
        (tmp_path / name).touch()
    assert len(half_files(tmp_path)) == 3


@pytest.mark.slow
def test_killed_at_any_moment_the_page_comes_back_with_nothing_half_and_no_photo(tmp_path: Path) -> None:
    report = run(tmp_path / "trial", kills=2, terms=1, seed=0, within=60.0)
    assert not report.faults
    assert len(report.rounds) == 3


def _png(pixels: np.ndarray) -> bytes:
    Image.fromarray(pixels).save(out := io.BytesIO(), "PNG")
    return out.getvalue()
