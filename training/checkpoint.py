"""The state of a training run on disk: files of at most 16 MB that any place can take up again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from symgan_core.generator import TriPlaneGenerator
from symgan_core.generator.checkpoint import read_state

from .adversarial import Adversary
from .config import TrainConfig
from .mapping import SHIFT, absorb_shift

STATE = "state.json"
MOMENTS = ("exp_avg", "exp_avg_sq")


def save(folder: Path, step: int, generator: TriPlaneGenerator, ema: TriPlaneGenerator, optimizer: torch.optim.Adam,
         adversary: Adversary, config: TrainConfig) -> None:
    """Write everything; the files of a cut write are never taken for whole ones."""
    groups = {name: {k: v for k, v in module.state_dict().items() if ".mapping." not in k}  # it is trained apart
              for name, module in (("model", generator), ("ema", ema))}
    for key in MOMENTS:
        groups[key] = {str(i): s[key] for i, s in optimizer.state_dict()["state"].items()}
    for name, tensors in groups.items():
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, str(folder / f"{name}.safetensors.partial"))
    for name in groups:
        (folder / f"{name}.safetensors.partial").replace(folder / f"{name}.safetensors")
    adversary.save(folder / "critic.safetensors")
    state = {"step": step, "config": dataclasses.asdict(config), "generator": generator.config.to_dict()}
    (folder / STATE).write_text(json.dumps(state, indent=1))


def resume(folder: Path, generator: TriPlaneGenerator, ema: TriPlaneGenerator, optimizer: torch.optim.Adam,
           adversary: Adversary) -> int | None:
    """Read what ``save`` wrote; returns the step, or None where there is nothing."""
    if not (folder / STATE).exists():
        return None
    step = json.loads((folder / STATE).read_text())["step"]
    for name, module in (("model", generator), ("ema", ema)):
        load_pictures(module, folder / f"{name}.safetensors")
    adversary.load(folder / "critic.safetensors")
    first, second = (load_file(folder / f"{key}.safetensors") for key in MOMENTS)
    state = {int(i): {"step": torch.tensor(float(step)), "exp_avg": first[i], "exp_avg_sq": second[i]} for i in first}
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return step


def load_pictures(generator: TriPlaneGenerator, path: Path) -> None:
    """Load what is trained on pictures, everything but the mapping; ``path`` is a model file of ``save``."""
    state = {k: v for k, v in load_file(path).items() if ".mapping." not in k}
    missing, unknown = generator.load_state_dict(state, strict=False)
    if unknown or any(".mapping." not in k for k in missing):
        raise ValueError(f"'{path.name}' belongs to another generator: {unknown or missing}")


def start_from(path: Path, *generators: TriPlaneGenerator) -> None:
    """Take the weights of a shipped generator: training goes on where there is a pool to render but no checkpoint."""
    _, state = read_state(path)
    for generator in generators:
        generator.load_state_dict(state)
        absorb_shift(generator, -SHIFT)
