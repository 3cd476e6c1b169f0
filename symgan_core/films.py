"""Pictures in a row as a film: MP4, GIF or WebP, as the ending of the file's name says."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .errors import RequestError
from .files import whole_file

FRAMES_PER_SECOND = 24
WEBP_QUALITY = 80
COLOURS_FROM = 12
"""Frames that a GIF's colours are chosen from."""


def film_kind(path: str | Path) -> str:
    """The ending of a film's name: ".mp4", ".gif" or ".webp".

    Raises:
        RequestError: another one.
    """
    kind = Path(path).suffix.lower()
    if kind not in WRITERS:
        raise RequestError(f"'{Path(path).name}' is not a film's name.", f"End it in {', '.join(WRITERS)}.")
    return kind


def write_video(pictures: Sequence[np.ndarray], path: str | Path, side: int | None = None) -> Path:
    """Write a film that loops, 24 pictures a second; the file appears whole or not at all.

    An MP4 is H.264 (yuv420p, faststart), which every browser plays; GIF and WebP repeat by themselves. A GIF counts time in hundredths of a
    second and so runs at 25 pictures a second.

    Args:
        pictures: uint8 ``[S, S, 3]`` each.
        side: pixels of the film; by default the pictures' own. MP4 needs an even number: an odd one is made one smaller.

    Raises:
        RequestError: the name ends in something else than .mp4, .gif or .webp.
    """
    path = Path(path)
    kind = film_kind(path)
    side = side or pictures[0].shape[1]
    with whole_file(path) as partial:
        WRITERS[kind]([resized_picture(picture, side - side % 2 if kind == ".mp4" else side) for picture in pictures], partial)
    return path


def resized_picture(picture: np.ndarray, side: int) -> np.ndarray:
    """A square picture, uint8, ``side`` pixels a side."""
    if picture.shape[:2] == (side, side):
        return picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))


def _write_mp4(pictures: Sequence[np.ndarray], path: Path) -> None:
    import imageio.v2 as imageio

    options = ["-movflags", "+faststart", "-crf", "18"]
    with imageio.get_writer(str(path), format="FFMPEG", mode="I", fps=FRAMES_PER_SECOND, codec="libx264", pixelformat="yuv420p",
                            quality=None, macro_block_size=2, output_params=options) as writer:
        for picture in pictures:
            writer.append_data(picture)
    if not _is_whole_mp4(path):  # ffmpeg's end is not looked at by its wrapper
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _is_whole_mp4(path: Path) -> bool:
    """Whether the boxes of a file (ISO/IEC 14496-12, 4.2) fill it exactly, an index (moov) among them, which is written last of all."""
    data, at, kinds = path.read_bytes(), 0, set()
    while at + 8 <= len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        if size < 8:  # a size of 64 bits, or "to the end", which no film of seconds has
            return False
        kinds.add(data[at + 4:at + 8])
        at += size
    return at == len(data) and b"moov" in kinds


def _write_gif(pictures: Sequence[np.ndarray], path: Path) -> None:
    """One palette for all frames: a palette for each would flicker."""
    some = np.concatenate(pictures[:: -(-len(pictures) // COLOURS_FROM)], 0)[::2, ::2]
    palette = Image.fromarray(some).quantize(255, Image.Quantize.MEDIANCUT)
    first, *others = (Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for picture in pictures)
    first.save(path, "GIF", save_all=True, append_images=others, duration=40, loop=0)


def _write_webp(pictures: Sequence[np.ndarray], path: Path) -> None:
    first, *others = (Image.fromarray(picture) for picture in pictures)
    first.save(path, "WEBP", save_all=True, append_images=others, duration=round(1000 / FRAMES_PER_SECOND), loop=0, quality=WEBP_QUALITY,
               method=2)


WRITERS: dict[str, Callable[[Sequence[np.ndarray], Path], None]] = {".mp4": _write_mp4, ".gif": _write_gif, ".webp": _write_webp}
