"""How deep a face is in a photo, as MediaPipe's mesh has it, whose network was trained on photos of real people."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..geometry import vertex_normals
from .closeup import look_closer
from .mesh import OUTLINE, PRESENT, face_square, mean_head, read_mesh
from .runtime import available

FACING = (0.3, 0.6)
"""Cosine of a surface with the sight at which its depth begins to count, and from which on it counts whole."""
TURNED_AWAY = 0.2
"""Cosine below which a point may lie behind others, and is left out."""
CORNERS = [33, 133, 362, 263, 61, 291]
"""Of the eyes and of the mouth: the mesh's points that say which way the face looks."""
DEEPENED = 1.12
"""How much farther the network's faces stand out from the plane of the corners than real ones: 1.09 against MediaPipe's canonical face
model (14 points of the midline, mean of 16 photos), 1.16 against what three photos of one man give."""
LEAST_SEEN = 50
"""With fewer points than these, nothing is said."""


@torch.no_grad()
def read_face_depth(image: Tensor) -> Tensor | None:
    """The depth of the face in an aligned picture.

    Args:
        image: ``[1, 3, H, H]`` in [-1, 1], on the CPU.

    Returns:
        ``[1, 2, H, H]``: depth away from the camera, in picture widths from anywhere, and how far it counts, in [0, 1]: 0 beside the face,
        at its outline and where it turns away. None where no face is found, or onnxruntime is not installed.
    """
    if not available():
        return None
    mesh = read_mesh(image, face_square(look_closer(image).landmarks))
    if mesh.present < PRESENT:
        return None
    points = np.concatenate([mesh.points, _corrected(mesh.points, mesh.depths)[:, None]], 1)
    facing = -vertex_normals(points, mesh_triangles())[:, 2]
    low, high = FACING
    trust = np.clip((facing - low) / (high - low), 0, 1)
    trust[list(OUTLINE)] = 0
    seen = facing > TURNED_AWAY
    if seen.sum() < LEAST_SEEN:
        return None
    values = np.stack([points[:, 2] / image.shape[-1], trust], 1)
    return _drawn(points[seen, :2], values[seen], image.shape[-1])


def _corrected(points: np.ndarray, depths: np.ndarray) -> np.ndarray:
    """``depths [468]`` at ``points [468, 2]`` nearer to the plane of the corners. Its slope, which is how the head is turned,
    stays."""
    places = np.column_stack([points, np.ones(len(points))])
    plane = places @ np.linalg.lstsq(places[CORNERS], depths[CORNERS], rcond=None)[0]
    return plane + (depths - plane) / DEEPENED


@lru_cache(maxsize=1)
def mesh_triangles() -> np.ndarray:
    """``[T, 3]``: numbers of the points at the corners of the mesh's triangles, counter-clockwise seen from outside: Delaunay's of the mean
    head, unrolled as a cylinder."""
    from scipy.spatial import Delaunay

    x, y, z = mean_head()[0].double().numpy().T
    axis = z.mean() - np.ptp(x) / 2  # half a face's width behind it
    unrolled = np.stack([np.arctan2(x, z - axis), y], 1)
    corners = Delaunay(unrolled).simplices
    (ax, ay), (bx, by), (cx, cy) = (unrolled[corner].T for corner in corners.T)
    clockwise = (bx - ax) * (cy - ay) < (by - ay) * (cx - ax)
    corners[clockwise] = corners[clockwise][:, ::-1]
    return corners


def _drawn(places: np.ndarray, values: np.ndarray, side: int) -> Tensor:
    """``[1, K, side, side]``: ``values [P, K]`` at ``places [P, 2]``, in pixels, and linear between them; 0 beyond."""
    from scipy.interpolate import LinearNDInterpolator

    centres = np.stack(np.meshgrid(*2 * [np.arange(side) + 0.5]), -1)
    return torch.from_numpy(LinearNDInterpolator(places, values, fill_value=0)(centres)).float().permute(2, 0, 1)[None]
