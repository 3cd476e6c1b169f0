"""Results of visitors: each in a folder of its maker, which goes when he does; portraits in memory, and read again where they are not."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from symgan_core.inversion import Portrait3D

from .settings import Visiting
from .workfolder import WorkFolder, own_copy, size_of

log = logging.getLogger("symgan.demo")
EXAMPLE = "example:"
"""Begins the ids of the gallery's portraits; their names follow."""
EXAMPLES_KEPT = 4
"""Portraits of the gallery in memory."""
PICTURES_KEPT = 8
"""Pictures of one kind that a visitor has on disk: the page may still be fetching an older one."""
K, V = TypeVar("K", bound=Hashable), TypeVar("V")


class VisitorLeft(Exception):
    """Work was for a visitor whose data has been deleted meanwhile, or the page closes: there is nobody to show it to."""


class Recent(Generic[K, V]):
    """A cache of the ``size`` values that were asked for last."""

    def __init__(self, size: int):
        self.size = size
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of ``key``, made where it is not here. What ``make`` raises is passed on."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()  # without the lock: others need not wait for it
        with self._lock:
            self._values[key] = value
            while len(self._values) > self.size:
                self._values.popitem(last=False)
        return value

    def drop(self, which: Callable[[K], bool]) -> None:
        """Remove the values of all keys of which ``which`` is true."""
        with self._lock:
            for key in [key for key in self._values if which(key)]:
                del self._values[key]

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        return key in self._values


@dataclass
class Visitor:
    """A visitor's folder; ``seen``: when he last did something (``time.time()``); ``busy``: works of his that run; ``heard``: when his page
    last said that it is open; ``dropped``: whether its connection broke."""

    folder: Path
    seen: float = field(default_factory=time.time)
    busy: int = 0
    heard: float = field(default_factory=time.time)
    dropped: bool = False
    links: set[Path] = field(default_factory=set)
    """Where Gradio had put his uploads: links to the copies in his folder."""


