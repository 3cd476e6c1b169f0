"""Settings of the page, read from the environment once."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from symgan_core.environment import home

from .logs import STYLES


def _temporary() -> Path:
    """The folder for temporary files, whether or not it can be written: ``places`` says that, with what helps."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return Path("/tmp")


@dataclass(frozen=True)
class Serving:
    """Where and how the page is served."""

    host: str = "127.0.0.1"
    port: int = 7860
    max_upload: str = "32mb"
    queue_size: int = 20
    log: str = "text"
    """ "text" or "json": lines of the log for people or for machines."""

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown style of log."""
        if self.log not in STYLES:
            raise ValueError(f"SYMGAN_LOG is '{self.log}'; it must be one of: {', '.join(STYLES)}")


@dataclass(frozen=True)
class Computing:
    """What makes heads, and where."""

    generator: str = "builtin"
    """ "builtin" or a converted .safetensors file."""
    device: str = "auto"
    ray: str = ""
    """A Ray cluster that makes the heads: "HOST:PORT", "auto", or "local" for one on this machine; by default the page does it itself."""
    ray_gpus: float = 0.0
    """The part of a GPU that a head takes there."""

    def __post_init__(self) -> None:
        """Raise ValueError for what is no part of a GPU."""
        if not (self.ray_gpus >= 0 and math.isfinite(self.ray_gpus)):
            raise ValueError(f"SYMGAN_RAY_GPUS is '{self.ray_gpus}'; it must be a part of a GPU, such as 0.5")


@dataclass(frozen=True)
class Sharing:
    """Links."""

    shares: Path | str = Path("shares")
    """Where shared portraits lie: a folder on a disk that outlives a restart, or an address that fsspec knows (``s3://bucket/shares``), for
    several pages alike."""
    share_days: int = 7
    """Shared portraits are deleted after so many days, where their makers choose nothing else."""


@dataclass(frozen=True)
class Visiting:
    """What is kept of visitors, and for how long."""

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


@dataclass(frozen=True)
class Settings:
    """What an operator may choose; every field of these parts has an environment variable SYMGAN_<NAME>."""

    serving: Serving = Serving()
    computing: Computing = Computing()
    sharing: Sharing = Sharing()
    visiting: Visiting = Visiting()

    @property
    def space(self) -> bool:
        """Whether this is a Hugging Face Space."""
        return "SPACE_ID" in os.environ

    def __post_init__(self) -> None:
        """Raise ValueError where emptying the work folder would delete something else (shares, the page itself, the user's home)."""
        work = self.visiting.work.resolve()
        shares = Path(str(self.sharing.shares).removeprefix("file://")).resolve()
        for other in (shares, Path(__file__).resolve(), home(), Path.cwd()):
            if other is None:  # there is no home
                continue
            if work == other or work in other.parents:
                raise ValueError(f"SYMGAN_WORK is '{work}'; it is emptied at every start, so it must be a folder of its own")


PARTS: dict[str, Any] = {field.name: type(field.default) for field in fields(Settings)}


def variables() -> list[str]:
    """Names of the environment variables."""
    return [_variable(field.name) for part in PARTS.values() for field in fields(part)]


def make_settings(**values: Any) -> Settings:
    """Settings from the values of fields of any part, by name; ValueError as the parts have it."""
    parts = {name: part(**{f.name: values.pop(f.name) for f in fields(part) if f.name in values}) for name, part in PARTS.items()}
    if values:
        raise TypeError(f"there are no settings {', '.join(values)}")
    return Settings(**parts)


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment; on a Space the page listens to all and shares go to /data where that is mounted.

    Raises ValueError, naming the variable, where a number is none, or where emptying the work folder would delete something else.
    """
    space = "SPACE_ID" in environment
    data = Path("/data")
    values: dict[str, Any] = {
        "host": environment.get("GRADIO_SERVER_NAME", "0.0.0.0" if space else Serving.host),
        "port": _number(environment, "GRADIO_SERVER_PORT", Serving.port),
        "shares": data / "shares" if space and data.is_dir() else Sharing.shares}
    for field in (field for part in PARTS.values() for field in fields(part)):
        variable = _variable(field.name)
        if isinstance(field.default, int):
            values[field.name] = _number(environment, variable, values.get(field.name, field.default))
        elif isinstance(field.default, float):
            values[field.name] = _part(environment.get(variable, ""))
        elif variable in environment:
            text = environment[variable]
            values[field.name] = text if isinstance(field.default, str) or (field.name == "shares" and "://" in text) else Path(text)
    return make_settings(**values)


def _variable(name: str) -> str:
    return f"SYMGAN_{name.upper()}"


def _part(text: str) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return math.nan


def _number(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable, str(default))
    if not text.strip().isdecimal():
        raise ValueError(f"{variable} is '{text}'; it must be a whole number, such as {default}")
    return int(text)
