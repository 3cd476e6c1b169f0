"""The 68 points of the iBUG scheme as vertices of the head's mesh, so that they follow every shape and expression.

The vertices are found on an average face by what they are (the rim of an eye socket, the edge of the lips, the outline of the jaw).
Order: jaw from the person's right ear to the left 0-16, brows 17-26, nose 27-35, eyes 36-47, outer lips 48-59, inner lips 60-67.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from symgan_core.faces.maps import MIRRORED

from .pack import ASSETS, HeadPack
from .people import Person
from .render import place

Array = np.ndarray
AVERAGE = {f"macrodetails/{kind}-{sex}-young": 1 / 6 for kind in ("african", "asian", "caucasian") for sex in ("female", "male")}


def landmarks(pack: HeadPack, vertices: Array) -> Array:
    """``[68, 3]``: the points of composed ``vertices [V, 3]``."""
    return vertices[landmark_vertices(str(pack.root))]


def points_of(pack: HeadPack, person: Person) -> Array:
    """``[68, 3]`` float32: the same of a person, in scene units."""
    at = place(pack, person)
    return ((landmarks(pack, at.vertices) - at.centre) * at.scale).astype(np.float32)


@lru_cache(maxsize=2)
def landmark_vertices(root: str = str(ASSETS)) -> Array:
    """``[68]`` vertex numbers; the two halves of the face are mirror images."""
    pack = HeadPack(Path(root))
    v = pack.compose(AVERAGE)
    out = np.full(68, -1)
    for where, numbers in ((_jaw(pack, v), range(8, 17)), (_brow(pack, v), range(22, 27)), (_nose(pack, v), range(27, 36)),
                           (_eye(pack, v), range(42, 48))):
        out[list(numbers)] = where
    out[[51, 52, 53, 54, 55, 56, 57]], out[[62, 63, 64, 65, 66]] = _lips(pack, v)
    for n, partner in enumerate(MIRRORED):  # everything above is of the person's left side, or in the middle
        if out[n] < 0:
            out[n] = pack.mirror[out[partner]]
    return out


def _edge(pack: HeadPack, region: int) -> Array:
    """Vertices that lie both on the face and on another region of the skin (2 mouth cavity, 3 and 4 eye sockets)."""
    corners = pack.skin_corners
    kinds = pack.head["skin_tri_region"]
    return np.intersect1d(corners[kinds == 0], corners[kinds == region])


def _nearest(v: Array, among: Array, x: float | None = None, y: float | None = None) -> int:
    cost = (0 if x is None else (v[among, 0] - x) ** 2) + (0 if y is None else (v[among, 1] - y) ** 2)
    return int(among[np.argmin(cost)])


def _eye(pack: HeadPack, v: Array) -> Array:
    """42-47: inner corner, two on the upper lid, outer corner, two on the lower lid."""
    rim = next(e for e in (_edge(pack, 3), _edge(pack, 4)) if v[e, 0].mean() > 0)
    x = v[rim, 0]
    inner, outer = v[rim[np.argmin(x)]], v[rim[np.argmax(x)]]
    line = inner[1] + (x - x.min()) / np.ptp(x) * (outer[1] - inner[1])
    up, low = rim[v[rim, 1] > line], rim[v[rim, 1] < line]
    at = [x.min() + np.ptp(x) * t for t in (0.33, 0.67)]
    lids = [v[_nearest(v, among, at[n])] for among, n in ((up, 0), (up, 1), (low, 1), (low, 0))]
    # The rim touches the eyeball. What is seen lies in front of it: the inner corner where the tear duct ends, the outer one where the
    # lids meet, beyond the white.
    ends = inner - [0.12 * np.ptp(x), 0, 0], outer + [0.09 * np.ptp(x), 0, 0]
    return np.array([_foremost(pack, v, *place[:2]) for place in (ends[0], *lids[:2], ends[1], *lids[2:])])


def _foremost(pack: HeadPack, v: Array, x: float, y: float) -> int:
    """The vertex of the skin that is seen at (x, y) from in front."""
    away = np.hypot(*(v[: pack.n_skin, :2] - [x, y]).T)
    return int(np.argmax(np.where(away < 0.03, v[: pack.n_skin, 2] - 3 * away, -np.inf)))


def _brow(pack: HeadPack, v: Array) -> Array:
    """22-26: along the middle of the brow, from the nose outwards."""
    points = pack.proxies["eyebrow001"].fit(v)
    points = points[points[:, 0] > 0]
    out = []
    for t in (0.06, 0.28, 0.5, 0.72, 0.94):
        x = points[:, 0].min() + t * np.ptp(points[:, 0])
        near = points[np.abs(points[:, 0] - x) < 0.04]
        out.append(_foremost(pack, v, x, float(near[:, 1].mean())))
    return np.array(out)


def _nose(pack: HeadPack, v: Array) -> Array:
    """27-30 down the bridge, 31-35 under the nose; those on the right are left to the mirror."""
    middle = pack.nose[np.abs(v[pack.nose, 0]) < 1e-3]
    tip, glabella = pack.landmarks["nose_tip"], pack.landmarks["glabella"]
    skin = np.flatnonzero((np.abs(v[: pack.n_skin, 0]) < 1e-3) & (v[: pack.n_skin, 2] > 1.2))
    top = v[glabella, 1] - 0.16 * (v[glabella, 1] - v[tip, 1])
    bridge = [_nearest(v, skin, 0, top + t * (v[tip, 1] - top)) for t in (0, 1 / 3, 2 / 3)]
    below = middle[v[middle, 1] < v[tip, 1]]
    base = below[np.argmin(v[below, 2])]  # where the nose meets the lip, the profile is deepest
    x, rise = v[pack.nose, 0], v[pack.nose, 1] - v[base, 1]
    wing = pack.nose[(rise > 0) & (rise < 0.07) & (x > 0) & (x < 0.16)]
    outer = wing[np.argmax(v[wing, 0])]
    between = _nearest(v, wing, float(v[outer, 0]) * 0.5, float(v[base, 1]))
    return np.array([*bridge, tip, -1, -1, base, between, outer])


def _lips(pack: HeadPack, v: Array) -> tuple[Array, Array]:
    """Left halves of the outer lips (51-57) and of the inner ones (62-66)."""
    mask, uv = pack.mask("lips"), pack.head["skin_uv"]
    height, width = mask.shape
    red = mask[(uv[:, 1] * height).astype(int).clip(0, height - 1), (uv[:, 0] * width).astype(int).clip(0, width - 1)] > 0.5
    corners, kinds = pack.skin_corners, pack.head["skin_tri_region"]
    # What reaches into the mouth lies deeper than what is seen: from the side it would be beside the lips.
    lips = np.setdiff1d(pack.head["skin_vid"].astype(np.int64)[red], corners[kinds == 2])
    corner = lips[np.argmax(v[lips, 0])]
    reach, seam = v[corner, 0], float(v[_edge(pack, 2), 1].mean())

    def extreme(among: Array, share: float, sense: int) -> int:
        near = among[np.abs(v[among, 0] - share * reach) < 0.035]
        near = near if share else among[np.abs(v[among, 0]) < 1e-3]
        return int(near[np.argmax(sense * v[near, 1])])

    outer = [extreme(lips, 0, 1), extreme(lips, 0.28, 1), extreme(lips, 0.66, 1), corner,
             extreme(lips, 0.66, -1), extreme(lips, 0.28, -1), extreme(lips, 0, -1)]
    upper, lower = lips[v[lips, 1] >= seam], lips[v[lips, 1] < seam]
    inner = [extreme(upper, 0, -1), extreme(upper, 0.35, -1), _nearest(v, lips, 0.88 * reach, float(v[corner, 1])),
             extreme(lower, 0.35, 1), extreme(lower, 0, 1)]
    return np.array(outer), np.array(inner)


def _jaw(pack: HeadPack, v: Array) -> Array:
    """8-16: from the chin to the ear along the outline of the lower face."""
    chin, tip = pack.landmarks["chin_bottom"], pack.landmarks["nose_tip"]
    ear = pack.ears[v[pack.ears, 0] > 0]
    top = float(v[pack.landmarks["glabella"], 1])
    x, y, z = v[: pack.n_skin].T
    # The lower, the further in front: the outline must not slip from the jaw to the throat.
    low = np.clip((v[tip, 1] - y) / (v[tip, 1] - v[chin, 1]), 0, 1)
    face = np.flatnonzero((y > v[chin, 1] - 0.02) & (x >= 0) & (z > 0.7 + 0.3 * low**3))
    face = np.setdiff1d(face, ear)
    centre, out = np.array([0.0, v[tip, 1]]), [chin]
    start = np.arctan2(top - centre[1], 0.75)
    for t in np.linspace(-np.pi / 2, start, 9)[1:]:
        ahead = np.array([np.cos(t), np.sin(t)])
        offset = v[face, :2] - centre
        side = offset @ np.array([-ahead[1], ahead[0]])
        out.append(int(face[np.argmax(offset @ ahead - 4 * np.abs(side))]))
    return np.array(out)
