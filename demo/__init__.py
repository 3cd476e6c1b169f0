"""The web face: thin, no tensor arithmetic in here."""

from .layout import build
from .settings import Settings, read_settings

__all__ = ["Settings", "build", "read_settings"]
