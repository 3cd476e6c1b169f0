"""Small meshes as plain arrays: ``points [P, 3]`` and ``triangles [T, 3]``."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def tube(path: Array, radius: float, closed: bool = False, sides: int = 6) -> tuple[Array, Array]:
    """A tube of ``sides`` corners along ``path [N, 3]``."""
    count = len(path)
    ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    up = np.cross(ahead, np.where(np.abs(ahead[:, 2:]) < 0.8, [[0.0, 0, 1]], [[0.0, 1, 0]]))
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    across = np.cross(ahead, up)
    t = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.cos(t)[None, :, None] * up[:, None] + np.sin(t)[None, :, None] * across[:, None]
    points = (path[:, None] + radius * ring).reshape(-1, 3)
    triangles = []
    for i in range(count if closed else count - 1):
        for j in range(sides):
            a, b = i * sides + j, i * sides + (j + 1) % sides
            c, d = ((i + 1) % count) * sides + j, ((i + 1) % count) * sides + (j + 1) % sides
            triangles += [[a, b, c], [b, d, c]]
    return points, np.array(triangles)


def disc(rim: Array) -> tuple[Array, Array]:
    """A slightly domed surface inside the closed line ``rim [N, 3]``."""
    count = len(rim)
    points = np.concatenate([rim, rim.mean(0, keepdims=True) + [[0, 0, 0.02]]])
    order = np.arange(count)
    return points, np.stack([order, np.roll(order, -1), np.full(count, count)], 1)


def join(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Several meshes as one."""
    starts = np.cumsum([0, *[len(points) for points, _ in parts]])
    return np.concatenate([p for p, _ in parts]), np.concatenate([t + s for (_, t), s in zip(parts, starts[:-1], strict=True)])
