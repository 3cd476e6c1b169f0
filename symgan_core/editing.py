"""Named directions in w and how far they may be taken."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from .errors import CheckpointError, RequestError
from .generator import TriPlaneGenerator
from .generator.checkpoint import WEIGHTS

DIRECTIONS_FILE = WEIGHTS / "builtin_directions.safetensors"


@dataclass(frozen=True)
class Direction:
    """A named edit. ``limit``: largest strength in each sense; 1 is one standard deviation of the attribute over people.
    ``hint``: what the negative and the positive end look like."""

    name: str
    label: str
    hint: str
    limit: float


BUILTIN_DIRECTIONS = (
    Direction("age", "Age", "younger ↔ older", 2.5),
    Direction("gender", "Build", "feminine ↔ masculine", 2.0),
    Direction("smile", "Smile", "serious ↔ smiling", 3.0),
    Direction("skin_tone", "Skin", "darker ↔ lighter", 6.0),
    Direction("hair_lightness", "Hair", "darker ↔ lighter", 3.0),
    Direction("weight", "Face", "slimmer ↔ fuller", 3.0),
    Direction("light_side", "Light", "from the left ↔ from the right", 2.0),
    Direction("mouth_open", "Mouth", "closed ↔ open", 2.5),
    Direction("brow_raise", "Brows", "relaxed ↔ raised", 2.5),
    Direction("eye_opening", "Eyes", "narrow ↔ wide", 2.5),
)
"""What the built-in generator's known attributes offer; "left" and "right" are the picture's."""


def list_directions(generator: TriPlaneGenerator) -> tuple[Direction, ...]:
    """The edits of a generator: named ones for the built-in weights, principal directions of w for any other."""
    if generator.config.name == "builtin" and DIRECTIONS_FILE.is_file():
        return BUILTIN_DIRECTIONS
    return tuple(Direction(f"component_{i}", f"Component {i + 1}", "", 2.0) for i in range(6))


def edit_ws(ws: Tensor, generator: TriPlaneGenerator, strengths: dict[str, float]) -> Tensor:
    """Move ``ws [B, num_ws, w_dim]`` along several directions at once.

    Raises:
        RequestError: an unknown name, or a strength beyond its limit.
    """
    known = {d.name: d for d in list_directions(generator)}
    vectors = _vectors(generator)
    for name, strength in strengths.items():
        if name not in known:
            raise RequestError(f"There is no editing direction '{name}'.", f"Choose among: {', '.join(known)}.")
        if not abs(strength) <= known[name].limit:
            raise RequestError(f"The strength {strength} of '{name}' is out of range.", f"Keep it within ±{known[name].limit}.")
        if strength:
            ws = ws + strength * vectors[name].to(ws)
    return ws


def _vectors(generator: TriPlaneGenerator) -> dict[str, Tensor]:
    if generator.config.name == "builtin" and DIRECTIONS_FILE.is_file():
        return _builtin_vectors()
    return principal_directions(generator)


@lru_cache(maxsize=1)
def _builtin_vectors() -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {name: v.float() for name, v in load_file(DIRECTIONS_FILE).items()}
    except SafetensorError as error:
        raise CheckpointError("The editing directions are damaged.", "Fetch the repository again.") from error


@torch.no_grad()
def principal_directions(generator: TriPlaneGenerator, count: int = 6, samples: int = 2000) -> dict[str, Tensor]:
    """GANSpace (Härkönen et al. 2020): principal components of mapped codes, each scaled to one standard deviation."""
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(samples, generator.config.z_dim, generator=rng).to(generator.device)
    w = generator.mapping(z, generator.frontal_camera().expand(samples, -1))[:, 0]
    values, vectors = torch.linalg.eigh(torch.cov(w.T))  # ascending; exact, so that a name means the same each time
    out = {}
    for i in range(count):
        vector = vectors[:, -1 - i]
        sign = torch.sign(vector[vector.abs().argmax()])
        out[f"component_{i}"] = vector * sign * values[-1 - i].clamp(min=0).sqrt()
    return out
