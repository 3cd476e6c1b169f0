"""What can be edited on a head of the built-in generator: named directions, their ranges, and expressions made of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...errors import RequestError


@dataclass(frozen=True)
class Direction:
    """A named edit.

    Attributes:
        name: what ``edit`` and the command line call it.
        label: what the page calls it.
        hint: what the negative and the positive end look like; "left" and "right" are the picture's.
        limit: the largest strength in each sense; beyond it, photos do not look natural.
        group: directions of one group stand together on the page.
    """

    name: str
    label: str
    hint: str
    limit: float
    group: str = ""


EXPRESSION, SHAPE, COLOUR, HAIR = "Expression", "Shape", "Colour and light", "Hair"

DIRECTIONS = (
    Direction("smile", "Smile", "downcast ↔ smiling", 2.5, EXPRESSION),
    Direction("mouth_open", "Mouth", "closed ↔ open", 2.0, EXPRESSION),
    Direction("brow_raise", "Brows", "lowered ↔ raised", 2.0, EXPRESSION),
    Direction("eye_opening", "Eyes", "narrow ↔ wide", 2.0, EXPRESSION),
    Direction("wink", "Wink", "left eye ↔ right eye", 1.0, EXPRESSION),
    Direction("age", "Age", "younger ↔ older", 2.5, SHAPE),
    Direction("gender", "Build", "feminine ↔ masculine", 2.0, SHAPE),
    Direction("weight", "Weight", "slimmer ↔ fuller", 2.0, SHAPE),
    Direction("face_width", "Width", "narrow ↔ wide", 2.0, SHAPE),
    Direction("head_shape", "Head", "round ↔ long", 2.0, SHAPE),
    Direction("jaw", "Jaw", "soft ↔ strong", 2.0, SHAPE),
    Direction("cheeks", "Cheekbones", "flat ↔ high", 2.0, SHAPE),
    Direction("nose_size", "Nose", "small ↔ large", 2.0, SHAPE),
    Direction("ears", "Ears", "small ↔ large", 2.0, SHAPE),
    Direction("hair_length", "Hair length", "shorter ↔ longer", 2.0, HAIR),
    Direction("hair_volume", "Hair volume", "flat ↔ full", 2.0, HAIR),
    Direction("hair_lightness", "Hair colour", "darker ↔ lighter", 2.5, HAIR),
    Direction("skin_tone", "Skin", "darker ↔ lighter", 3.0, COLOUR),
    Direction("iris", "Eye colour", "brown ↔ blue", 2.0, COLOUR),
    Direction("light_side", "Light", "from the left ↔ from the right", 2.0, COLOUR),
)

PRESETS: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": {"smile": 2.0, "eye_opening": -0.5},
    "surprise": {"brow_raise": 2.0, "eye_opening": 2.0, "mouth_open": 1.6},
    "frown": {"brow_raise": -2.0, "smile": -1.8, "eye_opening": -0.5},
    "wink": {"wink": 1.0, "smile": 1.4},
}
"""Expressions as strengths of directions."""


def checked(strengths: Mapping[str, float], known: Sequence[Direction]) -> dict[str, float]:
    """The strengths that are not 0, in the order of ``known``.

    Raises:
        RequestError: an unknown name, or a strength beyond its limit.
    """
    limits = {d.name: d.limit for d in known}
    for name, strength in strengths.items():
        if name not in limits:
            raise RequestError(f"There is no editing direction '{name}'.", f"Choose among: {', '.join(limits)}.")
        if not abs(strength) <= limits[name]:
            raise RequestError(f"The strength {strength} of '{name}' is out of range.", f"Keep it within ±{limits[name]}.")
    return {name: float(strengths[name]) for name in limits if strengths.get(name)}
