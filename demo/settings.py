"""Settings of the page, read from the environment once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
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
    """Settings from the environment; on a Space the page listens to all and shares go to /data where that is mounted."""
    space = "SPACE_ID" in environment
    data = Path("/data")
    values = {
        "host": environment.get("GRADIO_SERVER_NAME", "0.0.0.0" if space else Settings.host),
        "port": int(environment.get("GRADIO_SERVER_PORT", Settings.port)),
        "shares": data / "shares" if space and data.is_dir() else Settings.shares}
    casts = {"shares": Path, "work": Path, "share_days": int, "keep_portraits": int, "queue_size": int, "port": int}
    for name in Settings.__dataclass_fields__:
        text = environment.get(f"SYMGAN_{name.upper()}")
        if text is not None:
            values[name] = casts.get(name, str)(text)
    return Settings(**values)
