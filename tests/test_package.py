"""The package: what it depends on, what the wheel holds, and that the command works from a folder of its own."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = {"PIL": "pillow", "cv2": "opencv-python", "skimage": "scikit-image"}
"""Where a distribution is not called as what one imports."""
UNSEEN = {"imageio-ffmpeg", "torchvision"}
"""Dependencies that no file of the core names: imageio writes films through the first, lpips imports the second."""
OPTIONAL = {"insightface", "dlib"}
"""Imported by the core where they are installed, and never needed."""


def name_of(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0]


def third_parties(folder: Path) -> set[str]:
    """Distributions that a folder's files import anywhere, inside functions too."""
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split(".")[0])
    return {DISTRIBUTIONS.get(name, name) for name in found - set(sys.stdlib_module_names) - {folder.name}}


def test_the_core_depends_on_what_it_imports() -> None:
    declared = {name_of(requirement) for requirement in PROJECT["dependencies"]}
    assert third_parties(ROOT / "symgan_core") - OPTIONAL == declared - UNSEEN
    assert declared >= UNSEEN


def test_a_space_installs_the_same_ranges() -> None:
    lines = (line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    assert sorted(filter(None, lines)) == sorted(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["demo"])


def test_the_command_starts_before_torch_does() -> None:
    code = "import symgan_core.__main__, sys; print('torch' in sys.modules)"  # OpenMP reads its settings when torch loads it
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout == "False\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built offline, out of a copy: a build leaves folders behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "symgan_core", source / "symgan_core", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
                    "--wheel-dir", out, source], check=True)
    return next(out.glob("symgan-*.whl"))


def test_the_wheel_holds_the_core_and_its_weights_alone(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "symgan_core").rglob("*") if path.is_file()}
    assert held == {name for name in files if "__pycache__" not in name}
    assert wheel.stat().st_size < 100e6  # PyPI's bound


def test_the_installed_command_inverts_a_photo_in_any_folder(wheel: Path, tmp_path: Path) -> None:
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", installed, wheel], check=True)
    shutil.copyfile(ROOT / "examples/ada/input.png", elsewhere / "photo.png")
    environment = os.environ | {"PYTHONPATH": str(installed)}

    def symgan(*words: str) -> str:
        return subprocess.run([installed / "bin/symgan", *words], capture_output=True, text=True, cwd=elsewhere, env=environment,
                              check=True).stdout

    assert symgan("--help").startswith("usage: symgan ")
    report = json.loads(symgan("invert", "photo.png", "--out", "out", "--method", "w", "--preset", "fast", "--device", "cpu", "--json"))
    assert report["method"] == "w" and (elsewhere / "out/orbit.mp4").stat().st_size > 10_000
    code = "import symgan_core; print(symgan_core.__file__)"
    used = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=elsewhere, env=environment, check=True).stdout
    assert Path(used).is_relative_to(installed)
