"""The folder on disk under which visitors' folders lie, and into which Gradio puts uploads. One process at a time cleans it."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Collection
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has none: there, the folder must be this process's alone
    fcntl = None

log = logging.getLogger("symgan.demo")
STALLED = 30
"""Seconds after which an upload of which no byte has come is not waited for any more."""
_UPLOAD = re.compile(r"[0-9a-f]{64}")
"""Gradio puts an upload into a folder that is named by a hash of it."""


class WorkFolder:
    """``path``: the folder, absolute; what an earlier process has left in it is deleted, unless that process still runs."""

    def __init__(self, path: Path):
        self.path = path.resolve()
        self.path.mkdir(0o700, parents=True, exist_ok=True)
        self._permanent: set[Path] = set()
        self._lock = self.path.with_name(f".{self.path.name}.lock").open("w")
        self._alone = _locked(self._lock.fileno())
        if not self._alone:
            log.warning("another page uses the folder of SYMGAN_WORK: what it has left there is not deleted. Name another folder.")
        self.clear()

    def new_folder(self) -> Path:
        """An empty folder under a random name."""
        folder = self.path / secrets.token_hex(12)
        folder.mkdir(parents=True)
        return folder

    def keep_what_is_there(self) -> None:
        """``sweep`` spares what is in the folder now: the page's own pictures, which it shows for as long as it runs."""
        self._permanent = set(self.path.iterdir())

    def has_upload(self, path: Path) -> bool:
        """Whether ``path`` is where Gradio puts an upload."""
        return path.parent.parent == self.path and _UPLOAD.fullmatch(path.parent.name) is not None

    def unlink(self, link: Path, folder: Path) -> None:
        """Delete a link to a file in ``folder``, if it is still one, with the folder that it lies in."""
        if link.is_symlink() and folder in link.readlink().parents:
            _delete(link.parent)

    def sweep(self, before: float, folders: Collection[Path]) -> None:
        """Delete what is in none of ``folders`` and was last written before ``before`` (seconds as ``time.time()``)."""
        if not self._alone or not self.path.is_dir():
            return
        for path in self.path.iterdir():
            if path not in folders and path not in self._permanent and not _shown(path) and _written(path) < before:
                _delete(path)

    def drop_broken(self) -> None:
        """Delete uploads whose connection broke: Gradio leaves what has come of them, as a file under no visitor's name."""
        if not self._alone or not self.path.is_dir():
            return
        for path in self.path.iterdir():
            if path.is_file() and path not in self._permanent and _written(path) < time.time() - STALLED:
                _delete(path)

    def clear(self) -> None:
        """Delete all that is in the folder, if no other process uses it."""
        if self._alone and self.path.is_dir():
            for path in self.path.iterdir():
                _delete(path)


def own_copy(upload: Path, copy: Path) -> bool:
    """Move an upload to ``copy``, and leave a link in its place; says whether one was made.

    An upload is a link already if somebody else has brought the same photo: then the bytes are copied, once.
    """
    if not upload.is_file() or (upload.is_symlink() and copy.is_file()):
        return False
    copy.parent.mkdir(parents=True, exist_ok=True)
    if upload.is_symlink():
        shutil.copyfile(upload, copy)
        return False
    upload.replace(copy)
    try:
        upload.symlink_to(copy)
    except OSError:  # Windows may forbid it: then the page shows the photo only for as long as the browser has it
        return False
    return True


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder; of files that vanish meanwhile, none."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except OSError:
                continue
    return total


def _shown(path: Path) -> bool:
    """Whether it holds a link to a photo that its visitor still has."""
    return path.is_dir() and any(link.is_symlink() and link.exists() for link in path.iterdir())


def _written(path: Path) -> float:
    """When the newest file of a folder was written; of what has vanished, never."""
    try:
        return max(one.lstat().st_mtime for one in (path, *path.rglob("*")))
    except OSError:
        return float("inf")


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _locked(descriptor: int) -> bool:
    """Whether this process has the lock; it ends with the process, however that ends."""
    if fcntl is None:
        return True
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
