"""How inversions beside each other share the cores: ``python -m tests.bench_jobs`` runs one, two and three at once, each a process of the
command line, and prints seconds as a JSON object, and how many times as long as one alone each number took; nothing is asserted."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds_at_once(jobs: int, photo: Path, folder: Path, preset: str) -> float:
    """Until the last of so many inversions of the same photo is done."""
    begin = time.monotonic()
    running = [subprocess.Popen([sys.executable, "-m", "symgan_core", "invert", str(photo), "--out", str(folder / f"{jobs}-{number}"),
                                 "--preset", preset], stdout=subprocess.DEVNULL) for number in range(jobs)]
    if any(job.wait() for job in running):
        raise SystemExit("An inversion failed.")
    return time.monotonic() - begin


def main() -> None:
    """Print the figures."""
    import skimage.data
    from PIL import Image

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--most", type=int, default=3, help="jobs at once")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        photo = Path(name) / "photo.png"
        Image.fromarray(skimage.data.astronaut()).save(photo)
        seconds = [seconds_at_once(jobs, photo, Path(name), args.preset) for jobs in range(1, args.most + 1)]
    print(json.dumps({"seconds": [round(s, 1) for s in seconds], "times one alone": [round(s / seconds[0], 2) for s in seconds]}))


if __name__ == "__main__":
    main()
