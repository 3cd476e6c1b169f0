"""Named directions in w and how far they may be taken: ours, a user's file, or principal directions of any generator."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from .errors import CheckpointError, RequestError
from .generator import TriPlaneGenerator
from .generator.checkpoint import WEIGHTS

DIRECTIONS_FILE = WEIGHTS / "builtin_directions.safetensors"
FORMAT = "symgan-directions-1"


@dataclass(frozen=True)
class Direction:
    """A named edit. ``limit``: largest strength in each sense; 1 is one standard deviation of the attribute over people.
    ``hint``: what the negative and the positive end look like."""

    name: str
    label: str
    hint: str
    limit: float


@dataclass(frozen=True, eq=False)
class Directions:
    """What a generator can be asked to change: ``known`` in the order to show them, ``vectors[name] [w_dim]`` for a strength of 1."""

    known: tuple[Direction, ...]
    vectors: dict[str, Tensor]

    def move(self, ws: Tensor, strengths: dict[str, float]) -> Tensor:
        """``ws [B, num_ws, w_dim]`` moved along several directions at once.

        Raises:
            RequestError: an unknown name, or a strength beyond its limit.
        """
        limits = {d.name: d.limit for d in self.known}
        for name, strength in strengths.items():
            if name not in limits:
                raise RequestError(f"There is no editing direction '{name}'.", f"Choose among: {', '.join(limits)}.")
            if not abs(strength) <= limits[name]:
                raise RequestError(f"The strength {strength} of '{name}' is out of range.", f"Keep it within ±{limits[name]}.")
            if strength:
                ws = ws + strength * self.vectors[name].to(ws)
        return ws


BUILTIN_DIRECTIONS = (
    Direction("age", "Age", "younger ↔ older", 2.5),
    Direction("gender", "Build", "feminine ↔ masculine", 2.0),
    Direction("smile", "Smile", "serious ↔ smiling", 2.5),
    Direction("skin_tone", "Skin", "darker ↔ lighter", 5.0),
    Direction("hair_lightness", "Hair colour", "darker ↔ lighter", 2.5),
    Direction("hair_length", "Hair length", "shorter ↔ longer", 2.0),
    Direction("weight", "Face", "slimmer ↔ fuller", 3.0),
    Direction("light_side", "Light", "from the left ↔ from the right", 2.0),
    Direction("mouth_open", "Mouth", "closed ↔ open", 4.0),
    Direction("brow_raise", "Brows", "relaxed ↔ raised", 5.0),
    Direction("eye_opening", "Eyes", "narrow ↔ wide", 2.0),
    Direction("face_width", "Width", "narrow ↔ wide", 2.5),
    Direction("jaw", "Jaw", "soft ↔ strong", 2.0),
    Direction("nose_size", "Nose", "small ↔ large", 2.0),
    Direction("hair_volume", "Hair volume", "flat ↔ full", 2.0),
)
"""What the built-in generator's known attributes offer (``training/directions.py``); "left" and "right" are the picture's."""


def directions_for(generator: TriPlaneGenerator, file: str | Path | None = None) -> Directions:
    """The edits of a generator, read or computed once and then kept.

    Args:
        file: a user's own directions (``load_directions``); by default the named ones of the built-in weights, and principal directions
            of w for any other generator.
    """
    if file is not None:
        return load_directions(file, generator)
    if generator.config.name == "builtin" and DIRECTIONS_FILE.is_file():
        return _kept(generator, _builtin)
    return _kept(generator, principal_directions)


def list_directions(generator: TriPlaneGenerator) -> tuple[Direction, ...]:
    """Names, labels and limits of a generator's edits."""
    return directions_for(generator).known


def edit_ws(ws: Tensor, generator: TriPlaneGenerator, strengths: dict[str, float], file: str | Path | None = None) -> Tensor:
    """``Directions.move`` with the generator's own directions, or those of ``file``."""
    return directions_for(generator, file).move(ws, strengths)


def load_directions(path: str | Path, generator: TriPlaneGenerator) -> Directions:
    """A user's file of named directions: safetensors with a vector ``[w_dim]`` a name, written by ``save_directions``.

    A plain safetensors file of vectors does too: each name is its own label, and strengths up to 3 are allowed.

    Raises:
        CheckpointError: missing, damaged, or of another generator.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"The directions file '{path}' does not exist.", "Name a .safetensors file with one vector a direction.")
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            meta = file.metadata() or {}
            vectors = {name: file.get_tensor(name).float() for name in sorted(file.keys())}
        said = [Direction(**d) for d in json.loads(meta["directions"])] if meta.get("format") == FORMAT else []
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"'{path.name}' cannot be read as directions.", "The file is damaged; write it again.") from error
    known = tuple(said) or tuple(Direction(name, name.replace("_", " ").capitalize(), "", 3.0) for name in vectors)
    width = generator.config.w_dim
    wrong = [d.name for d in known if d.name not in vectors or vectors[d.name].shape != (width,) or not vectors[d.name].isfinite().all()]
    if wrong or not known:
        raise CheckpointError(f"'{path.name}' does not fit this generator ({', '.join(wrong) or 'it is empty'}).",
                              f"Each direction is a vector of {width} finite numbers.")
    return Directions(known, vectors)


def save_directions(directions: Directions, path: str | Path) -> None:
    """Write named directions as safetensors, with labels and limits in the header."""
    from safetensors.torch import save_file

    meta = {"format": FORMAT, "directions": json.dumps([asdict(d) for d in directions.known])}
    save_file({name: v.contiguous() for name, v in directions.vectors.items()}, str(path), metadata=meta)


@torch.no_grad()
def principal_directions(generator: TriPlaneGenerator, count: int = 6, samples: int = 2000) -> Directions:
    """GANSpace (Härkönen et al. 2020): principal components of mapped codes, each scaled to one standard deviation."""
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(samples, generator.config.z_dim, generator=rng).to(generator.device)
    w = generator.mapping(z, generator.frontal_camera().expand(samples, -1))[:, 0]
    values, vectors = torch.linalg.eigh(torch.cov(w.T))  # ascending; exact, so that a name means the same each time
    known, out = [], {}
    for i in range(count):
        vector = vectors[:, -1 - i]
        sign = torch.sign(vector[vector.abs().argmax()])
        known.append(Direction(f"component_{i}", f"Component {i + 1}", "", 2.0))
        out[known[-1].name] = vector * sign * values[-1 - i].clamp(min=0).sqrt()
    return Directions(tuple(known), out)


def _builtin(generator: TriPlaneGenerator) -> Directions:
    return load_directions(DIRECTIONS_FILE, generator)


_found: weakref.WeakKeyDictionary[TriPlaneGenerator, Directions] = weakref.WeakKeyDictionary()


def _kept(generator: TriPlaneGenerator, find: Callable[[TriPlaneGenerator], Directions]) -> Directions:
    if generator not in _found:
        _found[generator] = find(generator)
    return _found[generator]
