"""Ctrl-C and signals that end a process, on the command line."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM, and SIGHUP of a terminal that is closed, raise SystemExit, with 128 and the signal's number: what is half written is deleted
    on the way. A signal that the process was started to ignore (nohup) stays ignored."""
    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    with _handled([getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)], signal.SIG_DFL, end):
        yield


@contextmanager
def first_interrupt_asks(say: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C calls ``say``, and from then on what is yielded answers True; the second raises KeyboardInterrupt as usual."""
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        say()

    with _handled([signal.SIGINT], signal.default_int_handler, ask):
        yield asked.is_set


@contextmanager
def _handled(numbers: list[int], usual: Any, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """With another handler for signals whose handler is the usual one; only the main thread may change that."""
    changed = []
    if threading.current_thread() is threading.main_thread():
        changed = [number for number in numbers if signal.getsignal(number) == usual]
    try:
        for number in changed:
            signal.signal(number, handler)
        yield
    finally:
        for number in changed:
            signal.signal(number, usual)
