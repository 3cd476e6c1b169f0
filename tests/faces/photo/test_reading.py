import io
import warnings

import numpy as np
import pytest
from PIL import Image

from symgan_core.errors import PhotoError
from symgan_core.faces import read_photo

from .making import encode, gradient


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_common_formats(kind: str) -> None:
    photo = read_photo(encode(gradient(), kind))
    assert photo.shape == (80, 120, 3) and photo.dtype == np.uint8
    assert np.abs(photo.astype(int) - np.asarray(gradient())).mean() < 6


def test_exif_rotation_is_applied() -> None:
    exif = Image.Exif()
    exif[274] = 6  # to be shown turned clockwise
    photo = read_photo(encode(gradient(), "JPEG", exif=exif, quality=95))
    assert photo.shape == (120, 80, 3)
    assert np.abs(photo.astype(int) - np.rot90(np.asarray(gradient()), -1)).mean() < 6


def test_transparency_lies_over_white() -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 32, 64))
    photo = read_photo(encode(image))
    assert photo[10, 10].tolist() == [0, 0, 255] and photo[10, 50].tolist() == [255, 255, 255]


def test_sixteen_bit_cmyk_grey_and_palette_become_rgb() -> None:
    deep = Image.fromarray((np.linspace(0, 65535, 100 * 100).reshape(100, 100)).astype(np.uint16))
    photo = read_photo(encode(deep))
    assert photo[0, 0].max() == 0 and photo[-1, -1].min() == 255
    for mode, kind in (("CMYK", "JPEG"), ("L", "PNG"), ("P", "PNG")):
        assert read_photo(encode(gradient().convert(mode), kind)).shape == (80, 120, 3)


def test_large_photos_are_scaled_down() -> None:
    assert read_photo(encode(gradient(5000, 3000), "JPEG")).shape == (1229, 2048, 3)


def test_refusals_are_one_helpful_line(tmp_path) -> None:
    text = tmp_path / "photo.png"
    text.write_text("this is not a picture")
    empty = tmp_path / "empty.png"
    empty.touch()
    whole = encode(gradient(400, 400), "JPEG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        huge = io.BytesIO()
        Image.new("1", (20_000, 20_000)).save(huge, "PNG")
        for source in (text, empty, tmp_path / "none.png", tmp_path, whole[: len(whole) // 3], huge.getvalue(),
                       encode(gradient(20_000, 70)), encode(gradient(30, 30)), b"GIF89a" + b"\0" * 20):
            with pytest.raises(PhotoError) as error:
                read_photo(source)
            assert "\n" not in str(error.value) and error.value.help


def test_formats_outside_the_list_are_not_even_parsed() -> None:
    with pytest.raises(PhotoError, match="not a picture"):
        read_photo(encode(gradient(), "PPM"))
    with pytest.raises(PhotoError, match="not a picture"):
        read_photo(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
