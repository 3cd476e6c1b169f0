"""Runs of ``symgan batch`` as processes, and who works on what."""

import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def heads(out: Path) -> dict[str, Path]:
    """The folders of finished results by the names of their photos."""
    return {path.name.split("-")[0]: path for path in out.glob("[!.]*") if path.is_dir()}


def started(words: list[str]) -> subprocess.Popen:
    """The command line with these words."""
    return subprocess.Popen([sys.executable, "-m", "symgan_core", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def worker_at_work(out: Path, but: int = 0, seconds: float = 300) -> int:
    """The process that is writing a result; others than ``but``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path in out.glob(".*.partial"):
            if (found := re.fullmatch(r"\..*\.(\d+)-[0-9a-f]{8}\.partial", path.name)) and int(found[1]) != but and path.is_dir():
                return int(found[1])
        time.sleep(0.05)
    raise AssertionError("nobody works")
