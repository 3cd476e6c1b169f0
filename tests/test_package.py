"""What the package depends on. The wheel itself is built, installed and used in ``test_cli.py``."""

import ast
import re
import subprocess
import sys
from pathlib import Path

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
OPTIONAL = {"insightface", "dlib", "pillow_heif", "pyarrow", "ray"}
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
