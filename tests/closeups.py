"""``python -m tests.closeups``: faces in close-ups beside the same faces in the whole photos, as a table.

Seven faces of two photos that packages carry, each cut three ways as people did who were told that nobody is there: the forehead cut, from
brow to chin and cheek to cheek, and half of the face out of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from symgan_core.faces import Face, FaceProvider, load_provider

SAME = 0.25
"""A face is found where the middle of its frame lies no further away than so many of the frame's sides."""
TILT = 8.0
"""Degrees by which pitch and roll may differ."""


@dataclass(frozen=True)
class Closeup:
    """A close-up of one face, and what was read of it there and in the whole photo; None: not found."""

    photo: str
    number: int
    kind: str
    whole: Face
    face: Face | None

    @property
    def off(self) -> tuple[float, float, float]:
        """Yaw, pitch and roll beside the whole photo's, in degrees; NaN where it was not found."""
        one, other = self.face, self.whole
        if one is None:
            return float("nan"), float("nan"), float("nan")
        return one.yaw - other.yaw, one.pitch - other.pitch, one.roll - other.roll

    @property
    def tilt_holds(self) -> bool:
        """Whether pitch and roll are those of the whole photo."""
        return max(map(abs, self.off[1:])) <= TILT


def photos() -> dict[str, np.ndarray]:
    """The two photos, uint8 ``[H, W, 3]``."""
    from insightface.data import get_image
    from skimage.data import astronaut

    return {"astronaut": astronaut(), "t1": get_image("t1")[..., ::-1].copy()}


def boxes(face: Face) -> dict[str, tuple[float, float, float, float]]:
    """The three cuts, as left, top, right, bottom in pixels of the photo."""
    (left, top), (right, bottom) = face.contour.min(0), face.contour.max(0)
    left, right = left - 0.035 * (right - left), right + 0.035 * (right - left)  # cheek to cheek
    top, bottom = top - 0.31 * (bottom - top), bottom + 0.12 * (bottom - top)  # over the brows, under the chin
    wide, high, middle = right - left, bottom - top, (face.box[0] + face.box[2]) / 2
    return {"forehead cut": (left - 0.43 * wide, top + 0.14 * high, right + 0.43 * wide, bottom + 0.55 * high),
            "tight": (left, top, right, bottom),
            "half out": (middle, top - 0.48 * high, middle + 2.7 * wide, top + 1.86 * high)}


def closeups(provider: FaceProvider) -> Iterator[Closeup]:
    """All 21, as the provider sees them."""
    for name, photo in photos().items():
        for number, whole in enumerate(provider.find(photo)):
            for kind, box in boxes(whole).items():
                limits = (*photo.shape[1::-1], *photo.shape[1::-1])
                left, top, right, bottom = (round(min(max(at, 0), most)) for at, most in zip(box, limits, strict=True))
                found = provider.find(photo[top:bottom, left:right].copy())
                middle, side = whole.frame[2:] - (left, top), np.hypot(*whole.frame[:2])
                yield Closeup(name, number, kind, whole, next((f for f in found if np.hypot(*(f.frame[2:] - middle)) < SAME * side), None))


def main() -> None:
    seen = []
    print("| photo | face | kind | yaw | pitch | roll | probability | sure |\n|---|---|---|---|---|---|---|---|")
    for one in closeups(load_provider()):
        seen.append(one)
        rest = "not found | | | |" if one.face is None else \
            " | ".join([*(f"{v:+.1f}" for v in one.off), f"{one.face.score:.2f}", f"{one.face.sure:.3f}"]) + " |"
        print(f"| {one.photo} | {one.number} | {one.kind} | {rest}", flush=True)
    print(f"\n{sum(one.face is not None for one in seen)} of {len(seen)} found, {sum(one.tilt_holds for one in seen)} with pitch and roll "
          f"within {TILT:.0f} degrees of the whole photo's.")


if __name__ == "__main__":
    main()
