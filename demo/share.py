"""Shared portraits on disk: the head and its video under a random id, with expiry and a delete token; of the photo, the head alone."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from symgan_core.errors import RequestError
from symgan_core.export import write_still
from symgan_core.files import clear_partials, partial_of, whole_folder
from symgan_core.inversion import Portrait3D

from . import texts

_ID = re.compile(r"[A-Za-z0-9_-]{22}")
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
    """A folder of shared portraits; ``days`` until one expires, where its maker chooses nothing else. What a killed process has left
    half written or half deleted in it goes at once."""

    def __init__(self, folder: Path, days: int):
        self.folder, self.days = folder, days
        clear_partials(folder)

    def add(self, portrait: Portrait3D, video: Path, days: int | None = None) -> Share:
        """Store a portrait with its video, and the strips that lie beside the video; it appears whole or not at all.

        Args:
            days: one of ``DAYS``; by default the store's own.

        Raises:
            RequestError: another number of days.
        """
        if days is not None and days not in (*DAYS, self.days):
            raise RequestError(f"A link cannot last {days} days.", f"Choose one of {', '.join(map(str, DAYS))}.")
        self.sweep()
        share = Share(secrets.token_urlsafe(16), secrets.token_urlsafe(16), self.days if days is None else days)
        with whole_folder(self.folder / share.id) as partial:
            public = replace(portrait, backdrop=None, report={k: portrait.report[k] for k in KEPT if k in portrait.report})
            public.save(partial)
            write_still(public, partial / STILL)
            shutil.copyfile(video, partial / "orbit.mp4")
            copy_there(video.parent, partial, STRIPS)
            (partial / "share.json").write_text(json.dumps({"created": time.time(), "days": share.days, "token": share.token}))
        return share

    def find(self, share_id: str | None) -> Path | None:
        """The folder of a share, or None if there is none (any more), or if that is no id at all."""
        if not isinstance(share_id, str) or not _ID.fullmatch(share_id):
            return None
        folder = self.folder / share_id
        if not folder.is_dir() or self._expired(folder):
            return None
        return folder

    def preview_of(self, share_id: str | None) -> Path | None:
        """A picture of a share for messengers, a JPEG as large as a view (512 pixels of the built-in generator); None without a share, or
        where an older one has none."""
        folder = self.find(share_id)
        return folder / STILL if folder is not None and (folder / STILL).is_file() else None

    def title_of(self, share_id: str | None) -> str | None:
        """What messengers call a share; None without one."""
        return None if self.find(share_id) is None else texts.ENGLISH.SHARE_TITLE

    def delete(self, share_id: str | None, token: str | None) -> bool:
        """Delete with the token given when it was made; says whether it was."""
        folder = self.find(share_id)
        if folder is None or not isinstance(token, str) or not token:
            return False
        if not secrets.compare_digest(str(self._meta(folder).get("token", "")).encode(), token.encode(errors="replace")):
            return False
        _delete(folder)
        return True

    def sweep(self) -> None:
        """Delete what has expired, and what another process has left half done."""
        clear_partials(self.folder)
        if self.folder.is_dir():
            for folder in self.folder.iterdir():
                if folder.is_dir() and _ID.fullmatch(folder.name) and self._expired(folder):
                    _delete(folder)

    def _meta(self, folder: Path) -> dict:
        try:
            meta = json.loads((folder / "share.json").read_text())
        except (OSError, ValueError, RecursionError):
            return {}
        return meta if isinstance(meta, dict) else {}

    def _expired(self, folder: Path) -> bool:
        meta = self._meta(folder)
        created, days = meta.get("created", 0), meta.get("days", DAYS_BEFORE)
        if not isinstance(created, int | float) or not isinstance(days, int | float):  # damaged: nobody could delete it
            return True
        return not time.time() - created <= days * 86400


def _delete(folder: Path) -> None:
    """Delete a share: it is gone before its first file is, so that no killed process leaves a half one."""
    doomed = partial_of(folder)
    try:
        folder.rename(doomed)
    except OSError:  # another process deletes it, or the folder cannot be written
        doomed = folder
    shutil.rmtree(doomed, ignore_errors=True)


def copy_there(source: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Copy those of the files ``names`` that ``source`` has into ``folder``."""
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
