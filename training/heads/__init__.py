"""Synthetic people: ``z`` to a person, a person to meshes, meshes to pictures."""

from .pack import HeadPack
from .people import CODE, Person, draw_codes, person_from_code
from .render import HeadRenderer, View

__all__ = ["CODE", "HeadPack", "HeadRenderer", "Person", "View", "draw_codes", "person_from_code"]
