"""Things of our own making that people wear: glasses, an eye patch, hats, clothes at the neck.

All meshes are built around the composed head, in its own decimetres, so that they follow every shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from symgan_core.geometry import vertex_normals

from .meshes import disc, join, tube
from .pack import HeadPack

Array = np.ndarray
GLASSES = ("clear", "dark", "patch")
HATS = ("beanie", "cap")
NECKLINES = ("wide", "round", "high")


@dataclass(frozen=True)
class Glasses:
    """``kind``: one of GLASSES. Sizes in decimetres; ``square``: exponent of the lens outline, 2 is an ellipse; ``side``: +1 puts the
    patch on the person's left eye."""

    kind: str
    half_width: float
    half_height: float
    square: float
    thickness: float
    colour: tuple[float, float, float]
    side: int = 1


@dataclass(frozen=True)
class Garment:
    """A hat or clothes: ``kind`` of HATS or NECKLINES, linear-light ``colour``, and how strong its stripes are."""

    kind: str
    colour: tuple[float, float, float]
    stripes: float = 0.0


@dataclass
class Mesh:
    """``points [P, 3]`` in decimetres, ``triangles [T, 3]``, ``uv [P, 2]``, ``texture [H, W, 3]`` relative to ``tint [3]``."""

    points: Array
    triangles: Array
    uv: Array
    texture: Array
    tint: Array


def glasses(pack: HeadPack, vertices: Array, worn: Glasses) -> list[Mesh]:
    """Rims, bridge and temples; dark lenses or a patch where the kind says so."""
    eyes = {side: vertices[pack.head[f"eye_{name}_verts"]].mean(0) for side, name in ((1, "l"), (-1, "r"))}
    front = max(float(vertices[pack.landmarks["glabella"], 2]) + 0.04, float(eyes[1][2]) + 0.26)
    rims = {side: _outline(eyes[side], front, worn, side) for side in eyes}
    parts: list[tuple[Array, Array]] = []
    if worn.kind == "patch":
        rim = rims[worn.side]
        strap = _strap(pack, vertices, rim)
        return [_plain(*disc(rim), worn.colour), _plain(*strap, worn.colour)]
    parts += [tube(rim, worn.thickness, closed=True) for rim in rims.values()]
    inner = [rims[side][np.argmin(side * rims[side][:, 0])] for side in (1, -1)]
    middle = (inner[0] + inner[1]) / 2 + np.array([0, 0.04, 0.05])
    parts.append(tube(np.stack([inner[0] + [0, 0.04, 0], middle, inner[1] + [0, 0.04, 0]]), worn.thickness))
    for side, rim in rims.items():
        outer = rim[np.argmax(side * rim[:, 0])] + np.array([0, 0.05, 0])
        ear = _ear(pack, vertices, side)
        hinge = np.array([max(side * outer[0], side * ear[0]) * side, outer[1], outer[2] - 0.08])
        parts.append(tube(np.stack([outer, hinge, ear + [0, 0.02, 0], ear + [0, -0.12, -0.22]]), worn.thickness))
    meshes = [_plain(*join(parts), worn.colour)]
    if worn.kind == "dark":
        meshes.append(_plain(*join([disc(rim) for rim in rims.values()]), (0.012, 0.012, 0.014)))
    return meshes


def hat(pack: HeadPack, vertices: Array, worn: Garment) -> list[Mesh]:
    """A shell over the scalp; a cap has a brim."""
    line = hat_line(pack, vertices)
    thick = 0.10 if worn.kind == "beanie" else 0.07
    shell = _shell(pack, vertices, line, thick, region=0)
    meshes = [_banded(*shell, worn)]
    if worn.kind == "cap":
        meshes.append(_plain(*_brim(pack, vertices, line, thick), worn.colour))
    return meshes


def clothes(pack: HeadPack, vertices: Array, worn: Garment) -> list[Mesh]:
    """A shell over shoulders and neck below the neckline."""
    chin = vertices[pack.landmarks["chin_bottom"]]
    drop = {"wide": 0.42, "round": 0.28, "high": 0.12}[worn.kind]
    slope = {"wide": 0.15, "round": 0.25, "high": 0.05}[worn.kind]
    # The neckline falls towards the front: the nape is covered higher than the throat.
    line = np.array([0.0, -1.0, -slope, chin[1] - drop + slope * (chin[2] - 0.35)])
    return [_banded(*_shell(pack, vertices, line, 0.05, region=None), worn)]


def hat_line(pack: HeadPack, vertices: Array) -> Array:
    """``[4]``: the plane (a, b, c, d) above which ``a x + b y + c z + d > 0`` a hat covers the head: mid-forehead to nape."""
    mark = pack.landmarks
    crown, glabella = vertices[mark["crown"]], vertices[mark["glabella"]]
    front = glabella + 0.42 * (crown - glabella)
    skin = vertices[: pack.n_skin]
    back = skin[skin[:, 1] > vertices[mark["chin_bottom"], 1], 2].min()
    slope = (front[1] - (glabella[1] - 0.05)) / (glabella[2] - back)
    return np.array([0.0, 1.0, -slope, -(front[1] - slope * glabella[2])])


def _above(points: Array, line: Array) -> Array:
    return points @ line[:3] + line[3]


