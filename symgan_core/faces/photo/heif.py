"""HEIC and HEIF, by pillow-heif where it is installed, in a process of its own.

libheif and its HEVC decoder have had many holes, and the coded picture may be larger than the file says: a process apart has limits of
memory and time that hold, and when it crashes, one photo is refused and no more.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from ...errors import PhotoError
from .limits import MAX_PIXELS, MAX_SIDE, WORK_SIDE, check_size
from .metadata import plain_heif

_SECONDS, _MEMORY = 30, 2 * 2**30
_WORKER = Path(__file__).with_name("heif_worker.py")


def decoded_heif(data: bytes) -> tuple[Image.Image, bytes | None]:
    """The upright picture, RGB or RGBA, with a longer side below ``3 * WORK_SIDE``, and its colour profile.

    Raises:
        PhotoError: pillow-heif is missing; it is too large or too small; it is damaged, or beyond the limits of time and memory.
    """
    if find_spec("pillow_heif") is None:
        raise PhotoError("The photo is in the format HEIC, which this installation does not read.",
                         "Save it as JPEG (on an iPhone: Settings, Camera, Formats, Most Compatible), or install pillow-heif.")
    limits = {"path": sys.path, "seconds": _SECONDS, "memory": _MEMORY, "side": MAX_SIDE, "pixels": MAX_PIXELS, "work": 2 * WORK_SIDE}
    try:
        done = subprocess.run([sys.executable, "-I", str(_WORKER), json.dumps(limits)], input=plain_heif(data).data, capture_output=True,
                              timeout=2 * _SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise PhotoError("The HEIC photo takes too long to decode.", "Save it as JPEG.") from error
    head, _, rest = done.stdout.partition(b"\n")
    if done.returncode or not head:
        raise PhotoError("The HEIC photo is damaged and cannot be decoded.", "Save it again as JPEG.")
    told = json.loads(head)
    check_size(*told["size"])
    profile, pixels = rest[:told["profile"]], rest[told["profile"]:]
    return Image.frombytes(told["mode"], tuple(told["shape"]), pixels), profile or None
