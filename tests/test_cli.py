"""The command line as a user calls it, installed from a wheel: exit codes, one line on stderr, the files it promises."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest
import torch
from PIL import Image

from symgan_core import export
from symgan_core.cli import main
from symgan_core.generator import TriPlaneGenerator, save_generator
from symgan_core.inversion import PRESETS as STEPS
from symgan_core.inversion import Portrait3D
from symgan_core.portrait.editing import PRESETS

ROOT = Path(__file__).parents[1]
SHORT = """
from dataclasses import replace
from symgan_core import jobs
from symgan_core.inversion import METHODS, register_method
jobs.FRAMES = 12
spi = METHODS["spi"]
register_method(replace(spi, name="short", pivot=replace(spi.pivot, steps=8), tuning=replace(spi.tuning, steps=6)))
"""
"""spi in fewer steps, filmed in fewer frames; one test, which is slow, has all of them."""


def rendered(folder: Path, path: Path, *words: str) -> np.ndarray:
    assert main(["render", str(folder), "--out", str(path), *words]) == 0
    return np.asarray(Image.open(path), float)


def one_line(capsys) -> str:
    said = capsys.readouterr().err.strip()
    assert said and "\n" not in said
    return said


@pytest.fixture(scope="module")
def astronaut_png(astronaut: np.ndarray, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "astronaut.png"
    Image.fromarray(astronaut).save(path)
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built without a network, out of a copy: a build leaves folders behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "symgan_core", source / "symgan_core", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", out,
                    source], check=True)
    return next(out.glob("symgan-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory) -> Path:
    """A folder with the wheel alone in it; what it depends on is this interpreter's."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder, wheel], check=True)
    return folder


def run(installed: Path, *args: object, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run([installed / "bin" / "symgan", *map(str, args)], capture_output=True, text=True, cwd=cwd,
                          env=os.environ | {"PYTHONWARNINGS": "ignore", "PYTHONPATH": str(installed)})


@pytest.fixture(scope="module")
def inverted(installed: Path, astronaut_png: Path, tmp_path_factory) -> Path:
    elsewhere = tmp_path_factory.mktemp("inverted")
    (elsewhere / "short.py").write_text(SHORT)
    words = ("--out", "out", "--method", "short.py", "--preset", "fast", "--json")
    result = run(installed, "invert", astronaut_png, *words, cwd=elsewhere)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.strip().splitlines()[-1])["method"] == "short"
    return elsewhere / "out"


@pytest.fixture(scope="module")
def plain(inverted: Path, tmp_path_factory) -> np.ndarray:
    """The head from the front, as it is."""
    return rendered(inverted, tmp_path_factory.mktemp("plain") / "plain.png")


def test_the_wheel_holds_the_core_and_its_weights_alone(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "symgan_core").rglob("*") if path.is_file()}
    assert held == {name for name in files if "__pycache__" not in name}
    assert wheel.stat().st_size < 100e6  # PyPI's bound


def test_the_installed_command_is_called_symgan(installed: Path, tmp_path: Path) -> None:
    assert run(installed, "--help", cwd=tmp_path).stdout.startswith("usage: symgan ")
    code = "import symgan_core; print(symgan_core.__file__)"
    used = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True,
                          env=os.environ | {"PYTHONPATH": str(installed)}).stdout
    assert Path(used.strip()).is_relative_to(installed)


def test_invert_writes_all_files(inverted: Path) -> None:
    assert sorted(p.name for p in inverted.iterdir()) == [
        "input.png", "orbit.mp4", "origins.png", "portrait.safetensors", "reconstruction.png", "report.json"]
    report = json.loads((inverted / "report.json").read_text())
    for key in ("method", "preset", "generator", "device", "seconds", "steps", "losses", "camera", "mirror_weight", "metrics",
                "mirror_rejected_share", "perceptual", "face_provider", "origins"):
        assert key in report, key
    assert {"psnr", "lpips", "perceptual"} <= report["metrics"].keys() and 0 < report["metrics"]["lpips"] < 0.2
    assert {"intake", "pivot", "tuning", "video"} <= report["seconds"].keys() and len(report["camera"]) == 25
    photo, drawn = (np.asarray(Image.open(inverted / n), float) for n in ("input.png", "reconstruction.png"))
    assert photo.shape == (512, 512, 4) and drawn.shape == (512, 512, 3) and 0.2 < (photo[..., 3] > 128).mean() < 0.8
    assert (np.abs(photo[..., :3] - drawn) * photo[..., 3:]).mean() / photo[..., 3:].mean() < 5  # of 255
    assert (inverted / "portrait.safetensors").stat().st_size < 8e6
    assert sum(report["origins"].values()) == pytest.approx(1, abs=1e-3) and Image.open(inverted / "origins.png").size == (5 * 512, 512)
    assert sum(1 for _ in imageio.get_reader(inverted / "orbit.mp4")) == 12


