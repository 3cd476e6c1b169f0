"""What the numbers of the built-in generator's ``w`` mean: they are a person's traits, standardised (``training/heads/traits.py``)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError

TRAITS_FILE = Path(__file__).parent / "weights" / "builtin_traits.safetensors"
NUMBERS = ("mean", "scale", "low", "high")
"""What is known of each trait."""
SHARES = ("ethnicity", "skins", "brow", "iris")
"""Parts whose numbers are shares of a whole."""
SIDEWAYS = (0, 3, 10)
"""Among the numbers of the light: those that say from which side it comes (the lamp's, twice, and the fill's)."""

OPEN_MOUTH, WIDE_OPEN = 2, 0.55
"""Among the numbers of expression, how far the mouth is open; and wide open, a little more than in training (0.45)."""


@dataclass(frozen=True, eq=False)
class Traits:
    """``mean`` and ``scale [w_dim]`` of traits in w, and ``places``: the name of a part to its place among them.

    ``low`` and ``high [w_dim]``: the least and the most of each trait that training has shown.
    ``slopes [68, 3, T]``: how far the face's points (iBUG's) move in scene units with each of w's ``moving`` numbers.
    """

    mean: Tensor
    scale: Tensor
    low: Tensor
    high: Tensor
    places: dict[str, slice]
    slopes: Tensor

    @property
    def moving(self) -> slice:
        """The numbers of shape, asymmetry and expression: what moves a face's points."""
        return slice(self.places["shape"].start, self.places["expression"].stop)

    @property
    def haircut(self) -> list[int]:
        """The numbers that say which hair it is and to which side it falls."""
        return [number for name in ("hair", "hair_side") for number in range(self.places[name].start, self.places[name].stop)]

    def read(self, w: Tensor) -> Tensor:
        """``w [..., w_dim]`` to traits: what is worn or chosen is about 1, what is not about 0."""
        return w * self.scale.to(w) + self.mean.to(w)

    def write(self, traits: Tensor) -> Tensor:
        """Inverse of ``read``."""
        return (traits - self.mean.to(traits)) / self.scale.to(traits)

    def possible(self, traits: Tensor) -> Tensor:
        """``traits [w_dim]`` as near as somebody's can be: readings go beyond all people, where the generator's heads have floaters."""
        out = torch.maximum(torch.minimum(traits, self.high), self.low)
        for name in SHARES:
            out[self.places[name]] /= out[self.places[name]].sum().clamp(min=1e-6)
        age = self.places["age"].start
        out[age + 1] = (2 * out[age] - 1).clamp(min=0)  # the second half of a life, counted again
        return out

    def mouth_opened(self, w: Tensor) -> Tensor:
        """``w [..., w_dim]`` of the same person with an open mouth."""
        found = self.read(w)
        found[..., self.places["expression"].start + OPEN_MOUTH] = WIDE_OPEN
        found[..., self.places["teeth"]] = 1.0
        return self.write(found)

    def with_colour(self, w: Tensor, name: str, end: int) -> Tensor:
        """``w [..., w_dim]`` of the same person with the least (``end`` 0) or the greatest (1) values of the part ``name``."""
        found, place = self.read(w), self.places[name]
        found[..., place] = (self.low, self.high)[end][place].to(found)
        return self.write(found)

    def light_mirrored(self, w: Tensor) -> Tensor:
        """``w [..., w_dim]`` of the same person with the lamps on the other side."""
        found, light = self.read(w), self.places["light"].start
        found[..., [light + k for k in SIDEWAYS]] *= -1
        return self.write(found)


def save_traits(traits: Traits, path: Path) -> None:
    """Write them beside the weights that they belong to."""
    from safetensors.torch import save_file

    places = {name: [place.start, place.stop] for name, place in traits.places.items()}
    numbers = {name: getattr(traits, name) for name in NUMBERS} | {"slopes": traits.slopes.half()}
    save_file(numbers, str(path), metadata={"places": json.dumps(places)})


@lru_cache(maxsize=1)
def builtin_traits() -> Traits:
    """Those of the weights that ship. Raises CheckpointError if their file is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(TRAITS_FILE), framework="pt", device="cpu") as file:
            places = {name: slice(*ends) for name, ends in json.loads(file.metadata()["places"]).items()}
            numbers = {name: file.get_tensor(name).to(torch.float32) for name in (*NUMBERS, "slopes")}
            return Traits(places=places, **numbers)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"'{TRAITS_FILE.name}' cannot be read.", "The file is missing or damaged; fetch it again.") from error
