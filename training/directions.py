"""Editing directions of the built-in generator: what one named attribute changes of a person's traits, and nothing beside it.

``w`` is the standardised traits, so a direction is computed from the people alone: move the attribute's own numbers of ``z`` up and down,
keep all else, and take the mean change of those traits that belong to it. Age without grey hair and gender without another haircut are
what a slider should do; so the traits that an attribute may touch are listed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .heads import CODE, HeadPack, draw_codes, person_from_code, trait_layout, trait_statistics, traits


@dataclass(frozen=True)
class Source:
    """``numbers``: attributes of z, or names of shape targets whose increase the direction is; ``parts``: the traits it may touch."""

    numbers: tuple[str, ...]
    parts: tuple[str, ...]


SHAPE = ("shape",)
SOURCES: dict[str, Source] = {
    "age": Source(("age",), ("age", "bodies", "skins")),
    "gender": Source(("gender",), ("gender", "bodies", "skins")),
    "weight": Source(("weight",), ("body",)),
    "smile": Source(("smile",), ("expression",)),
    "mouth_open": Source(("mouth_open",), ("expression", "teeth")),
    "brow_raise": Source(("brow_raise",), ("expression",)),
    "eye_opening": Source(("eye_opening",), ("expression",)),
    "face_width": Source(("head/head-scale-horiz-incr", "cheek/l-cheek-bones-incr"), SHAPE),
    "jaw": Source(("chin/chin-bones-incr", "chin/chin-jaw-drop-incr", "chin/chin-prognathism-incr"), SHAPE),
    "nose_size": Source(
        ("nose/nose-volume-incr", "nose/nose-scale-vert-incr", "nose/nose-scale-depth-incr", "nose/nose-width2-incr"), SHAPE),
    "hair_length": Source(("hair_length",), ("hair_shape",)),
    "hair_volume": Source(("hair_volume",), ("hair_shape",)),
    "hair_lightness": Source(("hair_lightness",), ("hair_colour",)),
    "skin_tone": Source(("skin_tone",), ("skin_tint",)),
    "light_side": Source(("light_side",), ("light",)),
}


def z_numbers(pack: HeadPack, source: Source) -> list[tuple[int, float]]:
    """Places in z and the sense in which each is moved."""
    out = []
    for name in source.numbers:
        if name in CODE:
            out.append((CODE[name].start, 1.0))
            continue
        for i, (positive, negative) in enumerate(pack.shape_modifiers):
            if name in positive + negative:
                out.append((CODE["shape"].start + i, 1.0 if name in positive else -1.0))
                break
        else:
            raise KeyError(f"no attribute and no shape target is called {name!r}")
    return out


def trait_directions(people: int = 200, step: float = 0.7) -> dict[str, Tensor]:
    """``[w_dim]`` of every direction, for a strength of one standard deviation of the attribute."""
    pack, codes = HeadPack(), draw_codes(np.random.default_rng(0), people)
    _, scale = trait_statistics(pack)
    layout = trait_layout(pack, person_from_code(pack, codes[0]))
    out = {}
    for name, source in SOURCES.items():
        allowed = np.zeros(len(scale), bool)
        for part in source.parts:
            allowed[layout[part]] = True
        total, numbers = np.zeros(len(scale)), z_numbers(pack, source)
        for code in codes:
            for sense in (1, -1):
                moved = code.copy()
                for place, sign in numbers:
                    moved[place] += sense * sign * step
                total += sense * traits(pack, person_from_code(pack, moved))
        out[name] = torch.from_numpy(np.where(allowed, total / (2 * step * people * scale), 0)).float()
    return out