@pytest.mark.slow
def test_all_steps_of_a_preset_make_a_near_head(astronaut_png: Path, tmp_path) -> None:
    assert main(["invert", str(astronaut_png), "--out", str(tmp_path / "out"), "--preset", "fast"]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["method"] == "spi" and (report["steps"]["pivot"], report["steps"]["tuning"]) == STEPS["fast"]
    assert report["metrics"]["lpips"] < 0.05 and report["metrics"]["psnr_without_detail"] > 20, report["metrics"]
    assert sum(1 for _ in imageio.get_reader(tmp_path / "out" / "orbit.mp4")) == 60


def test_render_edits_and_refuses_words_that_are_no_edits(inverted: Path, plain: np.ndarray, tmp_path, capsys) -> None:
    views = {"plain": plain} | {name: rendered(inverted, tmp_path / f"{name}.png", *words) for name, words in (
        ("wide", ["--edit", "face_width=2"]), ("soft", ["--detail", "off"]), ("surprise", ["--edit", "surprise"]),
        ("preset", ["--edit", "smile"]), ("both", ["--edit", "smile", "smile=1", "eye_opening=0"]))}
    assert np.abs(views["plain"] - views["wide"]).mean() > 1 and views["plain"].shape == (512, 512, 3)
    for name in ("surprise", "preset", "both"):
        assert np.abs(views["plain"] - views[name]).max() > 30, name
    assert np.abs(views["preset"] - views["both"]).max() > 10  # with a strength it is the direction of that name; what comes later counts
    energy = {name: np.square(np.diff(view.mean(-1)[180:360, 190:320], axis=1)).mean() for name, view in views.items()}
    assert energy["plain"] > 1.2 * energy["soft"], energy  # in the face: the photo's own detail
    refused = {"age": "NAME=STRENGTH", "age=x": "NAME=STRENGTH", "smile=": "NAME=STRENGTH", "beauty=1": "no editing direction",
               "age=99": "out of range"}
    for word, said in refused.items():
        assert main(["render", str(inverted), "--out", str(tmp_path / "no.png"), "--edit", word]) == 2
        assert said in one_line(capsys)
    assert not (tmp_path / "no.png").exists()


def test_render_makes_skin_darker(inverted: Path, plain: np.ndarray, tmp_path) -> None:
    assert np.abs(plain - rendered(inverted, tmp_path / "dark.png", "--edit", "skin_tone=-3")).mean() > 1


def test_render_films_an_expression(tiny: TriPlaneGenerator, frontal: torch.Tensor, tmp_path, monkeypatch) -> None:
    save_generator(tiny, tmp_path / "tiny.safetensors")
    report = {"generator": str(tmp_path / "tiny.safetensors")}
    Portrait3D(tiny, tiny.mapping(torch.ones(1, 16), frontal[None]), frontal[None], report).save(tmp_path / "head")
    words = ["render", str(tmp_path / "head"), "--out", str(tmp_path / "s.mp4"), "--background", "#336699", "--edit"]
    assert main([*words, "component_0=2"]) == 0
    film = [np.asarray(frame, int) for frame in imageio.get_reader(tmp_path / "s.mp4")]
    assert len(film) == 72 and np.abs(film[0] - film[36]).max() > 20 and film[0][1, 1, 0] < 128  # not on white
    asked = []
    monkeypatch.setattr(export, "write_expression", lambda portrait, path, strengths, **more: asked.append(strengths))
    assert main([*words, "surprise", "age=1", "mouth_open=0.5"]) == 0
    assert main([*words, "smile", "smile=1", "eye_opening=0"]) == 0
    assert asked == [PRESETS["surprise"] | {"age": 1.0, "mouth_open": 0.5}, PRESETS["smile"] | {"smile": 1.0, "eye_opening": 0.0}]


def test_a_film_that_cannot_be_made_is_refused(inverted: Path, tmp_path, capsys) -> None:
    for words, said in (([], "--edit"), (["--edit", "neutral"], "`invert`"), (["--edit", "grin"], "surprise"),
                        (["--edit", "beauty=1"], "no editing direction"), (["--edit", "smile", "--yaw", "20"], "--yaw"),
                        (["--edit", "smile", "--background", "transparent"], "transparent")):
        assert main(["render", str(inverted), "--out", str(tmp_path / "no.mp4"), *words]) == 2
        assert said in one_line(capsys)
    assert not list(tmp_path.iterdir())


def test_the_turned_head_is_a_head(inverted: Path, plain: np.ndarray, tmp_path) -> None:
    views = {0: plain} | {yaw: rendered(inverted, tmp_path / f"{yaw}.png", "--yaw", str(yaw)) for yaw in (-30, 30)}
    dark = {yaw: (v.mean(-1) < 235).mean() for yaw, v in views.items()}
    assert all(0.25 < share < 0.8 for share in dark.values()), dark  # it does not go flat or fill the picture
    assert np.abs(views[-30] - views[30]).mean() > 8
    assert np.abs(views[0] - views[30]).mean() < 60


def test_export(inverted: Path, tmp_path) -> None:
    assert main(["export", str(inverted), "--out", str(tmp_path / "head.glb")]) == 0
    assert (tmp_path / "head.glb").read_bytes()[:4] == b"glTF"


def test_faces(astronaut_png: Path, tmp_path) -> None:
    assert main(["faces", str(astronaut_png), "--json", str(tmp_path / "f.json")]) == 0
    found = json.loads((tmp_path / "f.json").read_text())
    face = found["faces"][0]
    assert found["provider"] == "mediapipe" and len(face["box"]) == 4 and len(face["landmarks"][0]) == 2
    assert {"yaw", "pitch", "roll", "score"} <= face.keys()


def test_a_bad_photo_is_one_line_and_exit_code_2(tmp_path, capsys) -> None:
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").touch()
    Image.new("RGB", (300, 300), (90, 120, 160)).save(tmp_path / "nobody.png")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    for name in ("text.png", "empty.png", "nobody.png", "huge.png", "missing.png"):
        assert main(["invert", str(tmp_path / name), "--out", str(tmp_path / "out")]) == 2
        err = capsys.readouterr().err.strip()
        assert err and "\n" not in err and "Traceback" not in err, name
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("args", [
    ["invert", "x.png"], ["invert", "x.png", "--out", "o", "--method", "magic"], ["invert", "x.png", "--out", "o", "--preset", "now"],
    ["invert", "x.png", "--out", "o", "--yaw", "left"], ["nonsense"], [], ["render", "nowhere", "--out", "a.png"],
    ["render", "nowhere", "--out", "a.exe"], ["convert", "none.pkl", "o.safetensors"], ["convert", "none.pkl", "o.bin"],
    ["export", "nowhere", "--out", "a.glb"], ["evaluate", "none.npz", "--json", "o.json"],
    ["invert", "x.png", "--out", "o", "--generator", "none.safetensors"]])
def test_bad_requests(args: list[str], capsys) -> None:
    assert main(args) == 2
    err = capsys.readouterr().err.strip()
    assert err and "\n" not in err


def test_a_pose_or_face_that_cannot_be_is_refused(astronaut_png: Path, tmp_path, capsys) -> None:
    assert main(["invert", str(astronaut_png), "--out", str(tmp_path / "o"), "--yaw", "120"]) == 2
    assert main(["invert", str(astronaut_png), "--out", str(tmp_path / "o"), "--face", "40"]) == 2
    assert "40" in capsys.readouterr().err


def test_evaluate(tiny: TriPlaneGenerator, tmp_path) -> None:
    from tests.evaluation.test_benchmark import write_set

    save_generator(tiny, tmp_path / "tiny.safetensors")
    write_set(tiny, tmp_path / "set.npz")
    assert main(["evaluate", str(tmp_path / "set.npz"), "--methods", "w", "--preset", "fast", "--limit", "1", "--generator",
                 str(tmp_path / "tiny.safetensors"), "--json", str(tmp_path / "o.json")]) == 0
    assert json.loads((tmp_path / "o.json").read_text())["methods"]["w"]["mean"]["novel"]["psnr"] > 5
