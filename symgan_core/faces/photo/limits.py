"""How much of a file is decoded at most. All of it is checked before pixels are decoded."""

from __future__ import annotations

from ...errors import PhotoError

MAX_BYTES = 64 * 2**20
MAX_SIDE = 12_000
MAX_PIXELS = 80_000_000
"""Of what is decoded: four bytes of memory each, at most."""
MAX_WEBP_PIXELS = 48_000_000
"""libwebp's decoder of animations, the one that Pillow has, holds four copies."""
MAX_JPEG_PIXELS = 256_000_000
"""Of a JPEG whose rows come one after another: what is decoded are pictures of half, a quarter or an eighth of its size."""
MAX_SCANS = 64
"""Of a progressive JPEG, each of which visits the whole picture; encoders write about ten."""
MAX_FRAMES = 24
"""Of an animation, looked through for one that shows something; all of them together hold at most ``MAX_PIXELS``."""
MAX_PROFILE = 4 * 2**20
"""Bytes of a colour profile; those of presses have one or two million."""
MIN_SIDE = 64
WORK_SIDE = 2048
"""Larger photos are scaled down to this side: no generator here shows more than 512 pixels of a face."""
SHARE_THERE = 0.9
"""Of the rows of a file that was cut off: with fewer, it is refused."""


def check_bytes(count: int) -> None:
    """Raise PhotoError for a file of too many bytes, or of none."""
    if not count:
        raise PhotoError("The file is empty.", "Choose a JPEG, PNG or WebP photo.")
    if count > MAX_BYTES:
        raise PhotoError("The file has {size:.0f} MB.", "Use a photo of at most {most} MB.", size=count / 2**20, most=MAX_BYTES // 2**20)


def check_size(width: int, height: int, most: int = MAX_PIXELS) -> None:
    """Raise PhotoError for a picture of too many pixels, or of too few."""
    if max(width, height) > MAX_SIDE or width * height > most:
        raise PhotoError("The picture has {width} x {height} pixels.", "Scale it to at most {side} a side and {most} megapixels.",
                         width=width, height=height, side=MAX_SIDE, most=most // 10**6)
    check_least(width, height)


def check_jpeg_size(width: int, height: int) -> None:
    """The same for a JPEG that can be decoded at a fraction of its size."""
    if width * height > MAX_JPEG_PIXELS:
        raise PhotoError("The picture has {width} x {height} pixels.", "Scale it to at most {most} megapixels.",
                         width=width, height=height, most=MAX_JPEG_PIXELS // 10**6)
    check_least(width, height)


def check_least(width: int, height: int) -> None:
    """Raise PhotoError for a picture of too few pixels."""
    if min(width, height) < MIN_SIDE:
        raise PhotoError("The picture has only {width} x {height} pixels.", "Use one of at least {least} pixels a side.",
                         width=width, height=height, least=MIN_SIDE)
