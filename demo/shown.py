"""What handlers hand to the page, and texts as HTML for it."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

import numpy as np

from symgan_core.errors import SymganError
from symgan_core.faces import MOST_FACES, Face

from .line import LineFull
from .texts import ENGLISH, Texts

LONGEST = 400
"""Characters of an error's line."""
_PATH = re.compile(r"'[^']*[/\\]([^'/\\]+)'")


@dataclass(frozen=True)
class Shown:
    """What a streaming handler wants the page to show; None leaves a part as it is.

    All files lie in the visitor's folder or among the examples: ``video`` an mp4, ``strip`` and ``coarse`` the
    turning head as WebP strips (``symgan_core.export.write_strip``), large and small; None where a portrait has none.
    """

    status: str
    preview: np.ndarray | None = None
    video: str | None = None
    portrait_id: str | None = None
    files: list[str] | None = None
    failed: str | None = None
    strip: str | None = None
    coarse: str | None = None


@dataclass(frozen=True)
class Checked:
    """What the page shows of a photo before it is worked on: ``boxes`` (only where there are several faces) and ``crop`` are files of
    pictures, ``pose`` is yaw and pitch in degrees."""

    status: str
    boxes: str | None = None
    crop: str | None = None
    pose: tuple[float, float] = (0.0, 0.0)
    failed: bool = False


def bar(text: str, share: float, note: str = "") -> str:
    """A progress bar as HTML, at a ``share`` in [0, 1]."""
    return (f'<div class="sg-status" role="status"><span>{html.escape(text)}</span><span class="sg-note">{html.escape(note)}</span>'
            f'<div class="sg-track"><div class="sg-fill" style="width:{100 * share:.1f}%"></div></div></div>')


def time_left(seconds: float, said: Texts = ENGLISH) -> str:
    """A time that is left, rounded as far as it can be known."""
    if seconds > 100:
        return said.MINUTES_LEFT.format(minutes=seconds / 60)
    return said.TIME_LEFT.format(seconds=max(5 * round(seconds / 5), 5) if seconds > 10 else max(round(seconds), 1))


def waiting(ahead: int, seconds: float, said: Texts = ENGLISH) -> str:
    """What somebody is told who waits in the line: how many are before him, and the seconds until his turn."""
    return said.WAITING.format(place=ahead, left=time_left(seconds, said))


def which_face(faces: list[Face], number: int, said: Texts) -> str:
    """Which of several faces it is, and that there may be more than are offered."""
    if len(faces) < 2:
        return ""
    limit = [said.FACES_MOST.format(most=MOST_FACES)] if len(faces) >= MOST_FACES else []
    return " ".join([said.FACES_FOUND.format(count=len(faces), number=number + 1), *limit])


def told(error: SymganError, said: Texts) -> str:
    """An error's line, in the visitor's language where that has it."""
    if isinstance(error, LineFull):
        return f"{said.LINE_FULL} {said.LINE_FULL_HELP}"
    if error.template in said.FAULTS:
        return said.FAULTS[error.template].format(**error.values)
    return said.PHOTO_GONE if error.seen == ENGLISH.PHOTO_GONE else one_line(without_paths(str(error)))


def refused(error: SymganError, said: Texts) -> Shown:
    """An error, to be shown."""
    return Shown(message(told(error, said), "error"), failed=told(error, said))


def message(text: str, kind: str = "idle") -> str:
    """One line as HTML; all text is escaped, but for quotes: a label is known by its own, and they do no harm between tags."""
    return f'<div class="sg-status sg-{kind}" role="status">{html.escape(text, quote=False)}</div>'


def without_paths(text: str) -> str:
    """An error's line without the folders of quoted paths: a visitor learns nothing of the server's disk."""
    return _PATH.sub(r"'\1'", text)


def one_line(text: str) -> str:
    """A text without line breaks and broken characters, not longer than a line or two: an error may repeat what a stranger wrote."""
    plain = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return plain if len(plain) <= LONGEST else plain[:LONGEST] + " …"


def link_for(base: str, share_id: str) -> str:
    """The address of a share on this page."""
    return f"{base.split('?')[0].rstrip('/')}/?r={share_id}"
