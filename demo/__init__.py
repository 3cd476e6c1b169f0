"""The web face: thin, no tensor arithmetic in here. The names below are imported when they are asked for: a worker of a cluster takes
``demo.remote`` alone, and has no Gradio."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .handlers import Studio
    from .settings import Settings, read_settings
    from .visitors import build

__all__ = ["Settings", "Studio", "build", "read_settings"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place = {"Studio": "handlers", "build": "visitors"}.get(name, "settings")
    return getattr(import_module(f"{__name__}.{place}"), name)
