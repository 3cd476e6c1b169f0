"""What handlers hand to the page, and texts as HTML for it."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

import numpy as np

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


def bar(text: str, step: int, total: int, note: str = "") -> str:
    """A progress bar as HTML."""
    share = 100 * step / max(total, 1)
    return (f'<div class="sg-status" role="status"><span>{html.escape(text)}</span><span class="sg-note">{html.escape(note)}</span>'
            f'<div class="sg-track"><div class="sg-fill" style="width:{share:.1f}%"></div></div></div>')


def message(text: str, kind: str = "idle") -> str:
    """One line as HTML; all text is escaped, but for quotes: a label is known by its own, and they do no harm between tags."""
    return f'<div class="sg-status sg-{kind}" role="status">{html.escape(text, quote=False)}</div>'


def without_paths(text: str) -> str:
    """An error's line without the folders of quoted paths: a visitor learns nothing of the server's disk."""
    return _PATH.sub(r"'\1'", text)


def link_for(base: str, share_id: str) -> str:
    """The address of a share on this page."""
    return f"{base.split('?')[0].rstrip('/')}/?r={share_id}"
