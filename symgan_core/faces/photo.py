"""Reading a photo from a stranger: limits first, then decoding, then a plain upright RGB picture."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import PhotoError

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")
MAX_BYTES = 64 * 2**20
MAX_SIDE = 12_000
MAX_PIXELS = 80_000_000
MIN_SIDE = 64
WORK_SIDE = 2048
"""Larger photos are scaled down to this side: no generator here shows more than 512 pixels of a face."""


def read_photo(source: str | Path | bytes) -> np.ndarray:
    """Decode a photo to uint8 ``[H, W, 3]``, upright, at most ``WORK_SIDE`` on its longer side.

    EXIF rotation is applied, transparency is laid over white, 16-bit, grey, palette and CMYK files become RGB. Only the first
    frame of an animation is read.

    Raises:
        PhotoError: with one line that says what is wrong and what would help.
    """
    data = source if isinstance(source, bytes) else _read_bytes(Path(source))
    if not data:
        raise PhotoError("The file is empty.", "Choose a JPEG, PNG or WebP photo.")
    if len(data) > MAX_BYTES:
        raise PhotoError(f"The file has {len(data) / 2**20:.0f} MB.", f"Use a photo of at most {MAX_BYTES // 2**20} MB.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's size warning: the limits below are stricter and are errors
            image = Image.open(io.BytesIO(data), formats=_formats())
            _check_size(*image.size)
            image.draft("RGB", (2 * WORK_SIDE, 2 * WORK_SIDE))  # lets JPEG decode large files at a fraction of the size
            image = ImageOps.exif_transpose(image)
            image = _to_rgb(image)
    except UnidentifiedImageError as error:
        raise PhotoError("The file is not a picture that can be read.", "Choose a JPEG, PNG or WebP photo.") from error
    except Image.DecompressionBombError as error:
        raise PhotoError("The picture is too large.", f"Scale it to at most {MAX_SIDE} pixels a side.") from error
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise PhotoError("The picture is damaged and cannot be decoded.", "Save it again as JPEG or PNG.") from error
    image.thumbnail((WORK_SIDE, WORK_SIDE), Image.Resampling.LANCZOS)
    return np.array(image)


def _formats() -> list[str]:
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise PhotoError(f"There is no file '{path}'.", "Check the path.")
    if path.stat().st_size > MAX_BYTES:
        raise PhotoError(f"The file has {path.stat().st_size / 2**20:.0f} MB.", f"Use a photo of at most {MAX_BYTES // 2**20} MB.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise PhotoError(f"The file '{path}' cannot be read.", "Check its permissions.") from error


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise PhotoError(f"The picture has {width} x {height} pixels.",
                         f"Scale it to at most {MAX_SIDE} a side and {MAX_PIXELS // 10**6} megapixels.")
    if min(width, height) < MIN_SIDE:
        raise PhotoError(f"The picture has only {width} x {height} pixels.", f"Use one of at least {MIN_SIDE} pixels a side.")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        values = np.asarray(image).astype(np.float32)
        scale = 257.0 if values.max() > 255 else 1.0
        return Image.fromarray((values / scale).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
