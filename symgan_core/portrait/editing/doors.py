"""Which edits a head can be asked for, and the edited head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...generator import TriPlaneGenerator
from .codes import Directions, kept_principal_directions, load_directions
from .directions import DIRECTIONS, Direction, checked

if TYPE_CHECKING:
    from ..portrait import Portrait3D


def directions_of(generator: TriPlaneGenerator, file: str | Path | None = None) -> Directions | None:
    """Directions in w: those of a user's ``file``, or principal ones. None for the built-in generator: its heads themselves are edited."""
    if file is not None:
        return load_directions(file, generator)
    return None if generator.traits is not None else kept_principal_directions(generator)


def list_directions(generator: TriPlaneGenerator, file: str | Path | None = None) -> tuple[Direction, ...]:
    """Names, labels and limits of the edits that heads of a generator can be asked for."""
    codes = directions_of(generator, file)
    return DIRECTIONS if codes is None else codes.known


def edited(portrait: Portrait3D, strengths: dict[str, float], file: str | Path | None = None) -> Portrait3D:
    """``Portrait3D.edit``."""
    codes, source = directions_of(portrait.generator, file), portrait.unedited or portrait
    if codes is None:
        return source.with_edits(checked(strengths, DIRECTIONS))
    moved = codes.move(source.ws, strengths)
    return source if moved is source.ws else source.with_ws(moved)
