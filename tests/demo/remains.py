"""What is left of a photo on a disk, whatever its files are called; and whether finished results open."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
from PIL import Image

from demo.share import SERVED, STILL
from symgan_core.errors import SymganError
from symgan_core.faces import FaceProvider, draw_check, read_photo
from symgan_core.generator import TriPlaneGenerator
from symgan_core.inversion import PhotoRequest, Portrait3D, crop_face

PIECE, EVERY = 48, 16384
"""Bytes of a piece of the photo's file that is looked for, and from one piece to the next."""
HEADER = 100
"""Bytes at the beginning that other files may have too."""
SIDE, ALIKE = 32, 4
"""Pictures are compared at so many pixels a side; below this mean difference, of 255, they are the same one. A crop written as WebP at
quality 40 is 1.4 from itself, a share's picture of the head 8 and more from its photo."""
_HALF = re.compile(r"\.(?:partial|part|tmp)\b|^tmp[a-z0-9_]{8}$")
"""Ours, other people's, and those of Python's ``tempfile``, where Gradio writes uploads."""


class Photo:
    """A photo, and what it is told by: pieces of its file, its picture, and the crops that are made of it."""

    def __init__(self, path: Path, provider: FaceProvider, generator: TriPlaneGenerator):
        self.path, data = path, path.read_bytes()
        self.pieces = [data[start:start + PIECE] for start in range(HEADER, len(data) - PIECE, EVERY)]
        picture = read_photo(path)
        crop = crop_face(picture, provider.find(picture)[0], generator, PhotoRequest(0))
        self.pictures = [small(one) for one in (picture, crop.image, crop.picture, draw_check(crop)) if one is not None]

    def in_file(self, data: bytes) -> bool:
        """Whether a file has a piece of this one."""
        return any(piece in data for piece in self.pieces)

    def distance(self, picture: np.ndarray) -> float:
        """The mean difference of a picture, as ``small`` gives it, from the nearest one of this photo, 0 to 255."""
        return min(float(np.abs(picture - own).mean()) for own in self.pictures)


def small(picture: np.ndarray | Image.Image) -> np.ndarray:
    """A picture of any size as float ``[SIDE, SIDE, 3]``, 0 to 255."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)


def files_in(folder: Path) -> Iterator[Path]:
    """All files below a folder, links not followed."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names if not Path(parent, name).is_symlink())


def traces(folder: Path, photos: list[Photo]) -> list[str]:
    """The files below ``folder`` that hold a piece of a photo's file, or a picture that looks like a photo or its crop; and why."""
    found = []
    for path in files_in(folder):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        name = path.relative_to(folder)
        if any(photo.in_file(data) for photo in photos):
            found.append(f"{name}: bytes of the photo")
            continue
        with contextlib.suppress(OSError, SyntaxError, ValueError), Image.open(path) as image:
            picture = small(image)
            if (distance := min(photo.distance(picture) for photo in photos)) < ALIKE:
                found.append(f"{name}: a picture {distance:.1f} from the photo")
    return found


def half_files(folder: Path) -> list[str]:
    """Names below a folder that say that somebody is still writing."""
    names = (Path(parent, name).relative_to(folder) for parent, folders, files in os.walk(folder) for name in (*folders, *files))
    return [str(name) for name in names if _HALF.search(name.name)]


class Results:
    """Looks at finished results; what has been found whole is not read again until it changes."""

    def __init__(self, generator: TriPlaneGenerator):
        self.generator = generator
        self._whole: set[tuple[Path, int, int]] = set()

    def damaged(self, folder: Path) -> list[str]:
        """The files below ``folder`` that are called as those of results and shares are, and do not open; and why."""
        found = []
        for path in files_in(folder):
            if path.name not in (*SERVED, STILL, "share.json") or ".partial" in str(path.relative_to(folder)):
                continue
            seen = path, path.stat().st_mtime_ns, path.stat().st_size
            if seen in self._whole:
                continue
            try:
                self._open(path)
                self._whole.add(seen)
            except (OSError, ValueError, IndexError, SyntaxError, SymganError) as error:
                found.append(f"{path.relative_to(folder)}: {type(error).__name__} {error}")
        return found

    def _open(self, path: Path) -> None:
        if path.suffix == ".safetensors":
            Portrait3D.load(path.parent, device="cpu", base=self.generator)
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".mp4":
            with imageio.get_reader(path) as film:
                meta, there = film.get_meta_data(), sum(1 for _ in film)
                if there < round(meta["duration"] * meta["fps"]):
                    raise ValueError(f"{there} frames alone")
        else:
            with Image.open(path) as image:
                image.load()
