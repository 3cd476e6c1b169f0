"""Of metadata, the orientation and the profile are read, and nothing in them stops a photo."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from symgan_core.faces import read_photo
from symgan_core.faces.photo.metadata import orientation_of, plain_png, plain_tiff

from .making import directory, encode, gradient

TURNED = (0x0112, 3, 1, struct.pack("<H", 6))
BROKEN = {
    "a text where a number belongs": [TURNED, (0x011A, 2, 6, b"72dpi\0")],
    "minus one over zero": [TURNED, (0x011A, 10, 1, struct.pack("<ii", -1, 0))],
    "a directory beyond the end": [TURNED, (0x8769, 4, 1, struct.pack("<I", 9999))],
    "a directory in itself": [TURNED, (0x8769, 4, 1, struct.pack("<I", 8))],
    "a type that there is not": [TURNED, (0x0132, 99, 2**31, b"")],
    "four thousand million numbers": [TURNED, (0x011A, 5, 2**32 - 1, b"")],
}


def with_exif(body: bytes, exif: bytes) -> bytes:
    return body[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif + body[2:]


@pytest.mark.parametrize("entries", BROKEN.values(), ids=BROKEN.keys())
def test_broken_exif_beside_an_orientation(entries) -> None:
    wanted = np.rot90(np.asarray(gradient()), -1).astype(int)
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        seen = read_photo(encode(gradient(), kind, exif=b"Exif\0\0" + directory(entries), **options))
        assert np.abs(seen - wanted).max() <= 2
    assert np.abs(read_photo(with_exif(encode(gradient(), "JPEG", quality=95), directory(entries))) - wanted).mean() < 6


@pytest.mark.parametrize("exif", [b"II*\0\xff\xff\xff\xff" + b"\0" * 20, b"II*\0\x08\0\0\0\1\0" + b"\x12\1\3\0\1\0\0\0" + b"\x06" * 4])
def test_broken_exif_of_an_avif_is_not_read(exif: bytes) -> None:
    """Pillow parses the block when it opens the file, and raises at a broken one."""
    whole = Image.Exif()
    whole[270] = "x" * (len(exif) - 30) if len(exif) > 30 else "x"
    data = encode(gradient(), "AVIF", exif=whole, quality=100)
    block = whole.tobytes().removeprefix(b"Exif\0\0")
    assert data.count(block) == 1
    broken = data.replace(block, exif[:len(block)].ljust(len(block), b"\xff"))
    assert np.abs(read_photo(broken).astype(int) - np.asarray(gradient())).mean() < 3


def test_a_directory_that_is_cut_off_counts_as_far_as_it_goes() -> None:
    body, exif = encode(gradient(), "JPEG", quality=95), directory([TURNED, (0x8769, 4, 1, struct.pack("<I", 9999))])
    for length in range(len(exif)):
        upright = read_photo(with_exif(body, exif[:length])).shape == (80, 120, 3)
        assert upright is (length < 22)  # eight bytes of head, two of the count, twelve of the first entry


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_of_all_formats(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    photo = read_photo(encode(gradient(), kind, exif=exif))
    wanted = gradient()
    wanted.getexif()[274] = orientation
    assert np.abs(photo.astype(int) - np.asarray(ImageOps.exif_transpose(wanted))).mean() < 6


def test_an_orientation_may_have_any_integer_type_and_order() -> None:
    for kind, form in ((1, "B"), (3, "H"), (4, "I")):
        assert orientation_of(directory([(0x0112, kind, 1, struct.pack("<" + form, 8))])) == 8
    big = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIH", 0x0112, 3, 1, 3) + b"\0" * 6
    assert orientation_of(b"Exif\0\0" + big) == 3
    for bad in (None, b"", b"Exif\0\0", b"II*\0", b"II*\0\xff\xff\xff\xff", b"\0" * 100, directory([(0x0112, 3, 1, b"\x09\0")]),
                directory([(0x0112, 2, 1, b"6\0")])):
        assert orientation_of(bad) == 1


def test_decoders_get_no_other_metadata() -> None:
    exif = Image.Exif()
    exif[270], exif[274] = "a secret", 6
    assert b"secret" in encode(gradient(), exif=exif)
    plain = plain_png(encode(gradient(), exif=exif))
    assert b"secret" not in plain.data and plain.orientation == 6
    tiff = plain_tiff(encode(gradient(), "TIFF", tiffinfo={270: "a secret", 274: 6}))
    assert tiff.orientation == 6
    assert set(Image.open(io.BytesIO(tiff.data)).tag_v2) <= {256, 257, 258, 259, 262, 273, 277, 278, 279, 284}


def test_a_packed_profile_that_is_a_bomb_is_left_alone() -> None:
    packed = zlib.compress(b"\0" * (300 * 2**20), 9)
    chunk = b"iCCP" + b"x\0\0" + packed
    data = encode(gradient())
    bomb = data[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
    assert plain_png(bomb).profile is None and np.array_equal(read_photo(bomb), np.asarray(gradient()))
