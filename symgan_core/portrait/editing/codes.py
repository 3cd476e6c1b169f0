"""Named directions in w and how far they may be taken: of a user's file, or principal directions of any generator."""

from __future__ import annotations

import json
import weakref
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...errors import CheckpointError
from ...files import check_readable, write_tensors
from ...generator import TriPlaneGenerator
from .directions import Direction, checked

FORMAT = "symgan-directions-1"


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
        for name, strength in checked(strengths, self.known).items():
            ws = ws + strength * self.vectors[name].to(ws)
        return ws


def load_directions(path: str | Path, generator: TriPlaneGenerator) -> Directions:
    """A user's file of named directions: safetensors with a vector ``[w_dim]`` a name, written by ``save_directions``.

    A plain safetensors file of vectors does too: each name is its own label, and strengths up to 3 are allowed.

    Raises:
        CheckpointError: missing, damaged, or of another generator.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    check_readable(path, CheckpointError)
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
    meta = {"format": FORMAT, "directions": json.dumps([asdict(d) for d in directions.known])}
    write_tensors({name: v.contiguous() for name, v in directions.vectors.items()}, path, meta)


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


_found: weakref.WeakKeyDictionary[TriPlaneGenerator, Directions] = weakref.WeakKeyDictionary()


def kept_principal_directions(generator: TriPlaneGenerator) -> Directions:
    """``principal_directions``, computed once for each generator."""
    if generator not in _found:
        _found[generator] = principal_directions(generator)
    return _found[generator]
