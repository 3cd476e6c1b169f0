"""Edits of a finished head: shape and expression as motion, colours as changes of colour, or codes moved in w."""

from .codes import Directions, load_directions, save_directions
from .directions import DIRECTIONS, PRESETS, Direction
from .doors import directions_of, edited, list_directions
from .editor import Editor

__all__ = [
    "DIRECTIONS", "PRESETS", "Direction", "Directions", "Editor", "directions_of", "edited", "list_directions", "load_directions",
    "save_directions",
]
