"""From a training run to the files that ship: weights in half precision, their hash, editing directions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from symgan_core.editing import BUILTIN_DIRECTIONS, DIRECTIONS_FILE
from symgan_core.generator import GeneratorConfig, TriPlaneGenerator
from symgan_core.generator.checkpoint import BUILTIN_FILE, file_hash, save_state

from .heads import CODE, draw_codes


@torch.no_grad()
def attribute_directions(generator: TriPlaneGenerator, people: int = 512, step: float = 1.0) -> dict[str, torch.Tensor]:
    """Mean change of w when one attribute's number moves by a standard deviation and all else stays: ``[w_dim]`` each."""
    codes = torch.from_numpy(draw_codes(np.random.default_rng(0), people))
    camera = generator.frontal_camera().expand(people, -1)
    out = {}
    for direction in BUILTIN_DIRECTIONS:
        place = CODE[direction.name].start
        low, high = codes.clone(), codes.clone()
        low[:, place] -= step
        high[:, place] += step
        change = generator.mapping(high, camera)[:, 0] - generator.mapping(low, camera)[:, 0]
        out[direction.name] = change.mean(0) / (2 * step)
    return out


@torch.no_grad()
def export(run: Path, out: Path = BUILTIN_FILE) -> None:
    """Write the averaged weights of a run as the built-in generator."""
    config = GeneratorConfig.from_dict(json.loads((run / "state.json").read_text())["generator"])
    generator = TriPlaneGenerator(config)
    generator.load_state_dict(load_file(run / "ema.safetensors"))
    generator.eval()
    codes = torch.from_numpy(draw_codes(np.random.default_rng(1), 4096))
    w = generator.mapping(codes, generator.frontal_camera().expand(len(codes), -1))[:, 0]
    generator.backbone.mapping.w_avg.copy_(w.mean(0))
    save_state(generator.state_dict(), config, out, torch.float16)
    out.with_suffix(".sha256").write_text(f"{file_hash(out)}  {out.name}\n")
    save_file(attribute_directions(generator), str(DIRECTIONS_FILE if out == BUILTIN_FILE else out.with_name("directions.safetensors")))
    print(f"{out.name}: {out.stat().st_size / 2**20:.1f} MB")


@torch.no_grad()
def sample_sheet(path: Path, people: int = 16, seed: int = 0, columns: int = 4) -> None:
    """A picture of random people of the shipped weights, ``z ~ N(0, I)``, each at three yaws."""
    from PIL import Image

    from symgan_core.generator import load_generator
    from symgan_core.geometry import Camera
    from symgan_core.inversion import to_uint8

    generator = load_generator("builtin", "cpu")
    z = torch.randn(people, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    cells = []
    for ws in generator.mapping(z, generator.frontal_camera().expand(people, -1)).split(1):
        planes = generator.planes(ws)
        views = [to_uint8(generator.view(planes, ws, Camera.orbit(yaw, 0).vector()).image) for yaw in (-45, 0, 45)]
        cells.append(np.concatenate(views, 1)[::2, ::2])
    rows = [np.concatenate(cells[i: i + columns], 1) for i in range(0, people, columns)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(path, quality=88)
