"""The segments of a JPEG (ITU-T T.81, annex B): what is decoded, without metadata, and how much of it is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...errors import PhotoError
from .limits import MAX_PROFILE, MAX_SCANS
from .metadata import orientation_of

_ALONE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a length."""
_FRAMES = {0xC0, 0xC1, 0xC2}
_PROGRESSIVE, _SCAN, _END = 0xC2, 0xDA, 0xD9
_NEXT = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""The end of the coded data of a scan."""


@dataclass
class Jpeg:
    """``data``: the first picture of the file, without metadata; its end marker only where it was there."""

    data: bytes = b""
    orientation: int = 1
    profile: bytes | None = None
    whole: bool = False
    """Whether its end is there."""
    layered: bool = False
    """Progressive, or one component after another: all of its coefficients are in memory at once, and each scan visits all rows."""
    refined: bool = False
    """Whether a scan with detail of the brightness is there from its begin to its end."""
    _profiles: dict[int, bytes] = field(default_factory=dict)


def split_jpeg(data: bytes) -> Jpeg:
    """What a JPEG holds. Segments that cannot be followed are left to the decoder.

    Raises:
        PhotoError: it has more scans than encoders write.
    """
    out, kept, components, place = Jpeg(), [b"\xff\xd8"], 0, 2
    for marker, begin, end in _segments(data, 2):
        place = end
        body = data[begin + 4:end]
        if marker == _SCAN:
            place = begin
            break
        if marker in _FRAMES:
            components, out.layered = (body[5] if len(body) > 5 else 0), marker == _PROGRESSIVE
        if marker == 0xFE or (0xE1 <= marker <= 0xEF and marker != 0xEE):  # comments and all applications but Adobe's, the colour space
            _note(out, marker, body)
        else:
            kept.append(data[begin:end])
    stop = _follow_scans(out, data, place, components)
    out.data = b"".join([*kept, data[place:stop], b"\xff\xd9" if out.whole else b""])
    numbers = sorted(out._profiles)
    if numbers and numbers == list(range(1, len(numbers) + 1)) and sum(map(len, out._profiles.values())) <= MAX_PROFILE:
        out.profile = b"".join(out._profiles[number] for number in numbers)
    return out


def _segments(data: bytes, place: int) -> Iterator[tuple[int, int, int]]:
    """Marker, begin and end of one segment after the other, as far as they follow each other and are whole."""
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # padding
            place += 1
            continue
        end = place + 2 if marker in _ALONE else place + 2 + int.from_bytes(data[place + 2:place + 4], "big")
        if marker == _END or end > len(data) or (end < place + 4 and marker not in _ALONE):
            return
        yield marker, place, end
        place = end


def _note(out: Jpeg, marker: int, body: bytes) -> None:
    """Keep what is asked of metadata."""
    if marker == 0xE1 and body.startswith(b"Exif\0\0") and out.orientation == 1:
        out.orientation = orientation_of(body)
    elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0") and len(body) > 14:
        out._profiles.setdefault(body[12], body[14:])


def _follow_scans(out: Jpeg, data: bytes, place: int, components: int) -> int:
    """Count the scans from the first on; where the coded data end."""
    if data[place:place + 2] != b"\xff\xda":  # not to be followed
        out.whole = True
        return len(data)
    scans, detail = 0, False
    while True:
        marker, length = data[place + 1:place + 2], int.from_bytes(data[place + 2:place + 4], "big")
        out.refined = out.refined or detail
        if marker == b"\xd9":
            out.whole = True
            return place
        if marker == b"\xda":
            scans += 1
            if scans > MAX_SCANS:
                raise PhotoError("The picture is a progressive JPEG of too many scans.", "Save it again as JPEG or PNG.")
            header = data[place + 4:place + 2 + length]
            out.layered = out.layered or (bool(header) and header[0] < components)
            # of one component, the first, from a coefficient above the first on (T.81, B.2.3)
            detail = len(header) >= 6 and header[0] == 1 and header[1] in (0, 1) and header[3] > 0
        found = _NEXT.search(data, place + 2 + length)
        if found is None:
            return len(data.rstrip(b"\xff"))
        place = found.start()
