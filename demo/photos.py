"""Faces of a photo, and crops of them; those of the last few photos are remembered, so that a check and the work after it look once."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from symgan_core.errors import PhotoError
from symgan_core.faces import Face, FaceCrop, FaceProvider, choose_face, read_photo
from symgan_core.generator import TriPlaneGenerator
from symgan_core.inversion import PhotoRequest, crop_face

from . import texts
from .computing import CallerThread
from .store import Recent

REMEMBERED = 4
"""Photos, and crops, in memory."""


class _File(NamedTuple):
    """A photo on disk, and when it was written."""

    path: str
    written: int


class PhotoDesk:
    """Looks at photos."""

    def __init__(self, provider: FaceProvider, generator: TriPlaneGenerator, computing: CallerThread):
        self.provider, self.generator, self.computing = provider, generator, computing
        self._found: Recent[_File, tuple[np.ndarray, list[Face]]] = Recent(REMEMBERED)
        self._cut: Recent[tuple[_File, PhotoRequest], tuple[int, FaceCrop]] = Recent(REMEMBERED)

    def faces(self, photo: str) -> tuple[np.ndarray, list[Face]]:
        """The picture, uint8 ``[H, W, 3]``, and its faces, the largest first.

        Raises:
            PhotoError: the file is gone, or is no photo.
        """
        file = _file(photo)
        found = self._found.get(file, lambda: self._find(file))
        self._drop_if_gone(photo)
        return found

    def crop(self, photo: str, request: PhotoRequest) -> tuple[int, FaceCrop]:
        """The number of the face that was asked for, or of the only one, and its crop.

        Raises:
            PhotoError: as ``faces``.
            NoFaceFound: there is no such face.
            RequestError: the pose or the crop is out of range.
        """
        file = _file(photo)
        cut = self._cut.get((file, request), lambda: self._crop(photo, request))
        self._drop_if_gone(photo)
        return cut

    def forget(self, folder: Path) -> None:
        """Drop all that is remembered of photos in ``folder``."""
        self._found.drop(lambda file: folder in Path(file.path).parents)
        self._cut.drop(lambda key: folder in Path(key[0].path).parents)

    def _drop_if_gone(self, photo: str) -> None:
        """Its visitor may have left while it was looked at: then nothing of it stays in memory."""
        if not Path(photo).is_file():
            self._found.drop(lambda file: file.path == photo)
            self._cut.drop(lambda key: key[0].path == photo)

    def _find(self, file: _File) -> tuple[np.ndarray, list[Face]]:
        picture = read_photo(file.path)
        return picture, self.computing.call(self.provider.find, picture)

    def _crop(self, photo: str, request: PhotoRequest) -> tuple[int, FaceCrop]:
        picture, faces = self.faces(photo)
        face = choose_face(faces, request.face if len(faces) != 1 else 0)
        return faces.index(face), self.computing.call(crop_face, picture, face, self.generator, request)


def _file(photo: str) -> _File:
    path = Path(photo)
    if not path.is_file():
        raise PhotoError(texts.ENGLISH.PHOTO_GONE)
    return _File(photo, path.stat().st_mtime_ns)
