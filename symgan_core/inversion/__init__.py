"""From a photo to a head: stage 1 (pivot), stage 2 (tuning), and the session that runs both."""

from ..geometry.images import mean_within
from ..portrait import Portrait3D
from .config import METHODS, PRESETS, InversionConfig, PivotConfig, TuningConfig, settings
from .events import Event
from .session import ORIGIN_YAWS, Inversion, PhotoRequest, crop_face, invert_crop, invert_photo, prepare_photo, start_inversion
from .symmetry import face_region
from .target import Target, make_target, to_uint8

__all__ = [
    "METHODS", "ORIGIN_YAWS", "PRESETS", "Event", "Inversion", "InversionConfig", "PhotoRequest", "PivotConfig", "Portrait3D", "Target",
    "TuningConfig", "crop_face", "face_region", "invert_crop", "invert_photo", "make_target", "mean_within", "prepare_photo",
    "settings", "start_inversion", "to_uint8",
]
