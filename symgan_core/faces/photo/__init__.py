"""Photos of strangers: limits first, then decoding, then a plain upright sRGB picture. One door: ``read_photo``."""

from .limits import MAX_BYTES, MAX_PIXELS, MAX_SIDE, MIN_SIDE, WORK_SIDE
from .reading import read_photo

__all__ = ["MAX_BYTES", "MAX_PIXELS", "MAX_SIDE", "MIN_SIDE", "WORK_SIDE", "read_photo"]
