"""The two things that a photo's metadata are asked for: which way is up, and the colour profile. Nothing in them is fatal.

Decoders get files without any other metadata: what they do not see, they cannot stumble over.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import NamedTuple

from PIL import Image

from .limits import MAX_PROFILE

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_ORIENTATION, _PROFILE = 0x0112, 0x8773
_MAX_ENTRIES = 4096
_TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90}
"""What undoes each orientation (Exif 3.0, 4.6.5.1.6)."""
_TIFF_NEEDED = {256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 332, 338, 339, 347,
                512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532}
"""Tags of TIFF 6.0 that pixels are decoded by."""
_PNG_NEEDED = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"}
_EXIF_ITEM = re.compile(rb"(infe(?:\x02.{7}|\x03.{9}))Exif", re.DOTALL)
"""An item of Exif in HEIF and AVIF (ISO/IEC 14496-12, 8.11.6); which way is up stands in properties of the picture there."""


class Plain(NamedTuple):
    """A file without metadata, and what was asked of them: the orientation 1 to 8, the colour profile or None."""

    data: bytes
    orientation: int = 1
    profile: bytes | None = None


class _Entry(NamedTuple):
    tag: int
    kind: int
    count: int
    raw: bytes


def orientation_of(exif: bytes | None) -> int:
    """The orientation, 1 to 8, that a block of Exif names; 1 where it names none, or is damaged."""
    data = (exif or b"").removeprefix(b"Exif\0\0")
    order, entries = _ORDERS.get(data[:4], "<"), _directory(data)
    return next((_turn(entry, order) for entry in entries if entry.tag == _ORIENTATION), 1)


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The picture as it is meant to be seen."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def plain_png(data: bytes) -> Plain:
    """A PNG of those chunks alone that pixels are decoded from; what is left at the end of one that was cut off stays."""
    kept, orientation, profile, place = [data[:8]], 1, None, 8
    while place + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if name in _PNG_NEEDED:
            kept.append(data[place:end])
        elif name == b"eXIf":
            orientation = orientation_of(data[place + 8:end - 4])
        elif name == b"iCCP":
            profile = _unpacked(data[place + 8:end - 4].partition(b"\0")[2][1:])
        place = end
    return Plain(b"".join(kept), orientation, profile)


def plain_tiff(data: bytes) -> Plain:
    """A TIFF whose first directory, the only one, has those tags alone that pixels are decoded by; a BigTIFF as it is."""
    order, entries = _ORDERS.get(data[:4]), _directory(data)
    if order is None or not entries:
        return Plain(data)
    found = {entry.tag: entry for entry in reversed(entries)}
    orientation = _turn(found[_ORIENTATION], order) if _ORIENTATION in found else 1
    profile = _value(data, found[_PROFILE], order) if _PROFILE in found else None
    kept = [entry.raw for entry in entries if entry.tag in _TIFF_NEEDED]
    out, start = bytearray(data), struct.unpack_from(order + "I", data, 4)[0]
    table = struct.pack(order + "H", len(kept)) + b"".join(kept) + b"\0\0\0\0"
    out[start:start + len(table)] = table  # never longer than what stood there, but for a directory that was cut off
    return Plain(bytes(out), orientation, profile)


def plain_heif(data: bytes) -> Plain:
    """A HEIF or AVIF whose Exif is an item of no known type."""
    return Plain(_EXIF_ITEM.sub(rb"\1none", data))


def _directory(data: bytes) -> list[_Entry]:
    """Entries of a TIFF's first directory, as far as they are there."""
    order = _ORDERS.get(data[:4])
    if order is None or len(data) < 8:
        return []
    start = struct.unpack_from(order + "I", data, 4)[0]
    if start + 2 > len(data):
        return []
    count = min(struct.unpack_from(order + "H", data, start)[0], _MAX_ENTRIES, (len(data) - start - 2) // 12)
    places = range(start + 2, start + 2 + 12 * count, 12)
    return [_Entry._make((*struct.unpack_from(order + "HHI", data, place), data[place:place + 12])) for place in places]


def _turn(entry: _Entry, order: str) -> int:
    """An orientation's value: SHORT, as it should be, or a BYTE or LONG; 1 for all else."""
    form = {1: "B", 3: "H", 4: "I"}.get(entry.kind)
    value = struct.unpack_from(order + form, entry.raw, 8)[0] if form else 1
    return value if value in _TURNS else 1


def _value(data: bytes, entry: _Entry, order: str) -> bytes | None:
    """The bytes of an entry that are elsewhere in the file; None where they are too many."""
    offset = struct.unpack_from(order + "I", entry.raw, 8)[0]
    return data[offset:offset + entry.count] if entry.count <= MAX_PROFILE else None


def _unpacked(packed: bytes) -> bytes | None:
    """A profile that was packed by zlib; None where it is damaged or too large."""
    try:
        unpacker = zlib.decompressobj()
        profile = unpacker.decompress(packed, MAX_PROFILE)
    except zlib.error:
        return None
    return profile if unpacker.eof else None
