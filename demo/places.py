"""Whether the page can have its folders and its port: looked at before anything is loaded, and said in one line."""

from __future__ import annotations

import errno
import logging
import os
import socket
from dataclasses import replace
from pathlib import Path

from symgan_core.errors import RequestError
from symgan_core.files import check_results

from .settings import Settings, Visiting
from .shelves import shelf_of

log = logging.getLogger("symgan.demo")


def checked_places(settings: Settings) -> Settings:
    """The same settings; with a work folder of this user's own where the default one is somebody else's, which is logged.

    Raises:
        ValueError: a folder cannot be written, or the port is taken: what is wrong, and which variable helps.
    """
    _check_port(settings.serving.host, settings.serving.port)
    work = settings.visiting.work
    try:
        shelf_of(settings.sharing.shares, work).check()
    except RequestError as error:
        raise ValueError(f"{error.seen} Shared portraits lie there; name another place with SYMGAN_SHARES.") from error
    reason = _unusable(work)
    if reason is None:
        return settings
    if work != Visiting.work:
        raise ValueError(f"{reason} Name another folder with SYMGAN_WORK.")
    own = work.with_name(f"{work.name}-{os.geteuid() if hasattr(os, 'geteuid') else 'own'}")
    if worse := _unusable(own):
        raise ValueError(f"{reason} {worse} Name another folder with SYMGAN_WORK.")
    log.warning("%s Photos and results of visitors are in '%s' instead; SYMGAN_WORK names another folder.", reason, own)
    return replace(settings, visiting=replace(settings.visiting, work=own))


def _unusable(work: Path) -> str | None:
    """Why a folder cannot hold visitors' photos; None where it can. The default one could be prepared by anybody, to read what comes."""
    if work.is_symlink() and work == Visiting.work:
        return f"'{work}' is a link."
    reason = _unwritable(work) or _unwritable(work.resolve().parent)  # beside it lies its lock
    if reason is None and work.exists() and hasattr(os, "geteuid") and work == Visiting.work and work.stat().st_uid != os.geteuid():
        return f"'{work}' is another user's."
    return reason or _locked_out(work)


def _locked_out(work: Path) -> str | None:
    lock = work.resolve().with_name(f".{work.name}.lock")
    try:
        if lock.exists():
            lock.open("a").close()
    except OSError:
        return f"'{lock}' is another user's."
    return None


def _unwritable(folder: Path) -> str | None:
    try:
        check_results(folder, (), room=0)
    except RequestError as error:
        return error.seen
    return None


def _check_port(host: str, port: int) -> None:
    """Raises ValueError where nobody could be served there."""
    if port > 65535:  # some systems would take another one
        raise ValueError(f"{port} is no port. Give one up to 65535 with SYMGAN_PORT.")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            if os.name == "posix":  # a port whose last page has just ended is free
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ValueError(f"Port {port} is taken, perhaps by another page. Name another one: SYMGAN_PORT={port + 1}") from error
        raise ValueError(f"The page cannot listen to {host}:{port} ({error.strerror}). Name others with SYMGAN_HOST and SYMGAN_PORT."
                         ) from error
