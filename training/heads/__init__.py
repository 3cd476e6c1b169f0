"""Synthetic people: ``z`` to a person, a person to meshes, meshes to pictures."""

from .pack import REGIONS, HeadPack
from .people import CODE, Person, draw_codes, person_from_code
from .render import HeadRenderer, View
from .traits import point_slopes, trait_layout, trait_statistics, traits

__all__ = ["CODE", "REGIONS", "HeadPack", "HeadRenderer", "Person", "View", "draw_codes", "person_from_code", "point_slopes",
           "trait_layout", "trait_statistics", "traits"]