def _outline(eye: Array, front: float, worn: Glasses, side: int, count: int = 28) -> Array:
    t = np.linspace(0, 2 * np.pi, count, endpoint=False)
    c, s = np.cos(t), np.sin(t)
    x = np.sign(c) * np.abs(c) ** (2 / worn.square) * worn.half_width + eye[0] + side * 0.015
    y = np.sign(s) * np.abs(s) ** (2 / worn.square) * worn.half_height + eye[1] - 0.01
    return np.stack([x, y, front - 0.35 * np.maximum(np.abs(x) - 0.15, 0) ** 2], 1)


def _ear(pack: HeadPack, vertices: Array, side: int) -> Array:
    """Where the temple lies on the ear: between its upper root and the skull."""
    chosen = pack.ears
    points = vertices[chosen[side * pack.base[chosen, 0] > 0]]
    top = np.percentile(points[:, 1], 88)
    near = points[points[:, 1] > top - 0.1]
    return np.array([np.median(near[:, 0]), top, np.median(near[:, 2])])


def _strap(pack: HeadPack, vertices: Array, rim: Array) -> tuple[Array, Array]:
    """A band around the head at the height of the patch, tilted upwards away from it."""
    centre = rim.mean(0)
    skin = vertices[: pack.n_skin]
    height = centre[1] + 0.25 - 0.35 * np.sign(centre[0]) * (skin[:, 0] - centre[0])
    near = skin[np.abs(skin[:, 1] - height) < 0.12]
    axis = np.array([0.0, 0.0, np.median(skin[skin[:, 1] > centre[1], 2])])
    angle = np.arctan2(near[:, 0] - axis[0], near[:, 2] - axis[2])
    radius = np.hypot(near[:, 0] - axis[0], near[:, 2] - axis[2])
    points = []
    for a in np.linspace(-np.pi, np.pi, 48, endpoint=False):
        close = np.abs((angle - a + np.pi) % (2 * np.pi) - np.pi) < 0.16
        r = np.percentile(radius[close], 80) if close.any() else np.median(radius)
        x, z = axis[0] + (r + 0.03) * np.sin(a), axis[2] + (r + 0.03) * np.cos(a)
        points.append([x, centre[1] + 0.25 - 0.35 * np.sign(centre[0]) * (x - centre[0]), z])
    return tube(np.array(points), 0.035, closed=True)


def _plain(points: Array, triangles: Array, colour: tuple[float, float, float]) -> Mesh:
    return Mesh(points, triangles, np.full((len(points), 2), 0.5), np.ones((2, 2, 3), np.float32), np.array(colour, np.float32))


def _banded(points: Array, triangles: Array, worn: Garment) -> Mesh:
    """A knitted look: bands along the height, with v of the texture following y."""
    rows = np.linspace(0, 1, 256)
    bands = 1 - worn.stripes * (np.sin(rows * 60) > 0.2)
    texture = np.repeat(np.repeat(bands[:, None, None], 2, 1), 3, 2).astype(np.float32)
    v = ((points[:, 1].max() - points[:, 1]) / 3.0).clip(0.005, 0.99)
    return Mesh(points, triangles, np.stack([np.full_like(v, 0.5), v], 1), texture, np.array(worn.colour, np.float32))


def _shell(pack: HeadPack, vertices: Array, line: Array, thickness: float, region: int | None) -> tuple[Array, Array]:
    """The skin beyond a plane, grown by ``thickness``; its edge is cut straight along the plane."""
    triangles, kinds = pack.skin_corners, pack.head["skin_tri_region"]
    allowed = kinds == region if region is not None else kinds <= 1
    ears = np.zeros(len(vertices), bool)
    ears[pack.ears] = True
    height = _above(vertices, line)
    chosen = triangles[allowed & (height[triangles] > 0).any(1) & ~ears[triangles].all(1)]
    used, small = np.unique(chosen, return_inverse=True)
    points = vertices[used].astype(np.float64)
    normals = vertex_normals(vertices[: pack.n_skin], triangles)[used]
    low = np.minimum(_above(points, line), 0)
    points -= low[:, None] * line[:3] / (line[:3] ** 2).sum()
    return points + thickness * normals, small.reshape(-1, 3)


def _brim(pack: HeadPack, vertices: Array, line: Array, thickness: float) -> tuple[Array, Array]:
    skin = vertices[: pack.n_skin]
    near = skin[(np.abs(_above(skin, line)) < 0.12) & (skin[:, 2] > 0)]
    middle = float(np.median(skin[_above(skin, line) > 0, 2]))
    angle = np.arctan2(near[:, 0], near[:, 2] - middle)
    radius = np.hypot(near[:, 0], near[:, 2] - middle)
    points, angles = [], np.linspace(-0.95, 0.95, 25)
    for a in angles:
        close = np.abs(angle - a) < 0.2
        r = (np.percentile(radius[close], 70) if close.any() else np.median(radius)) + thickness
        reach = 0.72 * max(0.0, 1 - (a / 0.95) ** 2) ** 0.5
        for share in (0.0, 0.5, 1.0):
            x, z = (r + share * reach) * np.sin(a), middle + (r + share * reach) * np.cos(a)
            points.append([x, -(line[2] * z + line[3]) - 0.16 * share * reach, z])
    triangles = []
    for i in range(len(angles) - 1):
        for j in range(2):
            a, b = 3 * i + j, 3 * i + j + 1
            triangles += [[a, b, a + 3], [b, b + 3, a + 3]]
    return np.array(points), np.array(triangles)
