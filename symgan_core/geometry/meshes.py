"""Triangle meshes as plain arrays: ``points [P, 3]`` and ``triangles [T, 3]``, numbers of points, counter-clockwise seen from outside."""

from __future__ import annotations

import numpy as np


def vertex_normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals ``[P, 3]`` out of the mesh, weighted by the area of the triangles around each point."""
    a, b, c = (points[triangles[:, n]] for n in range(3))
    face = np.cross(b - a, c - a)
    out = np.zeros_like(points)
    for n in range(3):
        for axis in range(3):
            out[:, axis] += np.bincount(triangles[:, n], face[:, axis], minlength=len(points))
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
