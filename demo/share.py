"""Shared portraits: the head and its video under a random id, with expiry and a delete token; of the photo, the head alone."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from symgan_core.errors import RequestError
from symgan_core.export import write_still
from symgan_core.inversion import Portrait3D

from . import texts
from .shelves import ID, MARK, Shelf, copy_there

DAYS = (1, 7, 30)
"""After how many days a maker may let a share expire."""
DAYS_BEFORE = 30
"""Of shares that were made when all had the same."""
STRIPS = ("strip.webp", "coarse.webp")
"""The turning head as the page shows it, large and small."""
SERVED = ("portrait.safetensors", "report.json", "orbit.mp4", *STRIPS)
"""What a visitor of a share gets; the token is none of it."""
STILL = "still.jpg"
KEPT = ("method", "preset", "generator", "view")
"""What a shared report keeps; places, landmarks and metrics of the photo stay out."""


@dataclass(frozen=True)
class Share:
    """A new share: its public ``id``, the ``token`` that deletes it, and after how many ``days`` it expires."""

    id: str
    token: str
    days: int


class ShareStore:
    """The shared portraits of a shelf; ``days`` until one expires, where its maker chooses nothing else. What a killed process has left
    half done on it goes at once where that can be told, and later where it cannot.

    What an address refuses is a SymganError of all methods.
    """

    def __init__(self, shelf: Shelf, days: int):
        self.shelf, self.days = shelf, days
        shelf.clear()

    def add(self, portrait: Portrait3D, video: Path, days: int | None = None,
            computed: Callable[[Callable[[], None]], Any] = lambda draw: draw()) -> Share:
        """Store a portrait with its video, and the strips that lie beside the video; it appears whole or not at all.

        Args:
            days: one of ``DAYS``; by default the store's own.
            computed: does what torch computes of it, and waits for that.

        Raises:
            RequestError: another number of days.
        """
        if days is not None and days not in (*DAYS, self.days):
            raise RequestError(f"A link cannot last {days} days.", f"Choose one of {', '.join(map(str, DAYS))}.")
        self.sweep()
        share = Share(secrets.token_urlsafe(16), secrets.token_urlsafe(16), self.days if days is None else days)
        mark = json.dumps({"created": time.time(), "days": share.days, "token": share.token})
        with self.shelf.new(share.id, mark) as folder:
            public = replace(portrait, backdrop=None, report={k: portrait.report[k] for k in KEPT if k in portrait.report})

            def draw() -> None:
                public.save(folder)
                write_still(public, folder / STILL)

            computed(draw)
            shutil.copyfile(video, folder / "orbit.mp4")
            copy_there(video.parent, folder, STRIPS)
        return share

    def find(self, share_id: Any) -> str | None:
        """The id of a share that is there; None if there is none (any more), or if that is no id at all."""
        if not isinstance(share_id, str) or not ID.fullmatch(share_id) or _expired(self._meta(share_id)):
            return None
        return share_id

    def copy(self, share_id: str, folder: Path) -> bool:
        """Copy what a visitor of a share gets into ``folder``; says whether there was a portrait."""
        self.shelf.copy(share_id, SERVED, folder)
        return (folder / SERVED[0]).is_file()

    def preview_of(self, share_id: str | None) -> bytes | None:
        """A picture of a share for messengers, a JPEG as large as a view (512 pixels of the built-in generator); None without a share, or
        where an older one has none."""
        found = self.find(share_id)
        return None if found is None else self.shelf.read(found, STILL)

    def title_of(self, share_id: str | None) -> str | None:
        """What messengers call a share; None without one."""
        return None if self.find(share_id) is None else texts.ENGLISH.SHARE_TITLE

    def delete(self, share_id: str | None, token: str | None) -> bool:
        """Delete with the token given when it was made; says whether it was."""
        found = self.find(share_id)
        if found is None or not isinstance(token, str) or not token:
            return False
        if not secrets.compare_digest(str(self._meta(found).get("token", "")).encode(), token.encode(errors="replace")):
            return False
        self.shelf.delete(found)
        return True

    def sweep(self) -> None:
        """Delete what has expired, and what another process has left half done."""
        for share_id in self.shelf.swept():
            if _expired(self._meta(share_id)):
                self.shelf.delete(share_id)

    def _meta(self, share_id: str) -> dict:
        try:
            meta = json.loads(self.shelf.read(share_id, MARK) or b"")
        except (ValueError, RecursionError):
            return {}
        return meta if isinstance(meta, dict) else {}


def _expired(meta: dict) -> bool:
    created, days = meta.get("created", 0), meta.get("days", DAYS_BEFORE)
    if not isinstance(created, int | float) or not isinstance(days, int | float):  # damaged: nobody could delete it
        return True
    return not time.time() - created <= days * 86400
