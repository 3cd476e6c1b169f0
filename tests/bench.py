"""``make bench``: what each piece costs, as medians and as ratios to one full synthesis in the same run."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import dataclasses
import resource
import statistics
import sys
import time
from collections.abc import Callable

import torch

from symgan_core.generator import load_generator
from symgan_core.inversion import Inversion, make_target, settings, to_uint8


def median_seconds(work: Callable[[], object], repeats: int = 7) -> float:
    work()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def step_seconds(stage: str, steps: int = 7) -> float:
    """Median time between two events of a stage, on a side view (mirror and labels at work)."""
    from symgan_core.geometry import Camera

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


def main() -> None:
    generator = load_generator("builtin", "cpu")
    camera = generator.frontal_camera()
    with torch.no_grad():
        ws = generator.mapping(torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(0)), camera)
        planes = generator.planes(ws)
        rendered = generator.render(planes, camera)
        rows = {
            "full synthesis": median_seconds(lambda: generator.synthesis(ws, camera)),
            "planes": median_seconds(lambda: generator.planes(ws)),
            "orbit frame (cached planes)": median_seconds(lambda: generator.view(planes, ws, camera)),
            "of it: super-resolution": median_seconds(lambda: generator.super_resolve(rendered, ws)),
        }
    rows |= {"stage-1 step": step_seconds("pivot"), "stage-2 step": step_seconds("tuning")}
    whole = rows["full synthesis"]
    print(f"built-in generator, CPU, {torch.get_num_threads()} threads\n\n| piece | ms | ratio |\n|---|---|---|")
    for name, seconds in rows.items():
        print(f"| {name} | {1000 * seconds:.0f} | {seconds / whole:.2f} |")
    scale = 1 if sys.platform == "darwin" else 1024
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 2**20:.0f} MB")


if __name__ == "__main__":
    main()
