"""Faces through which the photo's border cuts: tight crops, cut foreheads, halves.

They are looked for in the photo and in its reflection, for half a face and its mirror image look like one. The mesh (``mesh.py``) completes
what it cannot see, if it looks about the right way: it reads from many places, and what most of them say is right. What lies beyond the
border misleads each reading in its own way, and so the pose is a mean: the mesh with the border going on, the mesh before grey, and the
second look before grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from .align import inside_photo
from .blaze import Detection, detect, merged
from .closeup import from_nearer, read_squares
from .detect import face_of
from .frames import Pyramid
from .mesh import WIDER, fitted_head, mesh_square, read_mesh
from .provider import Face

CUT, LOST = 0.3, 0.05
"""A face is read anew where less of its head's frame lies within the photo, or more of its points lie outside."""
WHOLE, FILLS = 0.75, 0.8
"""A head is the photo's own where its frame lies within it by that share, or is so many of its shorter sides wide; where there is none,
more faces are looked for at the borders."""
SHARES, WIDEST = (0.6, 0.8, 1.0, 1.3), 2.0
"""Squares around corners, borders and middle of the photo, and the one around all of it, in longer sides."""
SCORE, BEYOND = 0.5, 0.15
"""Least probability of a detection, and how far its middle may lie beyond the photo, in its sides."""
TRIED = 4
"""At most so many detections of a photo are read, the likeliest first."""
TURNS, SHIFTS = (-25.0, 0.0, 25.0), ((0.0, 0.0, 1.0), (-0.2, 0.0, 1.1), (0.2, 0.0, 1.1), (0.0, 0.2, 1.1), (0.0, -0.2, 1.1))
"""Where the mesh reads from: degrees, and shifts (x, y) in sides of the face with how much wider the square is."""
PRESENT, NEAR, AGREED = 0.8, 0.1, 3
"""Least probability of a mesh that counts; how far its points may lie from the middle of all, in diagonals of the face; and how many
have to."""
GUESSED = 0.3
"""How much a point of the mesh outside the photo counts, beside one that is seen."""
SURE = 0.09
"""How sure the second look has to be (``Closeup.sure``)."""


def with_border(image: Pyramid, faces: Sequence[Face]) -> list[Face]:
    """Faces of a picture ``[1, 3, H, W]`` in [-1, 1], the largest first: those through which its border cuts are read anew, and where none
    is the photo's own more are looked for."""
    shape, found = image.shape[2:], [_steadied(image, face) if is_cut(face, image.shape[2:]) else face for face in faces]
    if any(not is_cut(face, shape) and (_framed(face, shape) >= WHOLE or _side(face) >= FILLS * min(shape)) for face in faces):
        return sorted(found, key=lambda face: -_side(face))
    for detection in _proposals(image)[:TRIED]:
        if not any(_covers(face, detection) for face in found):
            face = read_cut_face(image, detection.square, detection.score)
            if face is not None and not any(_same(face, other) for other in found):
                found.append(face)
    return sorted(found, key=lambda face: -_side(face))


def is_cut(face: Face, shape: tuple[int, ...]) -> bool:
    """Whether the border of a photo of that shape (H, W, ...) cuts through a face."""
    outside = ((face.contour < 0) | (face.contour >= shape[1::-1])).any(1)
    return bool(_framed(face, shape) < CUT or outside.mean() > LOST)


def _steadied(image: Pyramid, face: Face) -> Face:
    """A face that is cut, read anew; as it was where that sees nobody."""
    low, high = face.contour.min(0), face.contour.max(0)
    axis = face.frame[:2] / np.hypot(*face.frame[:2])
    found = read_cut_face(image, np.concatenate([(high - low).max() * axis, (low + high) / 2]), face.score)
    return found if found is not None and _same(found, face) else face


def read_cut_face(image: Pyramid, square: np.ndarray, score: float) -> Face | None:
    """The face in or beside a detector's square ``[4]`` (a, b, x, y), with the detector's probability; None where the mesh does not
    find the same face from several places, or the second look sees none."""
    points = _agreed(image, square)
    if points is None:
        return None
    height, width = image.shape[2:]
    inside = ((points >= 0) & (points < (width, height))).all(1)
    framed = [fitted_head(points, np.where(inside, 1.0, GUESSED)),
              fitted_head(read_mesh(image, mesh_square(points), 1, "zeros").points)]
    close, = read_squares(image, torch.as_tensor(framed[0][0], dtype=torch.float32)[None], "zeros")
    if close.sure < SURE:
        return None
    near = from_nearer(image, close, "zeros")
    readings = [*framed, (close.frame, near.yaw, near.pitch)]
    frame, (yaw, pitch) = np.mean([one[0] for one in readings], 0), np.mean([one[1:] for one in readings], 0)
    return face_of(replace(near, frame=frame.astype(np.float32), yaw=float(yaw), pitch=float(pitch)), score)


def _framed(face: Face, shape: tuple[int, ...]) -> float:
    return float(inside_photo(face.frame, shape, 32).mean())


def _side(face: Face) -> float:
    return float(np.hypot(*face.frame[:2]))


def _same(one: Face, other: Face) -> bool:
    return bool(np.hypot(*(one.frame[2:] - other.frame[2:])) < 0.3 * max(_side(one), _side(other)))


def _covers(face: Face, detection: Detection) -> bool:
    """Whether a detection is of that face."""
    middle = (face.contour.min(0) + face.contour.max(0)) / 2
    return bool(np.hypot(*(detection.square[2:] - middle)) < 0.5 * max(np.hypot(*detection.square[:2]), 0.5 * _side(face)))


def _proposals(image: Pyramid) -> list[Detection]:
    """What may be a face, the likeliest first, each once."""
    height, width = image.shape[2:]
    squares = [(WIDEST * max(height, width), width / 2, height / 2)]
    squares += [(share * max(height, width), x * width, y * height) for share in SHARES for x in (0, 0.5, 1) for y in (0, 0.5, 1)]
    found = [one for side, x, y in squares for padding in ("border", "reflection")
             for one in detect(image, torch.tensor([side, 0.0, x, y]), SCORE, padding)]
    least, most = np.array([-BEYOND, 1 + BEYOND])[:, None] * (width, height)
    return merged([one for one in found if (one.square[2:] > least).all() and (one.square[2:] < most).all()])


def _agreed(image: Pyramid, square: np.ndarray) -> np.ndarray | None:
    """Points ``[468, 2]`` of the face that the mesh finds from several places around a square; None where these do not agree."""
    meshes = [mesh for mesh in (read_mesh(image, start, 3) for start in _starts(square)) if mesh.present >= PRESENT]
    if not meshes:
        return None
    middle = np.median([mesh.points for mesh in meshes], 0)
    size = float(np.hypot(*np.ptp(middle, axis=0)))
    close = [mesh.points for mesh in meshes if np.linalg.norm(mesh.points - middle, axis=1).mean() < NEAR * size]
    return np.median(close, 0) if len(close) >= AGREED else None


def _starts(square: np.ndarray) -> list[np.ndarray]:
    """Squares for the mesh around a face in a square ``[4]``."""
    out = []
    for turn in np.radians(TURNS):
        axis = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ square[:2]
        for right, down, wider in SHIFTS:
            shift = right * square[:2] + down * np.array([-square[1], square[0]])
            out.append(np.concatenate([WIDER * wider * axis, square[2:] + shift]))
    return out
