"""From a photo to a head: stage 1 (pivot), stage 2 (tuning), and the doors to both."""

from ..geometry.images import mean_within
from ..portrait import Portrait3D
from . import methods  # noqa: F401  they register themselves
from .api import PhotoRequest, crop_face, invert_crop, invert_photo, prepare_photo, start_inversion
from .events import Event
from .method import METHODS, PRESETS, Method, Pivot, Tuning, load_method, register_method, settings
from .preparation import Preparation
from .runner import ORIGIN_YAWS, Inversion
from .target.make import PhotoMaps, make_target
from .target.target import Target, to_uint8
from .terms.base import Loss, Term
from .views.symmetry import face_region

__all__ = [
    "METHODS", "ORIGIN_YAWS", "PRESETS", "Event", "Inversion", "Loss", "Method", "PhotoMaps", "PhotoRequest", "Pivot", "Portrait3D",
    "Preparation", "Target", "Term", "Tuning", "crop_face", "face_region", "invert_crop", "invert_photo", "load_method", "make_target",
    "mean_within", "prepare_photo", "register_method", "settings", "start_inversion", "to_uint8",
]
