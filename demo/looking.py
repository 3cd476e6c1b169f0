"""What is drawn of a finished head while a visitor looks at it: views, strips, depth, meshes; its photo."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from symgan_core.export import depth_picture, on_background, sources_picture
from symgan_core.inversion import Portrait3D

from .store import ResultStore

COLOUR, PHOTO, DEPTH, ORIGINS = "colour", "photo", "depth", "origins"
"""What the stage may show: views of the head, and its photo."""
STRIP_YAWS = tuple(float(yaw) for yaw in range(-35, 36, 7))
"""Degrees, of the views in the strip of an edited head."""
HALF = 2
"""They are drawn as every so many pixels of a view."""
PHOTOS = ("input.png", "input.webp")
"""Names of the picture of a photo in a result's folder."""


class Looking:
    """The part of the studio that draws. ``session`` is the visitor's, for what is his stays while he looks."""

    store: ResultStore

    def portrait(self, portrait_id: str | None) -> Portrait3D | None:
        """A portrait by its id; None if there is none (any more)."""
        return self.store.get(portrait_id)

    def edited(self, portrait_id: str | None, strengths: Mapping[str, float]) -> bool:
        """Whether strengths differ from those with which the portrait was opened."""
        portrait = self.portrait(portrait_id)
        return portrait is not None and _some(strengths) != portrait.edits

    def with_edits(self, portrait_id: str | None, strengths: Mapping[str, float]) -> Portrait3D | None:
        """A portrait at the strengths of the sliders: itself where they are as it was opened."""
        portrait, wanted = self.portrait(portrait_id), _some(strengths)
        return portrait if portrait is None or wanted == portrait.edits else portrait.edit(wanted)

    def view(self, session: str, portrait_id: str | None, yaw: float, pitch: float, background: str,
             strengths: Mapping[str, float], mode: str = COLOUR) -> np.ndarray | None:
        """One view with edits, uint8 ``[H, W, 3]``, angles in degrees: its colours, its depth, or its colours tinted by where they come
        from; None without a portrait."""
        portrait = self.with_edits(portrait_id, strengths)
        if portrait is None:
            return None
        self.store.touch(session)
        if mode == ORIGINS:
            return sources_picture(*portrait.sources(yaw, pitch))
        out = portrait.render(yaw=yaw, pitch=pitch)
        return depth_picture(out) if mode == DEPTH else on_background(out, fitting(portrait, background), portrait.backdrop)

    def views(self, session: str, portrait_id: str | None, background: str, strengths: Mapping[str, float],
              mode: str = COLOUR) -> tuple[list[np.ndarray], list[float]] | None:
        """Small views from all sides, and their yaws in degrees; None without a portrait."""
        found = [self.view(session, portrait_id, yaw, 0.0, background, strengths, mode) for yaw in STRIP_YAWS]
        pictures = [picture[::HALF, ::HALF] for picture in found if picture is not None]
        return (pictures, list(STRIP_YAWS)) if len(pictures) == len(STRIP_YAWS) else None

    def photo_of(self, portrait_id: str | None) -> np.ndarray | None:
        """The photo that a head was made from, as it was cut out; None where it is not here, as with a shared head."""
        folder = self.store.folder_of(portrait_id)
        path = next((folder / name for name in PHOTOS if (folder / name).is_file()), None) if folder else None
        return None if path is None else np.asarray(Image.open(path).convert("RGB"))


def fitting(portrait: Portrait3D, background: str) -> str:
    """The background that was asked for; white for a portrait that knows nothing of its photo's (an example, a shared one)."""
    return "white" if background == "blurred" and portrait.backdrop is None else background


def _some(strengths: Mapping[str, float]) -> dict[str, float]:
    return {name: strength for name, strength in strengths.items() if strength}
