"""``make bench``: what each piece costs, as medians and as ratios in one run, and the memory that it takes.

Full size is the official configuration with the fixture's weights; its reference is ``tests/oracle.py``, the specification written down
plainly. Both run in one process under the same allocator settings. ``python -m tests.bench builtin`` or ``full`` runs one table alone.
"""

import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "active" if sys.platform == "linux" else "passive")  # as symgan_core/__main__.py
os.environ.setdefault("GOMP_SPINCOUNT", "30000")

import concurrent.futures
import ctypes
import dataclasses
import json
import multiprocessing
import re
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from symgan_core.generator import FFHQ512, Head, TriPlaneGenerator, load_generator
from symgan_core.generator.model import half_precision_pays
from symgan_core.geometry import Camera
from symgan_core.inversion import Inversion, make_target, settings, to_uint8
from symgan_core.memory import keep_freed_memory
from symgan_core.portrait import DetailPicture, Portrait3D
from tests import oracle
from tests.weights_rule import make_state

Work = Callable[[], object]
DATA = Path(__file__).parent / "data"


def finished(device: str) -> None:
    """CUDA answers before the work is done."""
    if device == "cuda":
        torch.cuda.synchronize()


def median_seconds(pieces: dict[str, Work], repeats: int, device: str = "cpu") -> dict[str, float]:
    """Of each piece; the pieces take turns, so that a machine that slows down for a while slows all of them."""
    times: dict[str, list[float]] = {name: [] for name in pieces}
    for turn in range(repeats + 1):
        for name, work in pieces.items():
            finished(device)
            begin = time.perf_counter()
            work()
            finished(device)
            if turn:  # the first one warms up
                times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def step_seconds(stage: str, device: str, steps: int = 7) -> float:
    """Median time between two events of a stage, on a side view (mirror and labels at work)."""
    generator = load_generator("builtin", device)
    camera = Camera.orbit(30, 0).vector().to(device)
    with torch.no_grad():
        ws = generator.mapping(torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(0)).to(device), camera)
        image = to_uint8(generator.synthesis(ws, camera).image)
    config = settings("spi", "fast")
    if stage == "tuning":
        config = dataclasses.replace(config, pivot=dataclasses.replace(config.pivot, steps=2))
    times, last = [], None
    for event in Inversion(make_target(image, camera[0].cpu(), None, generator), generator, config):
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
    head = Head.of(generator, ws)
    rendered = generator.render(head.planes, camera)
    pieces = {
        "full synthesis": lambda: generator.synthesis(ws, camera), "planes": lambda: generator.planes(ws),
        "orbit frame (cached planes and density)": lambda: head.view(camera)}
    if generator.superresolution is not None:
        pieces["of it: super-resolution"] = lambda: generator.super_resolve(rendered, ws)
        if half_precision_pays(generator.device):
            fast = dataclasses.replace(head, generator=generator.copy_with_trainable(()))
            fast.generator.half_precision = True
            pieces["orbit frame, half precision"] = lambda: fast.view(camera)
    return pieces


def builtin_pieces(device: str) -> dict[str, Work]:
    generator = load_generator("builtin", device)
    camera = generator.frontal_camera()
    z = torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(0)).to(device)
    ws = generator.mapping(z, camera)
    return viewing(generator, ws, camera) | portrait_views(generator, ws)


def portrait_views(generator: TriPlaneGenerator, ws: torch.Tensor) -> dict[str, Work]:
    """Frames of a finished portrait, 512 pixels a side: with a gated offset, and with the detail of a photo and of its mirror image."""
    size = generator.config.density_grid
    planes, cameras = generator.planes(ws), [Camera.orbit(yaw, 0).vector().to(ws.device) for yaw in (25, -25)]
    portrait = Portrait3D(generator, ws, cameras[0], {}, torch.zeros_like(planes), None, planes.new_ones(1, 1, size, size, size))
    pictures = []
    for camera in cameras:
        seen = portrait.render(camera)
        pictures.append(DetailPicture(seen.image * 0.9, seen.image_opacity, seen.image_opacity, camera, bool(pictures)))
    detailed = dataclasses.replace(portrait, pictures=tuple(pictures))
    return {"portrait frame, 512 pixels": lambda: portrait.render(yaw=5), "the same with detail": lambda: detailed.render(yaw=5)}


