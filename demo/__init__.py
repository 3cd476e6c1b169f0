"""The web face: thin, no tensor arithmetic in here."""

from .handlers import Studio
from .layout import build
from .settings import Settings, read_settings

__all__ = ["Settings", "Studio", "build", "read_settings"]
