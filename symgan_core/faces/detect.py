"""The provider ``builtin``, and what all providers share: how a square becomes a face.

scikit-image's cascade (inside the package) and a coarse grid propose squares; our own networks judge them and read pose, points and frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .closeup import Closeup, from_nearer, read_squares
from .frames import Pyramid, as_tensor, compose_frames, cut_squares
from .maps import JAW, feature_points
from .network import INPUT, FaceReading, load_face_network
from .provider import MOST_FACES, Face

WORK = 640
"""Faces are looked for on a picture scaled to this longer side."""
PROPOSED, REFUSED = 0.5, 0.1
"""Least probability, by the first network, of a square that is worth refining, and of a refined one that is worth a second look."""
OUTSIDE = 0.2
"""The middle of a head that is cut off may lie so many sides of the photo beyond its border."""
SURE, WORD, DOUBTFUL = 0.16, 0.03, 0.08
"""How sure the second look has to be of a face (``Closeup.sure``), with what the first network's probability adds to that; and how sure
before it has found the frame."""
LOOKS = 24
"""At most so many squares of a photo get a second look, the likeliest first."""
CONVINCING, MARGIN, TURNS = 0.155, 0.02, (90.0, -90.0, 180.0)
"""Where the second look is no surer of anybody than that, a photo is looked at again, turned by so many degrees: files forget how the
camera was held. Of somebody in a turned photo it has to be surer by the margin."""
SHARES = (1.7, 1.3, 1.0, 0.68, 0.46, 0.32, 0.22)
LARGE = SHARES[:5]
"""Sides of squares that are looked at, in shorter sides of the photo: all, and those of a photo that is turned."""
SHOWN = 0.5
"""Least share of a face's points that the second look can see; half of them are hidden in a full profile."""
BATCH = 64
"""Squares that the network reads at once."""
WIDER = 1.15
"""The network looks at a square that is so much wider than the head's frame."""


class BuiltinFaces:
    """Works offline, with what this repository and scikit-image ship."""

    name = "builtin"

    def find(self, photo: np.ndarray) -> list[Face]:
        scale = min(1.0, WORK / max(photo.shape[:2]))
        size = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
        small = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BOX)) if scale < 1 else photo
        squares = [*cascade_squares(small), *grid_squares(*small.shape[:2])]
        faces = read_faces(photo, torch.tensor(squares, dtype=torch.float32) / scale)
        if _surest(faces) > CONVINCING:
            return faces
        grid = torch.tensor(grid_squares(small.shape[0], small.shape[1], LARGE), dtype=torch.float32) / scale
        for turn in TURNS:
            others = read_faces(photo, turned(grid, turn))
            faces = others if _surest(others) > _surest(faces) + MARGIN else faces
        return faces


