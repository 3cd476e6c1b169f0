"""``make bench``: what each piece costs, as medians and as ratios in one run, and the memory that it takes.

Full size is the official configuration with the fixture's weights; its reference is ``tests/oracle.py``, the specification written down
plainly. Both run in one process under the same allocator settings. ``python -m tests.bench builtin`` or ``full`` runs one table alone.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import concurrent.futures
import copy
import ctypes
import dataclasses
import json
import multiprocessing
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from symgan_core.generator import FFHQ512, TriPlaneGenerator, load_generator
from symgan_core.generator.model import half_precision_pays
from symgan_core.geometry import Camera
from symgan_core.inversion import Inversion, make_target, settings, to_uint8
from symgan_core.memory import keep_freed_memory
from tests import oracle
from tests.weights_rule import make_state

Work = Callable[[], object]
DATA = Path(__file__).parent / "data"


def median_seconds(pieces: dict[str, Work], repeats: int) -> dict[str, float]:
    """Of each piece; the pieces take turns, so that a machine that slows down for a while slows all of them."""
    times: dict[str, list[float]] = {name: [] for name in pieces}
    for turn in range(repeats + 1):
        for name, work in pieces.items():
            begin = time.perf_counter()
            work()
            if turn:  # the first one warms up
                times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def step_seconds(stage: str, steps: int = 7) -> float:
    """Median time between two events of a stage, on a side view (mirror and labels at work)."""
    generator = load_generator("builtin", "cpu")
    camera = Camera.orbit(30, 0).vector()
    with torch.no_grad():
        ws = generator.mapping(torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(0)), camera)
        image = to_uint8(generator.synthesis(ws, camera).image)
    config = settings("spi", "fast")
    if stage == "tuning":
        config = dataclasses.replace(config, pivot=dataclasses.replace(config.pivot, steps=2))
    times, last = [], None
    for event in Inversion(make_target(image, camera[0], None, generator), generator, config):
        now = time.perf_counter()
        if event.stage == stage:
            if last is not None:
                times.append(now - last)
            last = now
        if len(times) >= 2 * steps:
            break
    return statistics.median(times)


def viewing(generator: TriPlaneGenerator, ws: torch.Tensor, camera: torch.Tensor) -> dict[str, Work]:
    """The pieces of looking at a head."""
    planes = generator.planes(ws)
    grid = generator.density_grid(planes)
    rendered = generator.render(planes, camera)
    pieces = {
        "full synthesis": lambda: generator.synthesis(ws, camera), "planes": lambda: generator.planes(ws),
        "orbit frame (cached planes and density)": lambda: generator.view(planes, ws, camera, grid=grid)}
    if generator.superresolution is not None:
        pieces["of it: super-resolution"] = lambda: generator.super_resolve(rendered, ws)
        if half_precision_pays(generator.device):
            fast = copy.copy(generator)  # the same weights
            fast.half_precision = True
            pieces["orbit frame, half precision"] = lambda: fast.view(planes, ws, camera, grid=grid)
    return pieces


def builtin_pieces() -> dict[str, Work]:
    generator = load_generator("builtin", "cpu")
    camera = generator.frontal_camera()
    z = torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(0))
    return viewing(generator, generator.mapping(z, camera), camera)


def full_pieces() -> dict[str, Work]:
    """The official configuration beside the oracle. A stage-2 step is the photo's view, a pixel loss and the gradient of every weight."""
    state = {k: torch.as_tensor(v) for k, v in make_state(json.loads((DATA / "ffhq512_state.json").read_text()), -12.0).items()}
    generator = TriPlaneGenerator(FFHQ512)
    generator.load_state_dict(state, strict=True)
    generator.eval().requires_grad_(False)
    camera = generator.frontal_camera()
    ws = generator.mapping(torch.randn(1, 512, generator=torch.Generator().manual_seed(0)), camera)
    photo = torch.zeros(1, 3, 512, 512)
    learned = {k: v.clone().requires_grad_("resample" not in k and "noise_const" not in k) for k, v in state.items()}

    def step(image: Callable[[], torch.Tensor]) -> Work:
        def work() -> None:
            with torch.enable_grad():
                (image() - photo).square().mean().backward()
        return work

    def ours() -> torch.Tensor:
        generator.requires_grad_(True)
        return generator.synthesis(ws, camera).image

    def freed(work: Work) -> Work:
        def run() -> None:
            work()
            generator.requires_grad_(False).zero_grad(set_to_none=True)
            for value in learned.values():
                value.grad = None
        return run

    plain = {"oracle: full synthesis": lambda: oracle.synthesis(state, ws[:, 0], camera)}
    steps = {"stage-2 step": freed(step(ours)), "oracle: stage-2 step": freed(step(lambda: oracle.synthesis(learned, ws[:, 0], camera)[0]))}
    return plain | viewing(generator, ws, camera) | steps


TABLES: dict[str, tuple[str, Callable[[], dict[str, Work]], str, int]] = {
    "builtin": ("Built-in generator, 256 pixels", builtin_pieces, "full synthesis", 7),
    "full": ("Official configuration, 512 pixels", full_pieces, "oracle: full synthesis", 5),
}


def resident_peak(forget: bool = False) -> float:
    """The process's largest resident size so far, MB; ``forget`` begins anew (Linux; elsewhere the peak since the start counts)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**20
    if forget:
        Path("/proc/self/clear_refs").write_text("5")
    return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024


def peak_megabytes(table: str, piece: str) -> float:
    """What one run of a piece adds to the process's peak; called in a process of its own."""
    with torch.no_grad():
        work = TABLES[table][1]()[piece]
        if sys.platform == "linux":
            ctypes.CDLL(None).malloc_trim(0)  # what was freed before goes back to the system, so that the piece has to ask for it
        before = resident_peak(forget=True)
        work()
    return resident_peak() - before


def show(table: str) -> None:
    title, pieces, reference, repeats = TABLES[table]
    with torch.no_grad():
        rows = median_seconds(pieces(), repeats)
    if table == "builtin":
        rows |= {"stage-1 step": step_seconds("pivot"), "stage-2 step": step_seconds("tuning")}
    print(f"\n{title}, CPU, {torch.get_num_threads()} threads, medians of {repeats}\n")
    print(f"| piece | ms | ratio to {reference} | peak memory added, MB |\n|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    for name, seconds in rows.items():
        peak = "–"
        if not (table == "builtin" and "step" in name):
            with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as alone:
                peak = f"{alone.submit(peak_megabytes, table, name).result():.0f}"
        print(f"| {name} | {1000 * seconds:.0f} | {seconds / rows[reference]:.2f} | {peak} |", flush=True)


def main() -> None:
    keep_freed_memory()
    for table in sys.argv[1:] or TABLES:
        show(table)


if __name__ == "__main__":
    main()
