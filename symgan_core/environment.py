"""What surrounds the process: the user's home, and what other libraries are told by variables."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path | None:
    """The user's home folder; None where there is none (a container's user without an entry, and no HOME)."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def without_telemetry() -> None:
    """Keep onnxruntime from telling its maker what is run (its builds for Linux do, from 1.32 on): called before it is imported."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
