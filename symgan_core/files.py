"""Files that are written: checked before the work, whole or not at all, with usual permissions, and never over what was given."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import RequestError, SymganError

if TYPE_CHECKING:
    from torch import Tensor

ROOM = 64 * 2**20
"""Bytes that a disk must have free before work begins; what one portrait writes is a quarter of that."""
_PARTIAL = re.compile(r"\..*\.(\d+)-[0-9a-f]{8}\.partial(\..*)?")
"""Name of what is being written, with the number of the process that writes it."""
_STARTED = time.time()
_REASONS = {
    errno.ENOSPC: ("the disk is full", "Make room, or name a place on another disk."),
    errno.EDQUOT: ("your share of the disk is used up", "Make room, or name a place on another disk."),
    errno.EFBIG: ("the file would be larger than is allowed", "Raise the limit (ulimit -f), or name a place on another disk."),
    errno.EROFS: ("the disk is read-only", "Name a place on another disk."),
    errno.EACCES: ("permission is denied", "Change its permissions, or name another place."),
    errno.EPERM: ("permission is denied", "Change its permissions, or name another place."),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter one."),
    errno.EISDIR: ("it is a folder", "Name a file in it."),
    errno.ENOTDIR: ("a part of the path is a file", "Name a folder."),
}


def check_file(path: str | Path, given: Iterable[str | Path] = (), room: int = ROOM) -> None:
    """Whether ``path`` can be written, said before the work; nothing is left behind.

    Args:
        given: files that are read, which must not be written over.

    Raises:
        RequestError: it cannot: what is wrong, and what helps.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "")
        if path.exists() and not path.is_file():  # a device or a pipe: nothing is known of it
            return
        _check_not_given(path, given)
        _check_folder(path.resolve().parent, room)
    except OSError as error:
        raise _refused(path, error) from error


def check_results(folder: str | Path, names: Iterable[str], given: Iterable[str | Path] = (), room: int = ROOM) -> None:
    """The same for files of these ``names`` in a folder, which need not be there yet."""
    folder, given = Path(folder), list(given)
    try:
        _check_folder(folder.resolve(), room)
        for name in names:
            if (folder / name).is_dir():
                raise RequestError(f"'{folder / name}' is a folder, where a file is to be written.", "Name another folder.")
            _check_not_given(folder / name, given)
    except OSError as error:
        raise _refused(folder, error) from error


def _check_folder(folder: Path, room: int) -> None:
    """Raises OSError unless a file can be made there, in the folder or in the nearest one above it."""
    there = next(parent for parent in (folder, *folder.parents) if os.path.lexists(parent))
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "")
    trial = partial_of(there / "trial")
    if there == folder:
        os.close(os.open(trial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        trial.unlink()
    else:
        trial.mkdir()
        trial.rmdir()
    if shutil.disk_usage(there).free < room:
        raise OSError(errno.ENOSPC, "")


def _check_not_given(path: Path, given: Iterable[str | Path]) -> None:
    for file in map(Path, given):
        same = path.exists() and file.exists() and path.samefile(file)
        if same or path.resolve() == file.resolve():
            raise RequestError(f"'{path}' is what is read; it would be written over.", "Name another place for the results.")


def _refused(path: Path, error: OSError) -> RequestError:
    reason, help = _REASONS.get(error.errno or 0, (error.strerror or str(error), "Name another place."))
    return RequestError(f"'{path}' cannot be written: {reason}.", help)


def told(error: OSError) -> str:
    """One line for what the system refused, in the middle of the work."""
    where = f" ('{error.filename}')" if error.filename else ""
    if error.errno not in _REASONS:
        return f"The system refused: {error}."
    reason, help = _REASONS[error.errno]
    return f"The system refused: {reason}{where}. {help}"


def check_readable(path: str | Path, refusal: type[SymganError] = RequestError) -> None:
    """Raise ``refusal`` for a file that is there and cannot be read; readers call it first, for some say "no such file" of it."""
    try:
        Path(path).open("rb").close()
    except FileNotFoundError:
        return
    except OSError as error:
        reason, help = _REASONS.get(error.errno or 0, (error.strerror or str(error), "Check the path."))
        raise refusal(f"'{path}' cannot be read: {reason}.", help) from error


def partial_of(path: Path) -> Path:
    """A name beside ``path``, with its ending, for what is being written: ``clear_partials`` knows it."""
    return path.with_name(f".{path.stem[:40]}.{os.getpid()}-{secrets.token_hex(4)}.partial{path.suffix}")


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A path to write to, which becomes ``path`` at the end, and vanishes if that is not reached.

    The file gets the permissions of any new file, whatever its writer gave it. A link's file is written, not the link; a device is written
    to as it is.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        yield path
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(path)
    try:
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        usual = stat.S_IMODE(os.fstat(descriptor).st_mode)
        os.close(descriptor)
        yield partial
        if stat.S_IMODE(partial.stat().st_mode) != usual:
            partial.chmod(usual)
        with partial.open("rb+") as file:  # on the disk before it has its name, or a power cut leaves an empty file
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8; the file appears whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_tensors(tensors: Mapping[str, Tensor], path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file of contiguous tensors; it appears whole or not at all."""
    from safetensors.torch import save

    with whole_file(path) as partial:  # `save_file` would make it readable for its owner alone, and says "I/O error" of a full disk
        partial.write_bytes(save(dict(tensors), None if metadata is None else dict(metadata)))


@contextmanager
def results_into(folder: str | Path) -> Iterator[Path]:
    """A new folder inside ``folder`` whose files move into that at the end, all of them or none; of a failure nothing is left."""
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    partial = partial_of(folder / "results")
    try:
        partial.mkdir(parents=True)
        yield partial
        for path in sorted(partial.iterdir()):
            path.replace(folder / path.name)
        made = []
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        for path in made:
            with suppress(OSError):
                path.rmdir()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder that becomes ``path`` at the end, unless that is there already; of a failure nothing is left."""
    partial = partial_of(path)
    try:
        partial.mkdir(parents=True)
        yield partial
        try:
            partial.rename(path)
        except OSError:
            if not path.is_dir():  # else another process has made the same meanwhile
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def clear_partials(folder: str | Path) -> None:
    """Delete what killed processes have left half written in a folder; what others are writing stays."""
    try:
        paths = list(Path(folder).iterdir())
    except OSError:
        return
    for path in paths:
        found = _PARTIAL.fullmatch(path.name)
        with suppress(OSError):
            if found and not _at_work(int(found[1]), path.lstat().st_mtime):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()


def _at_work(process: int, written: float) -> bool:
    """Whether a process that wrote something at a time is still there. In containers, each run's process may have the same number."""
    if process == os.getpid():
        return written >= _STARTED
    if os.name == "nt":  # where asking for a process would end it
        return time.time() - written < 24 * 3600
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
