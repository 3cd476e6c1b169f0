"""The web face: thin, no tensor arithmetic in here."""

from .handlers import Studio
from .settings import Settings, read_settings
from .visitors import build

__all__ = ["Settings", "Studio", "build", "read_settings"]
