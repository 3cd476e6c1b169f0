"""What is drawn of a finished head while a visitor looks at it: views, strips, depth, meshes; its photo."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from symgan_core.export import depth_picture, on_background, sources_picture
from symgan_core.inversion import Portrait3D
from symgan_core.portrait.editing import Direction

from .store import ResultStore, VisitorLeft
from .zero import Room

COLOUR, PHOTO, DEPTH, ORIGINS = "colour", "photo", "depth", "origins"
"""What the stage may show: views of the head, and its photo."""
STRIP_YAWS = tuple(float(yaw) for yaw in range(-35, 36, 7))
"""Degrees, of the views in the strip of an edited head."""
STRIP_SCALE, DRAFT_SCALE = 0.75, 0.5
"""Of these views, and of those that a full one follows at once."""
MANY = 2
"""Pieces of work that wait, so of several visitors: from here on what nobody has asked for is left out."""
PHOTOS = ("input.png", "input.webp")
"""Names of the picture of a photo in a result's folder."""


@dataclass(frozen=True)
class Look:
    """How a head is looked at.

    Attributes:
        pose: yaw and pitch, degrees.
        strengths: of the sliders.
        mode: one of the four above but the photo.
        scale: below 1 a smaller picture (``Portrait3D.render``), but for origins.
    """

    pose: tuple[float, float] = (0.0, 0.0)
    background: str = "white"
    strengths: Mapping[str, float] = field(default_factory=dict)
    mode: str = COLOUR
    scale: float = 1.0


class Looking:
    """The part of the studio that draws. ``session`` is the visitor's, for what is his stays while he looks."""

    store: ResultStore
    room: Room
    directions: tuple[Direction, ...]
    asked: dict[str, object]
    """The last view that each visitor asked for."""

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

    def view(self, session: str, portrait_id: str | None, look: Look = Look()) -> np.ndarray | None:
        """One view, uint8 ``[H, W, 3]``: its colours, its depth, or its colours tinted by where they come from; None without a portrait, or
        if the visitor wants another view by the time that this one's turn has come."""
        self.asked[session] = asked = object()
        return self._drawn(session, portrait_id, look, asked)

    def _drawn(self, session: str, portrait_id: str | None, look: Look, asked: object) -> np.ndarray | None:
        """A view; ``asked``: what ``self.asked`` has for the session while the view is wanted."""
        yaw, pitch = look.pose

        def draw() -> np.ndarray | None:
            if session and self.asked.get(session, asked) is not asked:  # clients without a session are not told apart
                return None
            portrait = self.with_edits(portrait_id, look.strengths)
            if portrait is None:
                return None
            if look.mode == ORIGINS:
                return sources_picture(*portrait.sources(yaw, pitch))
            out = portrait.render(yaw=yaw, pitch=pitch, scale=look.scale)
            return depth_picture(out) if look.mode == DEPTH else on_background(out, fitting(portrait, look.background), portrait.backdrop)

        self.store.touch(session)
        try:
            return self.room.computing.call(draw)
        except VisitorLeft:
            return None

    def views(self, session: str, portrait_id: str | None, look: Look = Look()) -> tuple[list[np.ndarray], list[float]] | None:
        """Drafts from all sides, and their yaws in degrees; None without a portrait, if the visitor wants another view meanwhile, or while
        many wait: until he wants the next one, the head turns with views from the server."""
        pictures, asked = [], self.asked.get(session)
        for yaw in STRIP_YAWS:
            if self._crowded():
                return None
            picture = self._drawn(session, portrait_id, replace(look, pose=(yaw, 0.0), scale=STRIP_SCALE), asked)
            if picture is None or self.asked.get(session) is not asked:
                return None
            pictures.append(picture)
        return pictures, list(STRIP_YAWS)

    def prepare(self, portrait_id: str | None) -> None:
        """What the first edit of a head needs, and each later one has; nothing while many wait."""
        portrait = None if self._crowded() else self.portrait(portrait_id)
        if portrait is not None and portrait.edits == {} and self.directions:
            with suppress(VisitorLeft):
                self.room.computing.call(lambda: portrait.edit({self.directions[0].name: self.directions[0].limit}).planes())

    def _crowded(self) -> bool:
        return self.room.computing.waiting() >= MANY

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
