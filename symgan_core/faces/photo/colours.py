"""From whatever numbers a file holds to 8-bit sRGB: depth, transparency, palettes, CMYK, colour profiles."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms

from .limits import MAX_PROFILE, WORK_SIDE

_STRIP = 4 * 2**20
"""Pixels that are converted at a time: memory holds the picture as it was decoded and little more."""
_SEEN = 8
"""An alpha below this everywhere, of 255, hides the whole picture: no photo is meant so, and it is ignored."""
_FLAT = 4
"""Of 255: a picture without larger differences shows nothing."""
_DEPTHS = (255, 1023, 4095, 16383, 65535)
"""Largest values of 8 to 16 bits. PNG always means the last (PNG 3rd edition, 13.12); in a TIFF, cameras of 10 to 14 bits leave the
upper bits empty."""
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Of pictures, by the colour space of a profile."""


def flattened(image: Image.Image, kind: str) -> Image.Image:
    """8 bits, in L, RGB or CMYK, over white, with a longer side below ``3 * WORK_SIDE``.

    Args:
        kind: the format that it came from.
    """
    scale = _scale(image, kind)
    hidden = _has_alpha(image) and max(int(np.asarray(_alpha(strip)).max()) for _, strip in _strips(image, 1)) < _SEEN
    factor = max(1, max(image.size) // (2 * WORK_SIDE))
    if factor == 1 and image.width * image.height <= _STRIP:
        return _eight_bits(image, scale, hidden)
    out = None
    for top, strip in _strips(image, factor):
        flat = _eight_bits(strip, scale, hidden)
        flat = flat.reduce(factor) if factor > 1 else flat
        if out is None:
            out = Image.new(flat.mode, (-(-image.width // factor), -(-image.height // factor)))
        out.paste(flat, (0, top // factor))
    assert out is not None
    return out


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB as screens show it. A profile that is damaged, too large, or of another kind of picture is ignored, as browsers do."""
    if profile and len(profile) <= MAX_PROFILE:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            mode = _MODES.get(str(getattr(source.profile, "xcolor_space", "")).strip())
            if mode == "RGB" and image.mode == "L":
                image = image.convert("RGB")
            if mode == image.mode:
                turned = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
                return turned or image.convert("RGB")
        except Exception:  # whatever the reader of profiles makes of a hostile one, the picture is there
            return image.convert("RGB")
    return image.convert("RGB")


def shows_something(image: Image.Image) -> bool:
    """Whether a flattened picture has more than one colour."""
    values = np.asarray(image)
    return bool((values.max((0, 1)).astype(int) - values.min((0, 1)) > _FLAT).any())


def _strips(image: Image.Image, factor: int) -> Iterator[tuple[int, Image.Image]]:
    """First row, a multiple of ``factor``, and picture of some rows at a time."""
    rows = factor * max(1, _STRIP // (image.width * factor))
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(image.height, top + rows)))


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _alpha(image: Image.Image) -> Image.Image:
    return (image if image.mode in ("RGBA", "LA") else image.convert("RGBA")).getchannel("A")


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I;16") or image.mode in ("I", "F")


def _scale(image: Image.Image, kind: str) -> float:
    """What the values of a deep picture are multiplied with to fill 0 to 255."""
    if not _is_deep(image):
        return 1.0
    top = max(_largest(np.asarray(strip)) for _, strip in _strips(image, 1))
    if image.mode == "F" and top <= 2:  # 0 to 1, with some highlights beyond
        return 255.0
    if kind == "PNG" and top > 255:
        return 255 / 65535
    return 255 / next((depth for depth in (_DEPTHS if image.mode != "F" else (255, 65535)) if top <= depth), top)


def _largest(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size else 0.0


def _eight_bits(image: Image.Image, scale: float, hidden: bool) -> Image.Image:
    if _is_deep(image):
        values = np.nan_to_num(np.asarray(image).astype(np.float32), nan=0.0, posinf=np.inf, neginf=0.0)
        return Image.fromarray((values * np.float32(scale)).clip(0, 255).round().astype(np.uint8))
    if _has_alpha(image):
        mode = "L" if image.mode in ("L", "LA", "La") else "RGB"
        rgba = image.convert("RGBA")
        if not hidden:
            rgba = Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba)
        return rgba.convert("RGB").convert(mode)
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")
