"""The one door for photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ...errors import PhotoError
from .colours import flattened, shows_something, to_srgb
from .decoding import decoded_jpeg, frames_of
from .heif import decoded_heif
from .jpeg import split_jpeg
from .kinds import kind_of
from .limits import MAX_BYTES, WORK_SIDE, check_bytes
from .metadata import Plain, orientation_of, plain_heif, plain_png, plain_tiff, upright


def read_photo(source: str | Path | bytes) -> np.ndarray:
    """Decode a photo to uint8 ``[H, W, 3]``, sRGB, upright, at most ``WORK_SIDE`` on its longer side.

    Formats are told by content: JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, and HEIC where pillow-heif is installed. Of metadata, the
    orientation and the colour profile are read, and neither is ever fatal. Transparency is laid over white, unless it hides everything;
    deep, grey, palette and CMYK files become 8-bit RGB. Of an animation, the first frame that shows something is read. A file that was cut
    off is read where nine tenths of its rows are there. Limits (``limits.py``) are checked before anything is decoded.

    Raises:
        PhotoError: with one line that says what is wrong and what would help.
    """
    data = source if isinstance(source, bytes) else _read_bytes(Path(source))
    check_bytes(len(data))
    kind = kind_of(data)
    try:
        image, profile, orientation = _decoded(kind, data)
        image.thumbnail((WORK_SIDE, WORK_SIDE), Image.Resampling.LANCZOS)
        return np.array(upright(to_srgb(image, profile), orientation))
    except PhotoError:
        raise
    except Exception as error:  # a hostile or damaged file can make a decoder raise anything
        raise PhotoError("The picture is damaged and cannot be decoded.", "Save it again as JPEG or PNG.") from error


def _decoded(kind: str, data: bytes) -> tuple[Image.Image, bytes | None, int]:
    """The flattened picture, its colour profile and its orientation."""
    if kind == "JPEG":
        jpeg = split_jpeg(data)
        return flattened(decoded_jpeg(jpeg), kind), jpeg.profile, jpeg.orientation
    if kind == "HEIF":
        image, profile = decoded_heif(data)
        return flattened(image, kind), profile, 1
    prepare = {"PNG": plain_png, "TIFF": plain_tiff, "AVIF": plain_heif}.get(kind, Plain)
    plain = prepare(data)
    best = info = None
    for frame in frames_of(kind, plain.data):
        flat = flattened(frame, kind)
        if best is None:
            best, info = flat, frame.info
        if shows_something(flat):
            best, info = flat, frame.info
            break
    if best is None or info is None:
        raise ValueError("no frame")
    orientation = plain.orientation if kind in ("PNG", "TIFF") else orientation_of(info.get("exif"))
    return best, plain.profile or (None if kind == "PNG" else info.get("icc_profile")), orientation


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise PhotoError(f"There is no file '{path}'.", "Check the path.")
    check_bytes(path.stat().st_size)
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PhotoError(f"The file '{path}' cannot be read.", "Check its permissions.") from error
