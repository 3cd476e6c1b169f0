"""What a file is, by its content: its name and what a browser says of it count for nothing."""

from __future__ import annotations

from ...errors import PhotoError

_READ = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"), (b"BM", "BMP"),
         (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"II+\0", "TIFF"), (b"MM\0+", "TIFF"))
_KNOWN = ((b"%PDF", "PDF"), (b"8BPS", "Photoshop"), (b"\xff\x0a", "JPEG XL"), (b"\0\0\0\x0cJXL ", "JPEG XL"),
          (b"\0\0\0\x0cjP  ", "JPEG 2000"), (b"<svg", "SVG"), (b"\x1aE\xdf\xa3", "video"),
          (b"PK\x03\x04", "ZIP"))
"""Often met, and refused by name."""
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF = {b"avif", b"avis"}


def kind_of(data: bytes) -> str:
    """The format: JPEG, PNG, GIF, BMP, TIFF, WEBP, AVIF or HEIF.

    Raises:
        PhotoError: it is none of these.
    """
    for start, kind in _READ:
        if data.startswith(start):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    brands = _brands(data)
    if brands & _AVIF:
        return "AVIF"
    if brands & _HEIF:
        return "HEIF"
    what = next((name for start, name in _KNOWN if data.startswith(start)), "video" if brands else None)
    if what:
        raise PhotoError("Files of the kind {kind} are not read as photos.", "Choose a JPEG, PNG or WebP photo.", kind=what)
    raise PhotoError("The file is not a picture that can be read.", "Choose a JPEG, PNG or WebP photo.")


def _brands(data: bytes) -> set[bytes]:
    """Of ISO base media (ISO/IEC 14496-12, 4.3): the brand and those that it is compatible with; none of another file."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), 256)
    return {data[8:12]} | {data[place:place + 4] for place in range(16, end - 3, 4)}