def full_pieces(device: str) -> dict[str, Work]:
    """The official configuration beside the oracle. A stage-2 step is the photo's view, a pixel loss and the gradient of every weight."""
    state = {k: torch.as_tensor(v) for k, v in make_state(json.loads((DATA / "ffhq512_state.json").read_text()), -12.0).items()}
    generator = TriPlaneGenerator(FFHQ512)
    generator.load_state_dict(state, strict=True)
    generator.eval().requires_grad_(False).to(device)
    camera = generator.frontal_camera()
    ws = generator.mapping(torch.randn(1, 512, generator=torch.Generator().manual_seed(0)).to(device), camera)
    photo = torch.zeros(1, 3, 512, 512, device=device)
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

    if device == "cuda":
        return viewing(generator, ws, camera) | {"stage-2 step": freed(step(ours))}
    plain = {"oracle: full synthesis": lambda: oracle.synthesis(state, ws[:, 0], camera)}
    steps = {"stage-2 step": freed(step(ours)), "oracle: stage-2 step": freed(step(lambda: oracle.synthesis(learned, ws[:, 0], camera)[0]))}
    return plain | viewing(generator, ws, camera) | steps


TABLES: dict[str, tuple[str, Callable[[str], dict[str, Work]], str, int]] = {
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
        work = TABLES[table][1]("cpu")[piece]
        if sys.platform == "linux":
            ctypes.CDLL(None).malloc_trim(0)  # what was freed before goes back to the system, so that the piece has to ask for it
        before = resident_peak(forget=True)
        work()
    return resident_peak() - before


def cuda_megabytes(work: Work) -> float:
    """What one run of a piece adds to the peak of PyTorch's memory on the card."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    finished("cuda")
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def ceilings(device: str, size: int = 8192) -> dict[str, float]:
    """Products of square matrices: operations a second in whole float32 and in half precision; and bytes a second of a copy."""
    whole = torch.randn(size, size, device=device)
    half, aim = whole.half(), torch.empty_like(whole)
    seconds = median_seconds(
        {"float32": lambda: whole @ whole, "half": lambda: half @ half, "copy": lambda: aim.copy_(whole)}, 5, device)
    return {"float32": 2 * size**3 / seconds["float32"], "half": 2 * size**3 / seconds["half"], "copy": 8 * size**2 / seconds["copy"]}


def operations(work: Work) -> int:
    """Of the products and convolutions of one run."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def show(table: str, device: str) -> None:
    title, pieces, reference, repeats = TABLES[table]
    reference = "full synthesis" if device == "cuda" else reference
    with torch.no_grad():
        works = pieces(device)
        rows = median_seconds(works, repeats, device)
    if table == "builtin":
        rows |= {"stage-1 step": step_seconds("pivot", device), "stage-2 step": step_seconds("tuning", device)}
    where = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"\n{title}, {where}, medians of {repeats}\n")
    limits = ceilings(device) if device == "cuda" else {}
    if limits:
        print(f"Ceilings: {limits['float32'] / 1e12:.1f} TFLOP/s in float32, {limits['half'] / 1e12:.1f} in half precision, "
              f"{limits['copy'] / 1e9:.0f} GB/s\n")
    print(f"| piece | ms | ratio to {reference} | peak memory added, MB |{' share of float32 ceiling |' if limits else ''}")
    print("|---|---|---|---|" + ("---|" if limits else ""))
    context = multiprocessing.get_context("spawn")
    for name, seconds in rows.items():
        peak, share = "–", "–"
        if limits and name in works:
            with torch.no_grad():
                peak, share = f"{cuda_megabytes(works[name]):.0f}", f"{operations(works[name]) / seconds / limits['float32']:.2f}"
        elif not limits and not (table == "builtin" and "step" in name):
            with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as alone:
                peak = f"{alone.submit(peak_megabytes, table, name).result():.0f}"
        line = f"| {name} | {1000 * seconds:.{0 if seconds > 0.1 else 2}f} | {seconds / rows[reference]:.2f} | {peak} |"
        print(line + (f" {share} |" if limits else ""), flush=True)


def main() -> None:
    keep_freed_memory()
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        for table in sys.argv[1:] or TABLES:
            show(table, device)


if __name__ == "__main__":
    main()
