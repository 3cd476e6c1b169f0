"""What every attribute of a person is in truth: a linear reading of the traits, and portraits in which attributes do not go together.

Among random people the old are grey and men have short hair. A network that learns to read age from them looks at the hair, and then
blames a direction that changes the hair alone for changing the age. So the heads of one person are shown with the hair of another.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from symgan_core.geometry import DEFAULT_FOCAL, Camera

from .directions import SOURCES, z_numbers
from .heads import CODE, HeadPack, HeadRenderer, Person, draw_codes, person_from_code, trait_layout, trait_statistics, traits

Array = np.ndarray
_PLACES = {  # attribute: part of the traits, place in it, weight
    "age": (("age", 0, 1.0),), "gender": (("gender", 0, 1.0),), "weight": (("body", 1, 1.0),),
    "smile": (("expression", 0, 1.0), ("expression", 1, -1.0)), "mouth_open": (("expression", 2, 1.0),),
    "brow_raise": (("expression", 5, 1.0), ("expression", 6, 1.0)),
    "eye_opening": (("expression", 8, 1.0), ("expression", 9, -1.0)),
    "hair_length": (("hair_shape", 0, 1.0),), "hair_volume": (("hair_shape", 1, 1.0),),
    "hair_lightness": tuple(("hair_colour", c, 1.0) for c in range(3)), "light_side": (("light", 0, 1.0),),
}
FROM_ANOTHER = ("hair", "hair_mirrored", "hair_length", "hair_volume", "hair_colour", "scalp_colour", "scalp_strength", "brow_colour")
"""Fields of a person that ``recombined`` takes from somebody else."""


def readings(pack: HeadPack, people: int = 3000) -> dict[str, Array]:
    """``[T]`` of each attribute of ``SOURCES``: ``w @ reading`` is it, up to a constant, in standard deviations over people."""
    codes = draw_codes(np.random.default_rng(2), people)
    layout = trait_layout(pack, person_from_code(pack, codes[0]))
    mean, scale = trait_statistics(pack)
    values = np.stack([traits(pack, person_from_code(pack, z)) for z in codes])
    out = {}
    for name, source in SOURCES.items():
        reading = np.zeros(len(scale))
        for part, place, weight in _PLACES.get(name, ()):
            reading[layout[part].start + place] = weight
        if name == "skin_tone":  # how light the skin is: the tint times the mean of the textures
            light = np.array([pack.colour(f"skins/{n}.jpg").mean() for n in pack.skin_names])
            shares = mean[layout["skins"]]
            reading[layout["skins"]] = light / (light @ shares)
            reading[layout["skin_tint"]] = 1 / 3
        elif name not in _PLACES:
            for place, sign in z_numbers(pack, source):
                reading[layout["shape"].start + place - CODE["shape"].start] = sign
        out[name] = (reading * scale / (values @ reading).std()).astype(np.float32)
    return out


def recombined(one: Person, other: Person) -> Person:
    """``one`` with the hair of ``other``."""
    return replace(one, **{name: getattr(other, name) for name in FROM_ANOTHER})


def draw_portraits(count: int, seed: int, side: int) -> tuple[Array, Array]:
    """Recombined people from the front: pictures ``[count, side, side, 3]`` uint8 and their standardised traits ``[count, T]``."""
    rng, pack = np.random.default_rng(seed), HeadPack()
    renderer, (mean, scale) = HeadRenderer(pack), trait_statistics(pack)
    pictures, truth = np.zeros((count, side, side, 3), np.uint8), np.zeros((count, len(scale)), np.float32)
    for i in range(count):
        one, other = (person_from_code(pack, z) for z in draw_codes(rng, 2))
        person = recombined(one, other)
        camera = Camera.orbit(float(rng.normal(0, 3)), float(rng.normal(0, 2)))
        view = renderer.draw(renderer.build(person), person, camera.cam2world[0].numpy(), DEFAULT_FOCAL)
        pictures[i] = np.asarray(Image.fromarray(view.rgb).resize((side, side), Image.Resampling.BOX))
        truth[i] = (traits(pack, person) - mean) / scale
    return pictures, truth
