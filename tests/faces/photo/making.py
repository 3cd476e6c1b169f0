"""Photos, Exif blocks and colour profiles, made for the tests."""

import io
import struct

import numpy as np
from PIL import Image

Numbers = tuple[float, float, float]
P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
"""Display P3: red, green and blue in XYZ under D50 (as in Apple's profile)."""
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def gradient(width: int = 120, height: int = 80) -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 128 + 0 * x], -1).astype(np.uint8))


def directory(entries: list[tuple[int, int, int, bytes]]) -> bytes:
    """A little-endian Exif block of (tag, type, count, value)."""
    head, tail, offset = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)), b"", 8 + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in entries:
        if len(value) > 4:
            head += struct.pack("<HHII", tag, kind, count, offset + len(tail))
            tail += value
        else:
            head += struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
    return head + b"\0\0\0\0" + tail


def _s15(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def _profile(space: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr", connection: bytes = b"XYZ ") -> bytes:
    """An ICC profile of version 4.3 (ICC.1:2010, 7)."""
    table, body, place = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", place + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", place + len(body), b"\0" * 4, 0x04300000, kind, space, connection) + b"\0" * 12 + b"acsp" + b"\0" * 28
    return (head + _s15(0.9642, 1.0, 0.8249)).ljust(128, b"\0") + table + body


def rgb_profile(colorants: tuple[Numbers, Numbers, Numbers], gamma: float | None = None) -> bytes:
    """Of three primaries, with a plain gamma or sRGB's curve (parametric, type 3)."""
    curve = b"para\0\0\0\0\0\3\0\0" + _s15(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    if gamma is not None:
        curve = b"para\0\0\0\0\0\0\0\0" + _s15(gamma)
    tags = {b"wtpt": b"XYZ \0\0\0\0" + _s15(0.9642, 1.0, 0.8249)}
    tags |= {name + b"XYZ": b"XYZ \0\0\0\0" + _s15(*colour) for name, colour in zip((b"r", b"g", b"b"), colorants, strict=True)}
    return _profile(b"RGB ", tags | {name + b"TRC": curve for name in (b"r", b"g", b"b")})


def grey_profile(gamma: float) -> bytes:
    return _profile(b"GRAY", {b"wtpt": b"XYZ \0\0\0\0" + _s15(0.9642, 1.0, 0.8249), b"kTRC": b"para\0\0\0\0\0\0\0\0" + _s15(gamma)})


def cmyk_profile(lab: tuple[float, float, float]) -> bytes:
    """Whatever the inks, it means one colour in CIE L*a*b*."""
    one = bytes((round(lab[0] * 2.55), round(lab[1] + 128), round(lab[2] + 128)))
    same = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + _s15(1, 0, 0, 0, 1, 0, 0, 0, 1) + same * 4 + one * 16 + same * 3
    return _profile(b"CMYK", {b"A2B0": lut}, b"prtr", b"Lab ")


def in_space(picture: np.ndarray, colorants: tuple[Numbers, Numbers, Numbers], gamma: float | None = None) -> np.ndarray:
    """uint8 sRGB as the numbers of another space."""
    values = picture / 255.0
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    linear = (linear @ np.array(SRGB) @ np.linalg.inv(np.array(colorants))).clip(0, 1)
    if gamma is None:
        coded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    else:
        coded = linear ** (1 / gamma)
    return (coded * 255).round().astype(np.uint8)
