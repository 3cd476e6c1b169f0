"""Imports run one way; the core stands on torch, numpy and pillow alone."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "symgan_core"
ALLOWED = {
    "errors": set(), "files": {"errors"}, "weights": {"errors"}, "geometry": {"errors"}, "progress": set(), "interrupts": set(),
    "cores": set(), "environment": set(), "memory": set(),
    "generator": {"errors", "files", "geometry", "weights"},
    "faces": {"errors", "geometry", "environment", "weights"},
    "losses": {"errors", "geometry", "environment", "weights"},
    "portrait": {"errors", "files", "weights", "geometry", "generator", "faces"},
    "inversion": {"errors", "files", "geometry", "generator", "faces", "losses", "portrait"},
    "films": {"errors", "files"}, "gltf": set(), "devices": {"errors", "generator"},
    "export": {"errors", "files", "films", "generator", "geometry", "gltf", "inversion"},
    "jobs": {"devices", "errors", "export", "faces", "files", "films", "generator", "inversion"},
    "batch": {"cores", "errors", "files", "generator", "jobs", "memory", "progress", "weights"},
    "evaluation": {"cores", "errors", "files", "generator", "faces", "geometry", "inversion", "losses"},
}


def module_imports(path: Path) -> set[str]:
    """Absolute names of what a file imports at module level."""
    package = path.relative_to(ROOT).with_suffix("").parts
    out = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            out |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level]) if node.level else ""
            module = ".".join(p for p in (base, node.module) if p)
            out |= {module} if node.module else {f"{module}.{a.name}" for a in node.names}
    return out


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_core_arrows(part: str) -> None:
    folder = CORE / part
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [CORE / f"{part}.py"]
    assert files
    for file in files:
        inner = {name.split(".")[1] for name in module_imports(file) if name.startswith("symgan_core.")}
        assert inner - {part} <= ALLOWED[part], file


def test_nothing_in_the_core_imports_the_page_or_the_training() -> None:
    for file in [*CORE.rglob("*.py"), *(ROOT / "demo").rglob("*.py")]:
        heads = {name.split(".")[0] for name in module_imports(file)}
        assert "training" not in heads, file
        if CORE in file.parents:
            assert not heads & {"demo", "gradio", "spaces"}, file


def test_the_page_does_no_tensor_arithmetic() -> None:
    for file in (ROOT / "demo").rglob("*.py"):
        assert "torch" not in {name.split(".")[0] for name in module_imports(file)}, file


def test_the_core_imports_with_torch_numpy_and_pillow_alone() -> None:
    code = "from symgan_core import *; import sys; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout.split())
    assert "torch" in loaded
    assert not loaded & {"gradio", "lpips", "insightface", "imageio", "cv2", "skimage", "scipy", "piq", "torchvision", "safetensors",
                         "onnxruntime"}
