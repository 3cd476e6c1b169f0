"""Where shared portraits lie: in a folder of this machine, or at an address that fsspec knows (``s3://bucket/shares``), for several pages
alike. On both a share is the files below its id, and it is there for as long as its ``share.json`` is."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from symgan_core.errors import RequestError, SymganError
from symgan_core.files import check_results, clear_partials, partial_of, whole_folder

ID = re.compile(r"[A-Za-z0-9_-]{22}")
"""Names of shares; all else at the same place is somebody else's, and left alone."""
MARK = "share.json"
"""Of a share: written last, deleted first. Never served, for the token is in it."""
SWEEP_SECONDS = 3600
"""Between two looks at all shares of an address. What is half written in both is nobody's any more: an upload takes seconds."""


class Shelf(Protocol):
    """Shares by their ids, which are valid. What cannot be reached raises SymganError."""

    def check(self) -> None:
        """Raise RequestError unless shares can be written, read and deleted."""

    def clear(self) -> None:
        """Delete at once what a killed process of this machine has left half done, if that can be told."""

    def new(self, share_id: str, mark: str) -> AbstractContextManager[Path]:
        """A folder to fill, which becomes a share with this text as its ``MARK`` at the end: whole, or not at all."""
        ...

    def read(self, share_id: str, name: str) -> bytes | None:
        """A file of a share; None where there is none."""

    def copy(self, share_id: str, names: Iterable[str], folder: Path) -> None:
        """Copy those of the files ``names`` that a share has into ``folder``."""

    def delete(self, share_id: str) -> None:
        """Delete a share: it is gone before its first file is, so that no killed process leaves a half one."""

    def swept(self) -> list[str]:
        """Delete what others have left half done; the ids of all shares, or none where it is not yet time to look again."""
        ...


def shelf_of(place: Path | str, scratch: Path) -> Shelf:
    """The shelf at a folder, or at an address (a text with ``://``); ``scratch``: a folder for files on their way to an address."""
    return AddressShelf(place, scratch) if isinstance(place, str) else FolderShelf(place)


class FolderShelf:
    """A folder; the pages that use it are on one machine, for what is half done is known by the process that does it."""

    def __init__(self, folder: Path):
        self.folder = folder

    def check(self) -> None:
        check_results(self.folder, (), room=0)

    def clear(self) -> None:
        clear_partials(self.folder)

    @contextmanager
    def new(self, share_id: str, mark: str) -> Iterator[Path]:
        with whole_folder(self.folder / share_id) as partial:
            yield partial
            (partial / MARK).write_text(mark)

    def read(self, share_id: str, name: str) -> bytes | None:
        try:
            return (self.folder / share_id / name).read_bytes()
        except OSError:
            return None

    def copy(self, share_id: str, names: Iterable[str], folder: Path) -> None:
        copy_there(self.folder / share_id, folder, names)

    def delete(self, share_id: str) -> None:
        folder = self.folder / share_id
        doomed = partial_of(folder)
        try:
            folder.rename(doomed)
        except OSError:  # another process deletes it, or the folder cannot be written
            doomed = folder
        shutil.rmtree(doomed, ignore_errors=True)

    def swept(self) -> list[str]:
        self.clear()
        return [path.name for path in self.folder.iterdir() if path.is_dir() and ID.fullmatch(path.name)] if self.folder.is_dir() else []


class AddressShelf:
    """An address that fsspec knows; any number of machines may use it. Credentials and options come from fsspec's configuration.

    Raises:
        RequestError: the address is none, or a package for it is missing.
    """

    def __init__(self, address: str, scratch: Path, clock: Callable[[], float] = time.monotonic):
        self._address, self._scratch, self._clock = address, scratch, clock
        self._half: set[str] = set()
        self._looked = -float("inf")
        try:
            from fsspec.core import url_to_fs

            self._fs, root = url_to_fs(address)
        except Exception as error:  # each kind of address has errors of its own
            raise self._refused(error) from error
        self._root = root.rstrip("/")

    def check(self) -> None:
        trial = f"{self._root}/.trial-{time.time_ns()}"
        try:
            self._fs.makedirs(self._root, exist_ok=True)
            self._fs.pipe_file(trial, b"trial")
            self._fs.invalidate_cache()
            if self._fs.cat_file(trial) != b"trial":
                raise OSError("what is written there is not what is read")
            self._fs.rm_file(trial)
        except Exception as error:
            raise self._refused(error) from error

    def clear(self) -> None:
        """Nothing: what is half done there may be another machine's work."""

    @contextmanager
    def new(self, share_id: str, mark: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            yield Path(name)
            try:
                with self._reached():
                    self._fs.makedirs(self._at(share_id), exist_ok=True)
                    for path in Path(name).iterdir():
                        self._fs.put_file(str(path), self._at(share_id, path.name))
                    self._fs.pipe_file(self._at(share_id, MARK), mark.encode())
            except BaseException:
                with suppress(SymganError):
                    self.delete(share_id)
                raise

    def read(self, share_id: str, name: str) -> bytes | None:
        with self._reached():
            try:
                return self._fs.cat_file(self._at(share_id, name))
            except FileNotFoundError:
                return None

    def copy(self, share_id: str, names: Iterable[str], folder: Path) -> None:
        with self._reached(), suppress(FileNotFoundError):
            there = {path.rpartition("/")[2] for path in self._fs.ls(self._at(share_id), detail=False)}
            for name in there.intersection(names):
                self._fs.get_file(self._at(share_id, name), str(folder / name))

    def delete(self, share_id: str) -> None:
        with self._reached():
            with suppress(FileNotFoundError):
                self._fs.rm_file(self._at(share_id, MARK))
            self._fs.invalidate_cache()
            with suppress(FileNotFoundError):  # where folders are but names, there may be none any more
                self._fs.rm(self._at(share_id), recursive=True)

    def swept(self) -> list[str]:
        if self._clock() - self._looked < SWEEP_SECONDS:  # each look is a list of all, and may cost money
            return []
        found: dict[str, set[str]] = {}
        with self._reached():
            for path in self._fs.find(self._root):
                _, share_id, name = f"//{path}".rsplit("/", 2)
                if ID.fullmatch(share_id):
                    found.setdefault(share_id, set()).add(name)
        half = {share_id for share_id, names in found.items() if MARK not in names}
        for share_id in half & self._half:
            self.delete(share_id)
        self._half, self._looked = half, self._clock()
        return [share_id for share_id in found if share_id not in half]

    def _at(self, *names: str) -> str:
        return "/".join((self._root, *names))

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """What the address refuses becomes an error for users; lists are read anew, for other machines write there."""
        self._fs.invalidate_cache()
        try:
            yield
        except Exception as error:
            raise SymganError("Shared portraits cannot be reached at the moment.", "Try again in a few minutes.") from error

    def _refused(self, error: Exception) -> RequestError:
        said = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        return RequestError(f"'{self._address}' cannot be used: {said}.")


def copy_there(source: Path, folder: Path, names: Iterable[str]) -> None:
    """Copy those of the files ``names`` that ``source`` has into ``folder``."""
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