class ResultStore:
    """The folders of all visitors, and the portraits in them by id."""

    def __init__(self, settings: Visiting, load: Callable[[Path], Portrait3D], examples: Mapping[str, Path],
                 forgotten: Callable[[Path], None] = lambda folder: None):
        """Delete what an earlier process has left in ``settings.work``.

        Args:
            load: reads the portrait of a folder.
            examples: folders of the gallery's portraits by name.
            forgotten: told each visitor's folder that was deleted, so that others drop what they keep of it.
        """
        self.settings, self._load, self._examples, self._forgotten = settings, load, examples, forgotten
        self._process = os.getpid()
        self.work = WorkFolder(settings.work)
        self._visitors: dict[str, Visitor] = {}
        self._results: dict[str, tuple[str, Path]] = {}
        self._portraits: Recent[str, Portrait3D] = Recent(settings.keep_portraits)
        self._gallery: Recent[str, Portrait3D] = Recent(EXAMPLES_KEPT)
        self._lock = threading.RLock()  # a signal handler may ask for it while its thread has it

    # -- results ----------------------------------------------------------------------------------------------------

    @contextmanager
    def new_folder(self, session: str) -> Iterator[Path]:
        """A new folder for a piece of work of a visitor; it is deleted if the work fails or is given up.

        Raises:
            VisitorLeft: in place of whatever the work raised, as its folder was gone.
        """
        with self._lock:
            visitor = self._visitor(session)
            visitor.busy += 1
        folder = visitor.folder / "results" / secrets.token_hex(8)
        done = False
        try:
            folder.mkdir(parents=True)
            yield folder
            done = True
        except Exception as error:
            self.expect(folder, error)
            raise
        finally:
            with self._lock:
                visitor.busy -= 1
                visitor.seen = time.time()
                there = self.holds(folder)
            if not there:
                shutil.rmtree(visitor.folder, ignore_errors=True)
            elif not done:
                shutil.rmtree(folder, ignore_errors=True)
            self._make_room(session)

    def keep(self, session: str, folder: Path) -> str:
        """The id under which the portrait in ``folder``, a folder of this visitor, is found from now on.

        Raises:
            VisitorLeft: the folder is gone.
        """
        with self._lock:
            self.expect(folder)
            number = secrets.token_urlsafe(16)
            self._results[number] = (session, folder)
        return number

    def get(self, number: str | None) -> Portrait3D | None:
        """A portrait by its id, from memory or from disk; None if there is none (any more)."""
        folder = self.folder_of(number)
        if number is None or folder is None:
            return None
        cache = self._gallery if number.startswith(EXAMPLE) else self._portraits
        portrait = cache.get(number, lambda: self._load(folder))
        if self.folder_of(number) is None:  # forgotten while it was read
            cache.drop(lambda key: key == number)
            return None
        return portrait

    def folder_of(self, number: str | None) -> Path | None:
        """The folder of a portrait, of a visitor or of the gallery; None if there is none (any more). Its maker counts as being here."""
        if number is None:
            return None
        if number.startswith(EXAMPLE):
            return self._examples.get(number.removeprefix(EXAMPLE))
        with self._lock:
            session, folder = self._results.get(number, ("", None))
            if folder is not None and session in self._visitors:
                self._visitors[session].seen = time.time()
            return folder

    # -- photos and pictures ----------------------------------------------------------------------------------------

    def own_photo(self, session: str, photo: str | None) -> str:
        """Where a visitor's photo is read from: an upload goes into his folder, and a link to it takes its place, so that the page can
        show it for as long as it is there. Other files stay where they are. ``photo`` itself if there is no such file."""
        path = Path(photo or "")
        if not self.work.has_upload(path):
            return photo or ""
        with self._lock:
            known = self._visitors.get(session)
            if not (path.is_file() or known):
                return str(path)
            visitor = self._visitor(session)
            copy = visitor.folder / "photos" / path.parent.name / path.name
            if own_copy(path, copy):
                visitor.links.add(path)
            return str(copy)

    def picture_path(self, session: str, kind: str, ending: str) -> Path | None:
        """A new path for a picture of a visitor; older ones of its kind are deleted. None if he has left."""
        with self._lock:
            visitor = self._visitors.get(session)
            if visitor is None:
                return None
            folder = visitor.folder / "pictures" / kind
            folder.mkdir(parents=True, exist_ok=True)
            for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)[:-PICTURES_KEPT]:
                old.unlink(missing_ok=True)
            return folder / f"{kind}-{secrets.token_hex(8)}.{ending}"

    # -- visitors ---------------------------------------------------------------------------------------------------

    def touch(self, session: str) -> None:
        """This visitor is here: his idle time begins anew, and he has a folder."""
        with self._lock:
            self._visitor(session).seen = time.time()

    def heard(self, session: str) -> None:
        """This visitor's page is open in his browser. Nothing happens where nothing of his is here."""
        with self._lock:
            if session in self._visitors:
                self._visitors[session].heard = time.time()

    def dropped(self, session: str) -> None:
        """The connection to this visitor's page broke: he has left, or his phone sleeps for a moment. Browsers do not open it again, so
        from now on he is here for as long as something is heard of him."""
        with self._lock:
            if session in self._visitors:
                self._visitors[session].dropped, self._visitors[session].heard = True, time.time()

    def lost(self) -> list[str]:
        """Visitors whose connection broke, and of whom nothing has been heard for ``settings.grace_seconds``."""
        before = time.time() - self.settings.grace_seconds
        with self._lock:
            return [session for session, visitor in self._visitors.items() if visitor.dropped and max(visitor.heard, visitor.seen) < before]

    def holds(self, folder: Path) -> bool:
        """Whether ``folder`` lies in the folder of a visitor who has not been forgotten."""
        with self._lock:
            return any(visitor.folder in folder.parents for visitor in self._visitors.values())

    def expect(self, folder: Path, cause: Exception | None = None) -> None:
        """Raise VisitorLeft unless this store ``holds`` the folder."""
        if not self.holds(folder):
            raise VisitorLeft from cause

    def forget(self, session: str) -> None:
        """Delete a visitor's folder, and all of his that is in memory. Nothing happens where there is none."""
        with self._lock:
            visitor = self._visitors.pop(session, None)
            if visitor is None:
                return
            self._drop(session)
            shutil.rmtree(visitor.folder, ignore_errors=True)
            for link in visitor.links:
                self.work.unlink(link, visitor.folder)
        self._forgotten(visitor.folder)

    def sweep(self) -> None:
        """Forget visitors who have been idle for ``settings.idle_minutes``, and delete uploads that nobody has used for as long."""
        before = time.time() - 60 * self.settings.idle_minutes
        with self._lock:
            idle = [session for session, visitor in self._visitors.items() if visitor.seen < before and not visitor.busy]
            folders = {visitor.folder for visitor in self._visitors.values()}
        for session in idle:
            self.forget(session)
        self.work.sweep(before, folders)

    def forget_all(self) -> None:
        """Delete all visitors' folders and, if no other process uses it, whatever else is in the work folder.

        A process that was forked from this one has its signal handlers, and no right to do so: there, nothing happens.
        """
        if os.getpid() != self._process:
            return
        with self._lock:
            for session in list(self._visitors):
                self.forget(session)
            self.work.clear()

    def _visitor(self, session: str) -> Visitor:
        if session not in self._visitors:
            self._visitors[session] = Visitor(self.work.new_folder())
        return self._visitors[session]

    def _drop(self, session: str) -> None:
        """Forget a visitor's results; their files are not touched."""
        gone = {number for number, (maker, _) in self._results.items() if maker == session}
        for number in gone:
            del self._results[number]
        self._portraits.drop(lambda number: number in gone)

    def _make_room(self, session: str) -> None:
        """Delete results of those visitors who were here the longest ago, until all fit on the disk's share; never those of ``session``."""
        with self._lock:
            sizes = {name: size_of(visitor.folder) for name, visitor in self._visitors.items()}
            total, limit = sum(sizes.values()), self.settings.work_gigabytes * 1e9
            others = [name for name, visitor in self._visitors.items() if name != session and not visitor.busy]
            for name in sorted(others, key=lambda name: self._visitors[name].seen):
                if total <= limit:
                    return
                folder = self._visitors[name].folder
                log.info("the work folder is full: results of the visitor who was here the longest ago are deleted")
                self._drop(name)
                shutil.rmtree(folder / "results", ignore_errors=True)
                total += size_of(folder) - sizes[name]
