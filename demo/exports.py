"""A head as a file to take away: a film, a picture, a mesh, or all of them; for the page and for programs alike."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from symgan_core.errors import RequestError
from symgan_core.export import Pose, write_mesh, write_still
from symgan_core.inversion import Portrait3D

from .work import Progress
from .zero import Room

FILMS = ("mp4", "gif", "webp")
KINDS = ("glb", *FILMS, "png", "zip")
SMALLEST, LARGEST = 64, 512
"""Pixels of what is written; heads are rendered at 512."""


def check_export(kind: str, size: int, background: str) -> None:
    """Raise RequestError for a kind or a size that there is not, and for a transparent film."""
    if kind not in KINDS:
        raise RequestError(f"There is no kind '{kind}'.", f"Choose one of: {', '.join(KINDS)}.")
    if not SMALLEST <= size <= LARGEST:
        raise RequestError(f"{size} pixels are out of range.", f"Give {SMALLEST} to {LARGEST}.")
    if background == "transparent" and kind in (*FILMS, "zip"):
        raise RequestError("A film cannot be transparent.", "Name a colour, or ask for a png.")


def export_into(folder: Path, portrait: Portrait3D, room: Room, kind: str, size: int = LARGEST, background: str = "white",
                pose: tuple[float, float] = (0.0, 0.0)) -> Iterator[Progress]:
    """Write ``folder/head.<kind>``: a film or a picture of ``size`` pixels a side, a mesh, or all of them and the portrait as a zip.

    Args:
        pose: yaw and pitch of the picture, degrees.

    Raises:
        RequestError: as ``check_export``; or no such colour.
    """
    check_export(kind, size, background)
    paths = {name: folder / f"head.{name}" for name in KINDS}
    wanted = [name for name in KINDS if kind in (name, "zip")]
    films = [paths[name] for name in FILMS if name in wanted]
    if "png" in wanted:
        room.computing.call(write_still, portrait, paths["png"], Pose(*pose), background=background, side=size)
    if films:
        yield from room.films(portrait, background, films, size)
    if "glb" in wanted:
        room.computing.call(write_mesh, portrait, paths["glb"])
    if kind == "zip":
        portrait.save(folder)
        _zip(paths["zip"], [paths[name] for name in wanted if name != "zip"] + [folder / "portrait.safetensors"])


def _zip(path: Path, files: list[Path]) -> None:
    """Films and pictures are packed already, so nothing is packed again."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            archive.write(file, file.name)
