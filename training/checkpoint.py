"""The state of a training run on disk: files of at most 16 MB that any place can take up again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from symgan_core.generator import TriPlaneGenerator
from symgan_core.generator.checkpoint import read_state

from .adversarial import Adversary
from .config import TrainConfig
from .mapping import SHIFT, absorb_shift

STATE = "state.json"
MOMENTS = ("exp_avg", "exp_avg_sq")
PART_BYTES = 15 * 10**6
"""A file holds at most this, so that a run can be carried in small pieces."""


def save(folder: Path, step: int, generator: TriPlaneGenerator, ema: TriPlaneGenerator, optimizer: torch.optim.Adam,
         adversary: Adversary, config: TrainConfig) -> None:
    """Write everything; the files of a cut write are never taken for whole ones."""
    groups = {name: {k: v for k, v in module.state_dict().items() if ".mapping." not in k}  # it is trained apart
              for name, module in (("model", generator), ("ema", ema))}
    for key in MOMENTS:
        groups[key] = {str(i): s[key] for i, s in optimizer.state_dict()["state"].items()}
    written = [path for name, tensors in groups.items() for path in _write_parts(folder, name, tensors)]
    for partial in written:
        partial.replace(partial.with_suffix(""))
    adversary.save(folder / "critic.safetensors")
    state = {"step": step, "config": dataclasses.asdict(config), "generator": generator.config.to_dict()}
    (folder / STATE).write_text(json.dumps(state, indent=1))


def _write_parts(folder: Path, name: str, tensors: dict[str, Tensor]) -> list[Path]:
    parts: list[dict[str, Tensor]] = [{}]
    for key, value in tensors.items():
        if sum(t.nbytes for t in parts[-1].values()) + value.nbytes > PART_BYTES:
            parts.append({})
        parts[-1][key] = value.detach().cpu().contiguous()
    paths = [folder / f"{name}-{i}.safetensors.partial" for i in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        save_file(part, str(path))
    return paths


def _read_parts(folder: Path, name: str) -> dict[str, Tensor]:
    return {key: value for path in sorted(folder.glob(f"{name}-[0-9].safetensors")) for key, value in load_file(path).items()}


def resume(folder: Path, generator: TriPlaneGenerator, ema: TriPlaneGenerator, optimizer: torch.optim.Adam,
           adversary: Adversary) -> int | None:
    """Read what ``save`` wrote; returns the step, or None where there is nothing."""
    if not (folder / STATE).exists():
        return None
    step = json.loads((folder / STATE).read_text())["step"]
    for name, module in (("model", generator), ("ema", ema)):
        load_pictures(module, folder, name)
    adversary.load(folder / "critic.safetensors")
    first, second = (_read_parts(folder, key) for key in MOMENTS)
    state = {int(i): {"step": torch.tensor(float(step)), "exp_avg": first[i], "exp_avg_sq": second[i]} for i in first}
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return step


def load_pictures(generator: TriPlaneGenerator, folder: Path, name: str = "ema") -> None:
    """Load what is trained on pictures, everything but the mapping: what ``save`` wrote as "model" or "ema"."""
    state = {k: v for k, v in _read_parts(folder, name).items() if ".mapping." not in k}
    missing, unknown = generator.load_state_dict(state, strict=False)
    if unknown or any(".mapping." not in k for k in missing):
        raise ValueError(f"'{folder}' belongs to another generator: {unknown or missing}")


def start_from(path: Path, generator: TriPlaneGenerator) -> None:
    """Take the weights of a shipped generator, or of a narrower one: training goes on where there is a pool but no checkpoint."""
    _, state = read_state(path)
    widen(state, generator)
    absorb_shift(generator, -SHIFT)


@torch.no_grad()
def widen(state: dict[str, Tensor], generator: TriPlaneGenerator) -> None:
    """Load ``state`` of a generator whose backbone may have fewer channels; the pictures stay as they were.

    New channels begin with random features that nothing listens to yet (after Net2Net, Chen et al. 2016).
    """
    grown = generator.state_dict()
    if grown.keys() != state.keys() or any(a > b for k, v in state.items() for a, b in zip(v.shape, grown[k].shape, strict=True)):
        raise ValueError("the weights to start from are not those of a narrower generator of this kind")
    for key, old in state.items():
        new = grown[key]
        if new.shape != old.shape and new.ndim == 4:
            new[:, old.shape[1]:] = 0
            if "torgb" in key:
                old = old * (new.shape[1] / old.shape[1]) ** 0.5  # its gain falls with the number of channels
        new[tuple(slice(n) for n in old.shape)] = old
