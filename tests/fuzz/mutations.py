"""What is done to bytes."""

from __future__ import annotations

import random
import struct

SPOTS = (b"Exif", b"ICC_PROFILE", b"iCCP", b"eXIf", b"ICCP", b"EXIF", b"II*\0", b"\xff\xc0", b"\xff\xc2", b"\xff\xda", b"\xff\xc4", b"IHDR",
         b"PLTE", b"tRNS", b"fcTL", b"IDAT", b"ispe", b"hvcC", b"av1C", b"iloc", b"infe", b"ipma", b"ANMF", b"VP8", b"acsp", b"GIF8", b"BM")
"""Where formats say how much there is of what."""
NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 12000, 65500)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One to four changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice((_flip, _flip, _number, _number, _number, _near, _near, _near, _cut, _cut, _drop, _double, _noise))(data, rng)
    return data


def _flip(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 64))):
        if out:
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _written(data: bytes, place: int, rng: random.Random) -> bytes:
    form = rng.choice(("B", "<H", ">H", "<I", ">I"))
    packed = struct.pack(form, rng.choice(NUMBERS) & (2 ** (8 * struct.calcsize(form)) - 1))
    return data[:place] + packed + data[place + len(packed):]


def _number(data: bytes, rng: random.Random) -> bytes:
    return _written(data, rng.randrange(len(data) + 1), rng)


def _near(data: bytes, rng: random.Random) -> bytes:
    """A number near one of the spots."""
    found = [place for spot in SPOTS if (place := data.find(spot)) >= 0]
    return _written(data, min(rng.choice(found) + rng.randrange(48), len(data)), rng) if found else _number(data, rng)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[:rng.choice((len(data) - rng.randrange(1, 40), rng.randrange(len(data) + 1)))] if data else data


def _drop(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + data[place + rng.choice((1, 4, 100)):]


def _double(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + data[place:place + rng.choice((4, 64, 2000))] * rng.choice((2, 20)) + data[place:]


def _noise(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.randbytes(rng.choice((4, 64, 400))) + data[place + 64:]
