"""symgan: one photo of a face in, a head that can be turned out.

SPI (3D GAN Inversion with Facial Symmetry Prior, Yin et al., CVPR 2023, arXiv 2211.16927) on an EG3D-style tri-plane generator.
Public names are imported when they are first asked for, and need torch, numpy and pillow alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import CheckpointError, NoFaceFound, PhotoError, RequestError, SymganError
    from .geometry import Camera
    from .inversion import Inversion, Portrait3D, invert_crop, invert_photo

__version__ = "0.1.0"
__all__ = ["Camera", "CheckpointError", "Inversion", "NoFaceFound", "PhotoError", "Portrait3D", "RequestError", "SymganError",
           "invert_crop", "invert_photo"]
_HOMES = {"Camera": "geometry"} | dict.fromkeys(("Inversion", "Portrait3D", "invert_crop", "invert_photo"), "inversion")
"""Modules of public names; all others are errors."""


def __getattr__(name: str) -> Any:
    """A public name. Not imported before: the command line has to set up OpenMP before torch starts it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)
