"""Settings of the page, read from the environment once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What an operator may choose; every field has an environment variable SYMGAN_<NAME>."""

    generator: str = "builtin"
    """ "builtin" or a converted .safetensors file."""
    device: str = "auto"
    shares: Path = Path("shares")
    """Where shared portraits lie; put it on a disk that outlives a restart."""
    share_days: int = 30
    """Shared portraits are deleted after so many days."""
    work: Path = Path(tempfile.gettempdir()) / "symgan"
    """Results of running sessions; emptied as they age."""
    keep_portraits: int = 6
    """Portraits held in memory."""
    max_upload: str = "32mb"
    queue_size: int = 20
    host: str = "127.0.0.1"
    port: int = 7860


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment; on a Space the page listens to all and shares go to /data where that is mounted.

    Raises ValueError, naming the variable, where a number is none.
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