def cascade_squares(small: np.ndarray) -> list[tuple[float, float, float, float]]:
    """(side, 0, x, y) squares around what scikit-image's frontal cascade fires at, leniently set."""
    import skimage.data
    from skimage.feature import Cascade

    cascade = Cascade(skimage.data.lbp_frontal_face_cascade_filename())
    low = max(24, min(small.shape[:2]) // 16)
    found = cascade.detect_multi_scale(img=small, scale_factor=1.2, step_ratio=1, min_size=(low, low),
                                       max_size=(max(small.shape[:2]),) * 2, min_neighbor_number=1)
    return [(1.9 * f["width"], 0.0, f["c"] + f["width"] / 2, f["r"] + f["height"] / 2) for f in found]


def grid_squares(height: int, width: int, shares: Sequence[float] = SHARES) -> list[tuple[float, float, float, float]]:
    """Squares all over the picture, their sides ``shares`` of its shorter one: turned and tilted faces, which the cascade misses."""
    out = []
    for share in shares:
        side = share * min(height, width)
        rows, columns = (max(1, round((length - 0.5 * side) / (0.3 * side))) for length in (height, width))
        for r in range(rows):
            for c in range(columns):
                out.append((side, 0.0, (c + 0.5) * width / columns, (r + 0.5) * height / rows))
    return out


def turned(squares: Tensor, degrees: float) -> Tensor:
    """Squares ``[N, 4]``, each turned clockwise about its centre."""
    angle = math.radians(degrees)
    return compose_frames(squares, squares.new_tensor([math.cos(angle), math.sin(angle), 0.5, 0.5]).expand_as(squares))


@torch.no_grad()
def read_faces(photo: np.ndarray, squares: Tensor, judged: bool = False, keep: int = MOST_FACES) -> list[Face]:
    """Faces in squares ``[N, 4]`` (pixels), the largest first. The first network proposes, with a lenient mind; the second look decides.

    ``judged``: a detector has found the squares, and nobody asks again.
    """
    if len(squares) == 0:
        return []
    image = Pyramid(as_tensor(photo))
    reading = _read(image, squares)
    likely = (torch.sigmoid(reading.score) > (0 if judged else PROPOSED)).nonzero()[:, 0]
    likely = likely[reading.score[likely].argsort(descending=True)][:60]
    squares, reading = squares[likely], FaceReading(*(part[likely] for part in reading))
    if len(squares) == 0:
        return []
    for _ in range(2):
        squares = compose_frames(squares, reading.frame) * squares.new_tensor([WIDER, WIDER, 1, 1])
        reading = _read(image, squares)
    return distinct_faces(image, _seen_closer(image, _distinct(squares[reading.score.argsort(descending=True)]), judged), keep)


@torch.no_grad()
def faces_in_frames(image: Pyramid, frames: list[tuple[Tensor, float]], keep: int = MOST_FACES) -> list[Face]:
    """Faces, the largest first, of heads whose frames ``[4]`` (pixels) and probabilities a detector knows, the likeliest first: a second
    look at each."""
    return distinct_faces(image, _read_frames(image, frames), keep)


def distinct_faces(image: Pyramid, seen: list[tuple[Closeup, float]], keep: int) -> list[Face]:
    """The faces in what the second look saw, each once, read from nearer; with their probabilities."""
    faces: list[Face] = []
    for close, score in seen:
        if any(_alike(torch.from_numpy(close.frame), torch.from_numpy(face.frame)) for face in faces):
            continue
        close = from_nearer(image, close)
        face = face_of(close, score)
        if close.visible.mean() >= SHOWN and not any(_doubles(face, other) for other in faces):
            faces.append(face)
    return sorted(faces, key=lambda face: -_side(face.frame))[:keep]


def face_of(close: Closeup, score: float) -> Face:
    """What the second look found, with a detector's probability."""
    points = feature_points(torch.from_numpy(close.landmarks)).numpy()
    return Face(box_around(points), points, close.yaw, close.pitch, roll_of(close.frame), close.frame, score, close.landmarks,
                close.visible, close.sure)


def _distinct(squares: Tensor) -> Tensor:
    """Of squares ``[N, 4]`` the first of each place, at most ``LOOKS``."""
    kept: list[Tensor] = []
    for square in squares:
        if len(kept) < LOOKS and not any(_alike(square, other) for other in kept):
            kept.append(square)
    return torch.stack(kept)


def _seen_closer(image: Pyramid, squares: Tensor, judged: bool) -> list[tuple[Closeup, float]]:
    """What is a face after a second look at the frames in squares ``[N, 4]``, and a third at the frames that the second proposes; with
    the first network's probability."""
    found = _read_frames(image, [(frame, score) for frame, score in _read_around(image, squares) if judged or score >= REFUSED])
    found = _read_frames(image, [(torch.from_numpy(close.frame), score) for close, score in found if judged or close.sure >= DOUBTFUL])
    return [(close, score) for close, score in found
            if _plausible(close.frame, image.shape[2:]) and (judged or close.sure + WORD * score >= SURE)]


def _read_frames(image: Pyramid, frames: list[tuple[Tensor, float]]) -> list[tuple[Closeup, float]]:
    """A look at each of the frames ``[4]`` that can be a head's."""
    frames = [(frame, score) for frame, score in frames if _plausible(frame.numpy(), image.shape[2:])]
    if not frames:
        return []
    return list(zip(read_squares(image, torch.stack([frame for frame, _ in frames])), [score for _, score in frames], strict=True))


def _read_around(image: Pyramid, squares: Tensor) -> list[tuple[Tensor, float]]:
    """Frame ``[4]`` in pixels and probability for each of ``squares [N, 4]``: means over a square and slightly moved ones."""
    turn = squares.new_tensor([[1.0, 0], [1, 0.1], [1, -0.1], [1.08, 0], [0.93, 0], [1, 0], [1, 0], [1, 0], [1, 0]])
    shift = squares.new_tensor([[0.0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0.05, 0], [-0.05, 0], [0, 0.05], [0, -0.05]])
    moved = compose_frames(squares.repeat_interleave(len(turn), 0), torch.cat([turn, shift + 0.5], 1).repeat(len(squares), 1))
    reading = _read(image, moved)
    frames = compose_frames(moved, reading.frame).unflatten(0, (-1, len(turn))).mean(1)
    return list(zip(frames, torch.sigmoid(reading.score).unflatten(0, (-1, len(turn))).mean(1).tolist(), strict=True))


def _read(image: Pyramid, squares: Tensor) -> FaceReading:
    """What the first network says of squares ``[N, 4]``."""
    network = load_face_network()
    readings = [network.without_mask(cut_squares(image, part, INPUT)) for part in squares.split(BATCH)]
    return FaceReading(*(torch.cat(parts) for parts in zip(*readings, strict=True)))


def roll_of(frame: np.ndarray) -> float:
    """Degrees by which a square (a, b, x, y) is turned clockwise in the picture."""
    return float(np.degrees(np.arctan2(frame[1], frame[0])))


def box_around(points: np.ndarray) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 around brows, chin and cheeks, from ``[6, 2]``."""
    low, high = points.min(0), points.max(0)
    brow, side = 0.35 * (high[1] - low[1]), 0.25 * (high[0] - low[0])
    return float(low[0] - side), float(low[1] - brow), float(high[0] + side), float(high[1])


def _plausible(frame: np.ndarray, shape: Sequence[int]) -> bool:
    within = all(-OUTSIDE < at / length < 1 + OUTSIDE for at, length in zip(frame[2:], shape[::-1], strict=True))
    return within and 24 < _side(frame) < 3 * max(shape)


def _alike(one: Tensor, other: Tensor) -> bool:
    """Whether a look at one square says what there is to say of the other ``[4]``."""
    sides = one[:2].norm(), other[:2].norm()
    return bool((one[:2] - other[:2]).norm() < 0.2 * max(sides) and (one[2:] - other[2:]).norm() < 0.15 * max(sides))


def _doubles(one: Face, other: Face) -> bool:
    """Whether both are the same face: the middles of two that stand side by side are further apart."""
    apart = np.hypot(*(one.contour[JAW:].mean(0) - other.contour[JAW:].mean(0)))
    return bool(apart < 0.3 * max(_side(one.frame), _side(other.frame)))


def _surest(faces: Sequence[Face]) -> float:
    return max((face.sure for face in faces), default=0.0)


def _side(frame: np.ndarray) -> float:
    return float(np.hypot(*frame[:2]))
