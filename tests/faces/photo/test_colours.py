"""Colours come out as sRGB, whatever numbers a file holds."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from symgan_core.faces import read_photo

from .making import ADOBE, P3, cmyk_profile, encode, gradient, grey_profile, in_space, rgb_profile


def apart(data: bytes, wanted: np.ndarray) -> int:
    return int(np.abs(read_photo(data).astype(int) - wanted.astype(int)).max())


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF", "JPEG"])
@pytest.mark.parametrize(("colorants", "gamma"), [(P3, None), (ADOBE, 2.19921875)])
def test_other_spaces_of_colour_become_srgb(kind: str, colorants, gamma, astronaut: np.ndarray) -> None:
    stored = in_space(astronaut, colorants, gamma)
    options = {"WEBP": {"lossless": True, "exact": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"},
               "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
    data = encode(Image.fromarray(stored), kind, icc_profile=rgb_profile(colorants, gamma), **options)
    off = np.abs(read_photo(data).astype(int) - astronaut.astype(int))
    assert off.mean() < 1 and np.percentile(off, 99) <= 2 + 2 * (kind in ("JPEG", "AVIF"))
    if kind == "PNG":
        assert np.percentile(off, 99.9) <= 2
    assert np.abs(stored.astype(int) - astronaut.astype(int)).mean() > 3  # without the profile, it would be wrong


def test_grey_and_cmyk_profiles_are_followed() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    linear = (ramp / 255.0) ** 1.8
    wanted = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    assert apart(encode(Image.fromarray(ramp), icc_profile=grey_profile(1.8)), wanted.round()[..., None].repeat(3, 2)) <= 2
    inks = Image.new("CMYK", (64, 64), (200, 20, 30, 10))
    seen = read_photo(encode(inks, "TIFF", icc_profile=cmyk_profile((53.2, 80.1, 67.2))))  # L*a*b* of pure red
    assert np.abs(seen[32, 32].astype(int) - (255, 0, 0)).max() <= 12  # 8 bits of L*a*b* are coarse
    assert read_photo(encode(inks, "TIFF"))[32, 32].tolist() == list(inks.convert("RGB").getpixel((0, 0)))


def test_a_grey_picture_follows_the_curve_of_a_colour_profile() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    grey = read_photo(encode(Image.fromarray(ramp), icc_profile=rgb_profile(ADOBE, 1.0)))
    colour = read_photo(encode(Image.fromarray(ramp).convert("RGB"), icc_profile=rgb_profile(ADOBE, 1.0)))
    assert np.array_equal(grey, colour) and grey[0, 128, 0] > 180


def test_profiles_that_cannot_be_used_are_ignored() -> None:
    whole = rgb_profile(P3)
    wanted = np.asarray(gradient())
    for profile in (b"no profile", whole[:200], whole[:128] + b"\xff" * 400, grey_profile(1.8), cmyk_profile((50, 0, 0)),
                    whole + b"\0" * (5 * 2**20), ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()):
        assert apart(encode(gradient(), icc_profile=profile), wanted) == 0
    assert apart(encode(gradient(), icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()), wanted) <= 1


def test_the_scale_of_deep_pictures_is_found(astronaut: np.ndarray) -> None:
    grey = np.asarray(Image.fromarray(astronaut).convert("L"))
    wanted = grey[..., None].repeat(3, 2)
    unit = grey / np.float32(255)
    assert apart(encode(Image.fromarray(unit), "TIFF"), wanted) == 0
    assert apart(encode(Image.fromarray(unit * np.float32(255)), "TIFF"), wanted) == 0
    assert apart(encode(Image.fromarray(unit * np.float32(65535)), "TIFF"), wanted) == 0
    holed = unit.copy()
    holed[:4, :4] = (np.nan, np.inf, -np.inf, -3)
    assert apart(encode(Image.fromarray(holed), "TIFF"), np.where(np.isnan(holed) | (holed < 0), 0, np.where(np.isinf(holed), 255, grey)
                                                                  )[..., None].repeat(3, 2)) == 0
    for kind, top in (("PNG", 65535), ("TIFF", 65535), ("TIFF", 4095)):
        deep = (unit * top).round().astype(np.uint16)
        assert apart(encode(Image.fromarray(deep), kind), wanted) <= 1
    dark = (unit * 4000).round().astype(np.uint16)  # a PNG says how much is white
    assert read_photo(encode(Image.fromarray(dark))).max() == 16


def test_a_transparency_that_hides_everything_is_ignored(astronaut: np.ndarray) -> None:
    clear = Image.fromarray(astronaut).convert("RGBA")
    clear.putalpha(0)
    assert apart(encode(clear), astronaut) == 0
    grey = Image.fromarray(astronaut).convert("LA")
    grey.putalpha(0)
    assert apart(encode(grey), np.asarray(grey.convert("L"))[..., None].repeat(3, 2)) == 0
    palette = Image.fromarray(astronaut).quantize(64)
    assert apart(encode(palette, transparency=bytes(64)), np.asarray(palette.convert("RGB"))) == 0
    clear.putpixel((5, 5), (1, 2, 3, 255))  # as soon as something is shown, it counts
    shown = read_photo(encode(clear))
    assert shown[5, 5].tolist() == [1, 2, 3] and shown[100:].min() == 255


def test_large_pictures_of_every_mode_are_scaled_before_they_are_converted() -> None:
    small = gradient(600, 60)
    wanted = np.asarray(small.resize((2048, 205))).astype(int)
    for mode, kind in (("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("CMYK", "TIFF")):
        large = small.resize((9000, 900)).convert(mode)
        options = {"compression": "tiff_lzw"} if kind == "TIFF" else {"compress_level": 1}
        assert np.abs(read_photo(encode(large, kind, **options)).astype(int) - wanted).mean() < (8 if mode == "P" else 2)
