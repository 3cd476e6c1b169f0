"""Weight files that ship beside the code: each has its sha256 beside it, and neither is trusted without the other."""

from __future__ import annotations

import hashlib
from pathlib import Path

from torch import Tensor

from .errors import CheckpointError


def file_hash(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_hash(path: Path) -> None:
    """Write ``path``'s hash beside it."""
    path.with_suffix(".sha256").write_text(f"{file_hash(path)}  {path.name}\n")


def shipped_hash(path: Path) -> str:
    """The hash that lies beside ``path``. Raises CheckpointError if there is none."""
    try:
        return path.with_suffix(".sha256").read_text().split()[0]
    except (OSError, ValueError, IndexError) as error:
        raise CheckpointError(f"The hash of the shipped weights '{path.name}' is missing.", "Fetch the repository again.") from error


def check_hash(path: Path) -> None:
    """Raises CheckpointError if ``path`` is not what its hash says."""
    if file_hash(path) != shipped_hash(path):
        raise CheckpointError(f"The shipped weights '{path.name}' are damaged.", "Fetch the repository again (Git LFS is not used).")


def read_shipped(path: Path) -> dict[str, Tensor]:
    """Tensors of a shipped safetensors file, floats as float32. Raises CheckpointError if it is damaged."""
    from safetensors.torch import load_file

    check_hash(path)
    return {k: v.float() if v.is_floating_point() else v for k, v in load_file(str(path)).items()}


def write_shipped(state: dict[str, Tensor], path: Path) -> None:
    """Write tensors, floats in half precision, and the hash."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}, str(path))
    write_hash(path)
