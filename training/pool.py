"""A pool of rendered people on disk: filled by worker processes, read by the trainer, refreshed for as long as both run."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, cycle, takewhile
from pathlib import Path

import numpy as np

from symgan_core.generator import BUILTIN
from symgan_core.geometry import DEFAULT_FOCAL, Camera

from .heads import HeadPack, HeadRenderer, draw_codes, person_from_code, trait_statistics, traits
from .heads.people import CODE, Z_DIM

RESOLUTION = 256
VIEWS = 4
_ARRAYS = {
    "codes": ((Z_DIM,), np.float32),
    "w": ((BUILTIN.w_dim,), np.float32),
    "cameras": ((VIEWS, 25), np.float32),
    "rgb": ((VIEWS, RESOLUTION, RESOLUTION, 3), np.uint8),
    "alpha": ((VIEWS, RESOLUTION, RESOLUTION), np.uint8),
    "depth": ((VIEWS, RESOLUTION // 2, RESOLUTION // 2), np.float16),
    "interest": ((VIEWS, RESOLUTION // 2, RESOLUTION // 2), np.uint8),
    "region": ((VIEWS, RESOLUTION // 2, RESOLUTION // 2), np.uint8),
    "valid": ((), np.uint8),
}

EXPRESSIONS = {"mouth_open": (0.4, 1.0, 3.6), "smile": (0.25, 0.5, 2.6), "brow_raise": (0.3, 0.5, 3.5), "eye_opening": (0.25, -3.0, 3.0)}
"""Attributes of z: which share of a pool's people has one drawn anew, evenly between which numbers."""


@dataclass
class Pool:
    """Memory-mapped arrays of ``heads`` people; ``valid`` marks those that are whole."""

    folder: Path
    heads: int
    arrays: dict[str, np.ndarray]

    @classmethod
    def open(cls, folder: str | Path, heads: int = 2048) -> Pool:
        """Open a pool, or make an empty one for ``heads`` people."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        info = folder / "pool.json"
        if info.exists():
            heads = json.loads(info.read_text())["heads"]
        else:  # written once: others may be reading
            info.write_text(json.dumps({"heads": heads}))
        arrays = {}
        for name, (shape, dtype) in _ARRAYS.items():
            path = folder / f"{name}.npy"
            if path.exists():
                arrays[name] = np.load(path, mmap_mode="r+")
            else:
                arrays[name] = np.lib.format.open_memmap(path, "w+", dtype, (heads, *shape))
        return cls(folder, heads, arrays)

    def ready(self) -> np.ndarray:
        """Numbers of the people that can be used now."""
        return np.flatnonzero(self.arrays["valid"])

    def ws(self, numbers: np.ndarray) -> np.ndarray:
        """``[N, w_dim]`` float32: standardised traits of people (``heads/traits.py``). Raises ValueError where there are none."""
        out = self.arrays["w"][numbers]
        if not out.any(1).all():
            raise ValueError(f"'{self.folder}' was rendered by an earlier version: render it anew")
        return out

    def missing(self, start: int) -> Iterator[int]:
        """Places that have nobody when their turn comes, from start on and around."""
        return (place for place in self.around(start) if not self.arrays["valid"][place])

    def around(self, start: int) -> Iterator[int]:
        """All places once, from start on and around."""
        return (n % self.heads for n in range(start, start + self.heads))

    def fill(self, seed: int, places: Iterable[int]) -> None:
        """Render people into places, whoever is there now."""
        rng = np.random.default_rng(seed)
        renderer = HeadRenderer(HeadPack(), RESOLUTION)
        mean, scale = trait_statistics(renderer.pack)
        for place in places:
            self._write(place, rng, renderer, mean, scale)

    def _write(self, place: int, rng: np.random.Generator, renderer: HeadRenderer, mean: np.ndarray, scale: np.ndarray) -> None:
        code = expressive(draw_codes(rng, 1)[0], rng)
        person = person_from_code(renderer.pack, code)
        parts = renderer.build(person)
        a = self.arrays
        a["valid"][place] = 0
        for v in range(VIEWS):
            camera = draw_camera(rng, v)
            view = renderer.draw(parts, person, camera.cam2world[0].numpy(), DEFAULT_FOCAL)
            a["cameras"][place, v] = camera.vector()[0].numpy()
            a["rgb"][place, v], a["alpha"][place, v], a["depth"][place, v] = view.rgb, view.alpha, view.depth
            a["region"][place, v] = view.region
            a["interest"][place, v] = interest_map(view.rgb, view.alpha, view.region)
        a["codes"][place], a["w"][place] = code, (traits(renderer.pack, person) - mean) / scale
        a["valid"][place] = 1


def expressive(code: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``code [Z_DIM]``, often with a stronger expression than N(0, I) would give it: a tenth of people open their mouths by themselves, too
    few for teeth to be learned."""
    code = code.copy()
    for name, (share, low, high) in EXPRESSIONS.items():
        if rng.random() < share:
            code[CODE[name].start] = rng.uniform(low, high)
    return code


def draw_camera(rng: np.random.Generator, view: int) -> Camera:
    """Mostly around the face; one view in four from the far side, so that the back of the head is one too."""
    yaw = rng.uniform(-180, 180) if view == VIEWS - 1 else rng.normal(0, 38)
    return Camera.orbit(float(yaw), float(np.clip(rng.normal(0, 12), -35, 40)))


def interest_map(rgb: np.ndarray, alpha: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Where rays teach most: edges, outlines, eyes, mouth, brows, glasses. uint8 at half resolution; never zero."""
    half = RESOLUTION // 2
    grey = rgb.mean(-1).reshape(half, 2, half, 2).mean((1, 3)) + alpha.reshape(half, 2, half, 2).mean((1, 3))
    gy, gx = np.gradient(grey)
    edges = np.hypot(gx, gy)
    head = alpha.reshape(half, 2, half, 2).mean((1, 3)) > 8
    weight = 4 + 20 * head + np.minimum(edges, 40) * 2 + 120 * np.isin(region, (3, 4, 5, 10))
    return np.clip(weight, 1, 255).astype(np.uint8)


def _work(folder: str, seed: int, start: int, forever: bool) -> None:
    os.nice(10)
    pool, parent = Pool.open(folder), multiprocessing.parent_process()
    places = pool.missing(start)
    if forever:
        places = chain(places, cycle(pool.around(start)))
    # A parent that is killed does not take its daemons along.
    pool.fill(seed, takewhile(lambda _: parent.is_alive(), places))


def start_workers(pool: Pool, workers: int, seed: int, forever: bool = True) -> list[multiprocessing.Process]:
    """Daemon processes that render until the pool is full, or go on replacing people until this process ends."""
    context = multiprocessing.get_context("spawn")
    stride = max(1, pool.heads // max(workers, 1))
    begin = len(pool.ready())
    out = []
    for n in range(workers):
        process = context.Process(target=_work, args=(str(pool.folder), seed + n, begin + n * stride, forever), daemon=True)
        process.start()
        out.append(process)
    return out
