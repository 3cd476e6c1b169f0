"""How far a photo, and its mirror image, are trusted in other views."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MirrorWarp:
    """How the flipped photo is brought to other views.

    Attributes:
        conflict_threshold: mean colour difference, in [-1, 1] units after matching the local mean, above which a mirrored pixel contradicts
            the photo and is left out; None: all are kept.
        match_light: give mirrored pixels the light of the side that they are put on (``appearance/light.py``; SPI does not).
    """

    conflict_threshold: float | None = 0.22
    match_light: bool = True


@dataclass(frozen=True)
class PhotoWarp:
    """How the photo is brought to other views.

    Attributes:
        tolerance: of the depth test that decides what a view sees, world units (SPI's code: 0.05 on a box of 1).
        grazing: what the photo shows at less than this cosine between surface and sight is not used: on a head that is a little too wide,
            hair beside the cheek would be painted far along it.
        mirror: of its mirror image; None: the method does not use it after stage 1.
    """

    tolerance: float = 0.03
    grazing: float = 0.0
    mirror: MirrorWarp | None = None
