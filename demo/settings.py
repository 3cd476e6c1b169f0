"""Settings of the page, read from the environment once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from symgan_core.environment import home

from .logs import STYLES


def _temporary() -> Path:
    """The folder for temporary files, whether or not it can be written: ``places`` says that, with what helps."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return Path("/tmp")


@dataclass(frozen=True)
class Settings:
    """What an operator may choose; every field has an environment variable SYMGAN_<NAME>."""

    generator: str = "builtin"
    """ "builtin" or a converted .safetensors file."""
    device: str = "auto"
    shares: Path = Path("shares")
    """Where shared portraits lie; put it on a disk that outlives a restart."""
    share_days: int = 7
    """Shared portraits are deleted after so many days, where their makers choose nothing else."""
    work: Path = _temporary() / "symgan-page"
    """Photos and results of visitors who are here. Emptied at every start and at the end: name a folder that holds nothing else."""
    work_gigabytes: int = 4
    """What all visitors' folders may take; beyond it, results of those who were here the longest ago are deleted."""
    idle_minutes: int = 30
    """After so many minutes without a click, all of a visitor's is deleted."""
    grace_seconds: int = 90
    """A visitor's connection broke: all of his is deleted after so long without a word of his page. Hidden ones are awake once a minute."""
    keep_portraits: int = 6
    """Portraits held in memory; others are read from disk when they are asked for."""
    max_upload: str = "32mb"
    queue_size: int = 20
    host: str = "127.0.0.1"
    port: int = 7860
    log: str = "text"
    """ "text" or "json": lines of the log for people or for machines."""

    @property
    def space(self) -> bool:
        """Whether this is a Hugging Face Space."""
        return "SPACE_ID" in os.environ

    def __post_init__(self) -> None:
        """Raise ValueError where emptying the work folder would delete something else (shares, the page itself, the user's home), and for
        an unknown style of log."""
        if self.log not in STYLES:
            raise ValueError(f"SYMGAN_LOG is '{self.log}'; it must be one of: {', '.join(STYLES)}")
        work = self.work.resolve()
        for other in (self.shares.resolve(), Path(__file__).resolve(), home(), Path.cwd()):
            if other is None:  # there is no home
                continue
            if work == other or work in other.parents:
                raise ValueError(f"SYMGAN_WORK is '{self.work}'; it is emptied at every start, so it must be a folder of its own")


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment; on a Space the page listens to all and shares go to /data where that is mounted.

    Raises ValueError, naming the variable, where a number is none, or where emptying the work folder would delete something else.
    """
    space = "SPACE_ID" in environment
    data = Path("/data")
    values = {
        "host": environment.get("GRADIO_SERVER_NAME", "0.0.0.0" if space else Settings.host),
        "port": _number(environment, "GRADIO_SERVER_PORT", Settings.port),
        "shares": data / "shares" if space and data.is_dir() else Settings.shares}
    for field in fields(Settings):
        variable = f"SYMGAN_{field.name.upper()}"
        if isinstance(field.default, int):
            values[field.name] = _number(environment, variable, values.get(field.name, field.default))
        elif variable in environment:
            values[field.name] = type(field.default)(environment[variable])
    return Settings(**values)


def _number(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable, str(default))
    if not text.strip().isdecimal():
        raise ValueError(f"{variable} is '{text}'; it must be a whole number, such as {default}")
    return int(text)
