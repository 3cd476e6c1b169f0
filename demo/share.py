"""Shared portraits on disk: the head and its video under a random id, with expiry and a delete token; of the photo, the head alone."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from symgan_core.inversion import Portrait3D

_ID = re.compile(r"[A-Za-z0-9_-]{22}")
KEPT = ("method", "preset", "generator", "view")
"""What a shared report keeps; places, landmarks and metrics of the photo stay out."""


@dataclass(frozen=True)
class Share:
    """A new share: its public id, and the token that deletes it."""

    id: str
    token: str


class ShareStore:
    """A folder of shared portraits."""

    def __init__(self, folder: Path, days: int):
        self.folder, self.days = folder, days

    def add(self, portrait: Portrait3D, video: Path) -> Share:
        """Store a portrait; it appears whole or not at all."""
        self.sweep()
        share = Share(secrets.token_urlsafe(16), secrets.token_urlsafe(16))
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f".{share.id}.partial"
        partial.mkdir()
        try:
            replace(portrait, backdrop=None, report={k: portrait.report[k] for k in KEPT if k in portrait.report}).save(partial)
            shutil.copyfile(video, partial / "orbit.mp4")
            (partial / "share.json").write_text(json.dumps({"created": time.time(), "token": share.token}))
            partial.rename(self.folder / share.id)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return share

    def find(self, share_id: str) -> Path | None:
        """The folder of a share, or None if there is none (any more)."""
        if not _ID.fullmatch(share_id or ""):
            return None
        folder = self.folder / share_id
        if not folder.is_dir() or self._expired(folder):
            return None
        return folder

    def delete(self, share_id: str, token: str) -> bool:
        """Delete with the token given when it was made; says whether it was."""
        folder = self.find(share_id)
        if folder is None or not secrets.compare_digest(self._meta(folder).get("token", ""), token or ""):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return True

    def sweep(self) -> None:
        """Delete what has expired."""
        if self.folder.is_dir():
            for folder in self.folder.iterdir():
                if folder.is_dir() and _ID.fullmatch(folder.name) and self._expired(folder):
                    shutil.rmtree(folder, ignore_errors=True)

    def _meta(self, folder: Path) -> dict:
        try:
            return json.loads((folder / "share.json").read_text())
        except (OSError, ValueError):
            return {}

    def _expired(self, folder: Path) -> bool:
        return time.time() - self._meta(folder).get("created", 0) > self.days * 86400
