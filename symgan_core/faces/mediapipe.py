"""The provider ``mediapipe``, the default: MediaPipe's networks find faces, for they know real ones; our second look reads them.

The detector proposes, the mesh judges, and the head whose points lie as the mesh does says where to look. Points and pose are those of the
second look: beside hand marks they are nearer than the mesh's (``docs/training.md``).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from .blaze import DETECTOR, Detection, detect, merged
from .border import with_border
from .detect import BuiltinFaces, faces_in_frames, turned
from .frames import Pyramid, as_tensor
from .mesh import MESH, PRESENT, WIDER, Mesh, fitted_head, mean_head, read_mesh
from .provider import Face
from .runtime import load_session

WHOLE = (1.0, 1.6)
"""Squares around the whole photo, in longer sides of it: the wider one finds who fills the photo."""
TILES = (0.6, 0.35, 0.2)
"""Squares all over the photo, in shorter sides of it, for small faces."""
OVERLAP = 0.4
"""Of neighbouring tiles: a face on the seam of two lies within a third."""
SCORE, LIKELY = 0.5, 0.6
"""Least probability of a detection, and of one that is taken as good as on its word."""
DOUBTFUL, SURE = 0.08, 0.13
"""How sure the second look has to be of a likely detection (``Closeup.sure``), and of another: half a face at the seam of tiles, or a
collar."""
LOOKS = 60
"""At most so many detections of a photo are looked at, the likeliest first."""
SAME = 0.3
"""Faces whose middles are nearer than that share of the larger one's side are one."""
LARGE, TURNS = 0.5, (90.0, -90.0, 180.0)
"""Where nobody is found the photo is looked at again, turned by so many degrees and in squares larger than that share of the
shorter side: files forget how the camera was held."""


class MediapipeFaces:
    """Works offline, with the networks that ship in ``weights/mediapipe``. Where they find nobody, ``builtin`` looks.

    Raises:
        CheckpointError: the weights are damaged.
        ImportError: onnxruntime is not installed.
    """

    name = "mediapipe"

    def __init__(self) -> None:
        for path in (DETECTOR, MESH):
            load_session(path)
        mean_head()

    def find(self, photo: np.ndarray) -> list[Face]:
        image = Pyramid(as_tensor(photo))
        upright = views(*photo.shape[:2])
        large = upright[upright[:, 0] > LARGE * min(photo.shape[:2])]
        for squares in (upright, *(turned(large, turn) for turn in TURNS)):
            heads = [(torch.from_numpy(fitted_head(mesh.points)[0]).float(), score) for mesh, score in find_meshes(image, squares)]
            faces = [face for face in faces_in_frames(image, heads) if face.sure >= (DOUBTFUL if face.score >= LIKELY else SURE)]
            if faces:
                return with_border(image, faces)
        return with_border(image, []) or BuiltinFaces().find(photo)


def find_meshes(image: Pyramid, squares: Tensor) -> list[tuple[Mesh, float]]:
    """Meshes of the faces in squares ``[N, 4]`` of a picture, one each, with the detector's probabilities, the likeliest first."""
    found: list[tuple[Mesh, float]] = []
    for detection in merged([face for square in squares for face in detect(image, square, SCORE)])[:LOOKS]:
        mesh = read_mesh(image, level_square(detection))
        if mesh.present >= PRESENT and not any(_same(mesh, other) for other, _ in found):
            found.append((mesh, detection.score))
    return found


def views(height: int, width: int) -> Tensor:
    """Squares ``[N, 4]`` (a, b, x, y) in which faces of a photo of that size are looked for."""
    out = [(share * max(height, width), 0.0, width / 2, height / 2) for share in WHOLE]
    for share in TILES:
        side = share * min(height, width)
        rows, columns = (np.linspace(side / 2, length - side / 2, 1 + math.ceil((length - side) / ((1 - OVERLAP) * side)))
                         for length in (height, width))
        out += [(side, 0.0, x, y) for y in rows for x in columns]
    return torch.tensor(out, dtype=torch.float32)


def level_square(detection: Detection) -> np.ndarray:
    """The square (a, b, x, y) around a detection in which its eyes are level."""
    across = detection.points[1] - detection.points[0]
    side = WIDER * np.hypot(*detection.square[:2])
    return np.concatenate([side * across / max(np.hypot(*across), 1e-6), detection.square[2:]])


def _same(one: Mesh, other: Mesh) -> bool:
    side = max(np.hypot(*mesh.square[:2]) for mesh in (one, other)) / WIDER
    return bool(np.hypot(*(one.square[2:] - other.square[2:])) < SAME * side)
