"""Photos of a folder, known by their content."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import RequestError, SymganError
from ..files import check_readable
from ..weights import file_hash

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".mpo", ".png", ".webp", ".heic", ".heif", ".avif", ".bmp", ".tif", ".tiff", ".gif")


@dataclass(frozen=True)
class Photo:
    """``digest``: sha256 of the file; ``reason``: why it cannot be read, or ""."""

    path: Path
    digest: str
    reason: str = ""

    @property
    def key(self) -> str:
        """The end of its folder's name, by which it is known."""
        return self.digest[:12]

    @property
    def name(self) -> str:
        """Of its folder of results."""
        return f"{re.sub(r'[^a-zA-Z0-9_-]+', '_', self.path.stem)[:40].strip('_') or 'photo'}-{self.key}"


def list_photos(folder: Path, out: Path) -> list[Photo]:
    """Picture files in ``folder`` and below it, by name; hidden ones and those in ``out`` are left out.

    Raises:
        RequestError: there is no such folder, or no photo in it.
    """
    if not folder.is_dir():
        raise RequestError(f"There is no folder '{folder}'.", "Name a folder of photos; for one photo there is `invert`.")
    out = out.resolve()
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and not path.is_dir()
             and not any(part.startswith(".") for part in path.relative_to(folder).parts) and out not in path.resolve().parents]
    if not found:
        raise RequestError(f"There is no photo in '{folder}'.", f"Known endings: {' '.join(SUFFIXES)}")
    return [_photo(path) for path in found]


def _photo(path: Path) -> Photo:
    try:
        check_readable(path)
        digest = file_hash(path)
    except (OSError, SymganError) as error:
        return Photo(path, "", str(error))
    return Photo(path, digest)
