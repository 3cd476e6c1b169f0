"""Pillow's decoders, one class each: no registry, no global switch, and files without metadata."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import AvifImagePlugin, BmpImagePlugin, GifImagePlugin, Image, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from ...errors import PhotoError
from .jpeg import Jpeg
from .limits import MAX_FRAMES, MAX_PIXELS, MAX_WEBP_PIXELS, SHARE_THERE, WORK_SIDE, check_jpeg_size, check_size

_READERS: dict[str, type[ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile, "WEBP": WebPImagePlugin.WebPImageFile, "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile, "GIF": GifImagePlugin.GifImageFile, "AVIF": AvifImagePlugin.AvifImageFile}
_END = b"\xff\xd9"
_NOISE = bytes(range(1, 255)) * 16
"""Coded data of no picture."""
_BY_ROWS = ("PNG", "GIF", "BMP", "TIFF")
"""Their decoders leave the rows that they have read where a file ends too early; all others give all or nothing."""


def frames_of(kind: str, data: bytes) -> Iterator[Image.Image]:
    """The decoded frames of a file of any kind but JPEG and HEIF, as far as limits allow; the first one even of a file that was cut off.

    Raises:
        PhotoError: too many or too few pixels, or too much of it is missing.
    """
    image = _opened(kind, data)
    try:
        image.load()
    except OSError:
        yield _most(kind, data)
        return
    yield image
    for number in range(1, min(MAX_FRAMES, MAX_PIXELS // (image.width * image.height))):
        try:
            image.seek(number)
            check_size(*image.size)
            image.load()
        except (EOFError, OSError, SyntaxError):  # that was the last one, or it is damaged
            return
        yield image


def decoded_jpeg(jpeg: Jpeg) -> Image.Image:
    """A JPEG, at half, a quarter or an eighth of its size where it is large. Errors as ``frames_of``.

    libjpeg invents what is missing of one that was cut off. Which rows those are is seen from two decodings, with two different ends.
    """
    if jpeg.whole:
        return _jpeg_of(jpeg, jpeg.data)
    if jpeg.layered:
        if not jpeg.refined:  # nothing but blocks of one colour
            raise PhotoError("The file was cut off: its detail is missing.", "Fetch or save the photo again.")
        return _jpeg_of(jpeg, jpeg.data + _END)
    return _mended(_jpeg_of(jpeg, jpeg.data + _END), _jpeg_of(jpeg, jpeg.data + _NOISE + _END), downwards=True)


def _opened(kind: str, data: bytes) -> ImageFile:
    image = _READERS[kind](io.BytesIO(data))
    check_size(*image.size, MAX_WEBP_PIXELS if kind == "WEBP" else MAX_PIXELS)
    return image


def _jpeg_of(jpeg: Jpeg, data: bytes) -> Image.Image:
    image = JpegImageFile(io.BytesIO(data))
    (check_size if jpeg.layered else check_jpeg_size)(*image.size)
    divisor = next(divisor for divisor in (8, 4, 2, 1) if max(image.size) // divisor >= 2 * WORK_SIDE or divisor == 1)
    image.draft(None, (max(image.width // divisor, 1), max(image.height // divisor, 1)))
    image.load()
    return image


def _most(kind: str, data: bytes) -> Image.Image:
    """The same of other files: they are decoded into a black picture and into a white one, and what was not decoded differs."""
    if kind not in _BY_ROWS:
        raise PhotoError("The picture is damaged and cannot be decoded.", "Save it again as JPEG or PNG.")
    return _mended(_partly(_opened(kind, data), 0), _partly(_opened(kind, data), 255))


def _mended(first: Image.Image, second: Image.Image, downwards: bool = False) -> Image.Image:
    """``first``, the last row that is there again in place of those that are not.

    Args:
        second: differs from it in rows that are not there.
        downwards: all rows below such a one are missing too.
    """
    a, b = np.array(first), np.asarray(second)
    missing = (a != b).reshape(len(a), -1).any(1)
    if downwards:
        np.maximum.accumulate(missing, out=missing)
    if missing.mean() > 1 - SHARE_THERE:
        raise PhotoError("The file was cut off: {percent:.0f} % of the picture is there.", "Fetch or save the photo again.",
                         percent=float(100 * (1 - missing.mean())))
    there = np.where(missing, 0, np.arange(len(a)))
    if missing[0]:  # a BMP begins at its lowest row
        there = np.where(missing, int(missing.argmin()), there)
    np.maximum.accumulate(there, out=there)
    if missing.any():
        first.paste(Image.frombytes(first.mode, first.size, np.ascontiguousarray(a[there]).tobytes()))
    return first


def _partly(image: ImageFile, ink: int) -> Image.Image:
    """What a decoder makes of a file that ends too early, in a picture that was filled with ``ink``."""
    image.load_prepare()
    bands = len(image.getbands())
    image.im.paste(ink if bands == 1 else (ink,) * bands, (0, 0, *image.size))
    try:
        image.load()
    except OSError:
        image.tile = []  # no second attempt: the picture stays as it is
    return image
