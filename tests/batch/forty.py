"""``python -m tests.batch.forty``: `symgan batch` on 40 rendered portraits, in one process and on a local Ray of two workers.

On Ray one worker is killed in the middle. A second run on Ray is killed as a whole (SIGKILL) and begun again. Ends with 1 where a portrait
is missing, a picture differs from that of one process by more than 1/255, or a finished result was made again. The method is a short one:
what is tried is who does which photo, not the heads.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from symgan_core.generator import load_generator
from symgan_core.inversion import Portrait3D, to_uint8

from .running import heads, started, worker_at_work

RAY = "--workers", "2", "--ray", "local"
METHOD = """from dataclasses import replace
from symgan_core import jobs
from symgan_core.inversion import METHODS, register_method
jobs.FRAMES, spi = 8, METHODS["spi"]
register_method(replace(spi, name="brief", pivot=replace(spi.pivot, steps=3), tuning=replace(spi.tuning, steps=2)))
"""
"""Of five steps and eight frames, with all that a run has."""


@torch.no_grad()
def render_portraits(folder: Path, count: int) -> None:
    """So many made-up people, each from another side, as ``00.png`` and so on."""
    generator, rng = load_generator("builtin", "cpu"), torch.Generator().manual_seed(0)
    z, yaws = torch.randn(count, generator.config.z_dim, generator=rng), 70 * torch.rand(count, generator=rng) - 35
    for number, ws in enumerate(generator.mapping(z, generator.frontal_camera().expand(count, -1)).split(1)):
        head = Portrait3D(generator, ws, generator.frontal_camera())
        Image.fromarray(to_uint8(head.render(yaw=float(yaws[number])).image)).save(folder / f"{number:02}.png")


def faults(out: Path, alone: Path, count: int) -> list[str]:
    """What is not as one process made it."""
    found, wanted = heads(out), heads(alone)
    said = [] if len(wanted) == count else [f"one process made {len(wanted)} of {count}"]
    said += [f"{name} is missing" for name in wanted.keys() - found.keys()]
    for name in wanted.keys() & found.keys():
        first, second = (np.asarray(Image.open(one[name] / "reconstruction.png"), int) for one in (found, wanted))
        if (apart := int(np.abs(first - second).max())) > 1:
            said.append(f"{name} differs by {apart}/255")
    return said + [f"{path.name} is left" for path in out.glob(".*")]


def finish(process: subprocess.Popen) -> None:
    """Wait for a run, which must end well."""
    said, told = process.communicate(timeout=3600)
    print(said.strip().splitlines()[-1], flush=True)
    assert process.returncode == 0, told


def wait_for_half(process: subprocess.Popen, out: Path, count: int) -> None:
    """Until half of the portraits are done, which the process must live to see."""
    while len(heads(out)) < count // 2:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.2)


def main() -> int:
    """The command; 0 where all was as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.batch.forty", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40)
    count = parser.parse_args().count
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(prefix="symgan-forty-") as place:
        root = Path(place)
        photos, alone, killed, resumed = (root / name for name in ("photos", "alone", "killed", "resumed"))
        photos.mkdir()
        render_portraits(photos, count)
        (root / "brief.py").write_text(METHOD)

        def begin(out: Path, *more: str) -> subprocess.Popen:
            return started(["batch", str(photos), "--out", str(out), "--method", str(root / "brief.py"), "--preset", "fast", *more])

        finish(begin(alone))
        process = begin(killed, *RAY)
        wait_for_half(process, killed, count)
        os.kill(worker_at_work(killed), signal.SIGKILL)
        finish(process)
        said = faults(killed, alone, count)
        process = begin(resumed, *RAY)
        wait_for_half(process, resumed, count)
        process.kill()
        process.communicate()
        before = {path: path.stat().st_mtime_ns for folder in heads(resumed).values() for path in folder.iterdir()}
        finish(begin(resumed, *RAY))
        said += faults(resumed, alone, count)
        said += [f"{path.parent.name} was made again" for path, at in before.items() if path.stat().st_mtime_ns != at]
    print(*said, f"{len(said)} faults, {len(before)} files of the first run kept", sep="\n")
    return bool(said)


if __name__ == "__main__":
    sys.exit(main())
