"""How the surface of a head moves along each editing direction of shape and expression, from the head pack's morph targets.

``python -m training motions`` writes ``symgan_core/portrait/editing/weights/motions.safetensors``: control points on the mean head (the 468
of MediaPipe's mesh, then some of skull, ears, neck and shoulders) and how far each moves for a strength of 1 in either sense.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch

from symgan_core.faces.mesh import COUNT, LIDS, LIPS, OPENINGS, mean_head
from symgan_core.portrait.editing.directions import DIRECTIONS
from symgan_core.portrait.editing.fit import AGE_FILE, MOTIONS_FILE
from symgan_core.weights import write_shipped

from .aged_skin import aged_skin
from .heads import HeadPack, draw_codes, person_from_code
from .heads.people import macro_weights
from .heads.render import place

Array = np.ndarray
Weights = dict[str, float]
KINDS = ("african", "asian", "caucasian")
PEOPLE, ELSEWHERE = 150, 220
"""The mean head is that of so many people; so many control points are not of the mesh."""
APART = 0.03
"""World units: no other control point is nearer to the mesh's."""
NEAREST = 3
"""A point of the mesh moves as so many vertices beside it do."""
FLAT = 0.4
"""Differences in depth count so much in that: the generator's surfaces lie a little before the pack's."""
LOWER_LIP = -0.025
"""World units that ``mouth-open`` moves a vertex downwards: less is of the upper lip, more of the lower one."""
UPPER_LID = -0.004
"""Likewise that the closing of an eye moves a vertex of the upper lid."""
MIDDLE = (0.03, 0.12)
"""World units from the middle of the face: nearer than the first stays, farther than the second moves wholly."""
CHIN, LOWER_EDGE, UPPER_EDGE, NOSE_BASE, NOSE_TIP = 152, 17, 0, 2, 4
"""Points of the mesh: below the chin, below the lower lip, above the upper lip, below the nose, on the nose."""
BROW_BANDS = (((70, 63, 105, 66, 107), (46, 53, 52, 65, 55), (71, 68, 104, 69, 108)),
              ((300, 293, 334, 296, 336), (276, 283, 282, 295, 285), (301, 298, 333, 299, 337)))
"""Points of the mesh from outside in: upper and lower rim of a brow, and the forehead above it."""
BROW_BEND, BROW_SINK, ABOVE = 0.75, 0.93, 0.7
"""Of a brow that is lowered: the share that is kept of what each part of it does beside their mean, and of the mean; and how far the
forehead above follows. The pack presses brows together, to half their width at the nose, and a person becomes another."""
GLABELLA = {9: 0.8, 8: 0.64, 151: 0.48, 168: 0.24}
"""Points between the brows sink at least such a share of what their inner ends do."""
NECK = 0.12
"""World units below the chin over which motions fade: shoulders stay."""
FOLLOW = 0.6
"""The skin beside the rim of an eye moves at least such a share of what the rim moves: the pack's lids fold away under it."""
HALF_BOX = 0.38


def both(name: str) -> Weights:
    """A shape target of the left side, and that of the right."""
    return {name: 1.0, name.replace("/l-", "/r-"): 1.0}


def unit(*names: str, weight: float = 1.0) -> Weights:
    """Expression units, shared out among the three kinds of heads that the pack has them for."""
    return {f"expression/{kind}/{name}": weight / len(KINDS) for name in names for kind in KINDS}


def total(*parts: tuple[float, Weights]) -> Weights:
    """The weighted sum."""
    out: Weights = {}
    for factor, weights in parts:
        for name, weight in weights.items():
            out[name] = out.get(name, 0.0) + factor * weight
    return out


def body(age: float = 0.5, gender: float = 0.5) -> Weights:
    """A body of that age and sex, of no kind more than of another."""
    return macro_weights(gender, age, np.full(3, 1 / 3), 0.5, 0.5)


@dataclass(frozen=True)
class Ends:
    """What the high and the low end of a direction add to a head, as weights of targets. ``aligned``: the bodies that it goes between
    differ in height, so heads are laid over each other first. Without a low end it is the high one's mirror image.
    ``outer``: the middle of the face, from eye to eye, stays. ``between``: two points of the mesh: nothing moves from the height of the
    first on, away from the second, and all from that of the second on. ``brows``: at the low end brows sink in one piece."""

    high: Weights
    low: Weights
    aligned: bool = False
    outer: bool = False
    between: tuple[int, int] | None = None
    brows: bool = False


def opposite(*parts: tuple[float, str]) -> Ends:
    """Targets that end in -incr, and for the low end their partners in -decr."""
    def side(end: str) -> Weights:
        named = ((w, f"{name}-{end}") for w, name in parts)
        return total(*((w, both(n) if "/l-" in n else {n: 1.0}) for w, n in named))
    return Ends(side("incr"), side("decr"))


BROWS_UP = total((0.8, unit("eyebrows-left-up", "eyebrows-right-up")), (0.6, unit("eyebrows-left-inner-up", "eyebrows-right-inner-up")),
                 (0.4, unit("eyebrows-left-extern-up", "eyebrows-right-extern-up")))
BROWS_DOWN = unit("eyebrows-left-down", "eyebrows-right-down")
AGED = total((1.0, body(age=0.95)), (-1.0, body(age=0.5)))
MALE = total((1.0, body(gender=1.0)), (-1.0, body(gender=0.0)))
ENDS: dict[str, Ends] = {
    "smile": Ends(total((0.85, unit("mouth-corner-puller")), (0.7, unit("mouth-retraction")), (0.2, {"mouth/mouth-scale-horiz-incr": 1})),
                  total((1.5, unit("mouth-depression")), (0.1, unit("mouth-retraction")))),
    "mouth_open": Ends(total((0.5, unit("mouth-open")), (0.45, unit("mouth-corner-puller"))), unit("mouth-open", weight=-1.0)),
    "brow_raise": Ends(total((1.5, BROWS_UP)), total((0.9, BROWS_DOWN), (-0.9, BROWS_UP)), brows=True),
    "eye_opening": Ends(unit("eye-left-opened-up", "eye-right-opened-up", weight=1.3), unit("eye-left-slit", "eye-right-slit")),
    "wink": Ends(unit("eye-left-closure"), {}),
    "face_width": replace(opposite((0.6, "head/head-scale-horiz")), outer=True, between=(LOWER_EDGE, NOSE_TIP)),
    "weight": opposite((0.7, "head/head-fat"), (0.7, "cheek/l-cheek-volume"), (0.6, "neck/neck-double")),
    "jaw": Ends(
        total((1.05, {"head/head-square": 1}), (0.5, {"chin/chin-bones-incr": 1}), (0.6, {"chin/chin-prognathism-incr": 1}),
              (0.35, {"chin/chin-jaw-drop-incr": 1}), (0.25, {"chin/chin-height-incr": 1})),
        total((-1.1, {"head/head-square": 1}), (0.8, {"chin/chin-bones-decr": 1}), (0.6, {"chin/chin-prognathism-decr": 1}),
              (0.25, {"chin/chin-height-decr": 1})), between=(NOSE_TIP, LOWER_EDGE)),
    "cheeks": opposite((0.8, "cheek/l-cheek-bones"), (0.8, "cheek/l-cheek-inner"), (0.4, "cheek/l-cheek-volume")),
    "nose_size": Ends(
        total(*((w, {f"nose/nose-{n}-incr": 1}) for w, n in ((0.6, "volume"), (0.55, "scale-vert"), (0.6, "width3"), (0.5, "flaring")))),
        total(*((w, {f"nose/nose-{n}-decr": 1}) for w, n in ((0.7, "volume"), (0.55, "scale-vert"), (0.9, "width3"), (0.6, "flaring")))),
        between=(UPPER_EDGE, NOSE_BASE)),
    "ears": opposite((0.8, "ears/l-ear-scale"), (0.8, "ears/l-ear-wing")),
    "head_shape": Ends(
        total((0.4, {"head/head-scale-vert-incr": 1}), (0.25, {"head/head-scale-horiz-decr": 1})),
        total((0.4, {"head/head-scale-vert-decr": 1}), (0.25, {"head/head-scale-horiz-incr": 1}))),
    "gender": Ends(total((0.6, MALE)), total((-0.6, MALE)), aligned=True),
    "age": Ends(total((0.9, AGED), (0.8, {"head/head-age-incr": 1})), total((-0.5, AGED), (0.8, {"head/head-age-decr": 1})), aligned=True),
}
"""What each direction is at the ends of its range."""


class Surface:
    """The mean head of the pack in the generator's world, and the control points on it."""

    def __init__(self) -> None:
        self.pack = HeadPack()
        placed = [place(self.pack, person_from_code(self.pack, z)) for z in draw_codes(np.random.default_rng(0), PEOPLE)]
        self.scale = float(np.mean([p.scale for p in placed]))
        self.vertices = np.mean([(p.vertices - p.centre) * p.scale for p in placed], 0)
        self.mesh = mean_head()[0].numpy().astype(np.float64)
        kinds, corners = self.pack.head["skin_tri_region"], self.pack.skin_corners
        self.skin = np.unique(corners[kinds <= 1])
        self._weights = [self._beside(number) for number in range(len(self.mesh))]
        self.elsewhere = self._elsewhere()
        self._mirror = np.concatenate([_partners(self.mesh), _partners(self.vertices[self.elsewhere])])

    @property
    def points(self) -> Array:
        """``[K, 3]``, world units: those of the mesh, then the others."""
        return np.concatenate([self.mesh, self.vertices[self.elsewhere]])

    def moved(self, weights: Weights, ends: Ends = Ends({}, {})) -> Array:
        """``[K, 3]``: how far the control points move, in world units."""
        shift = np.zeros_like(self.vertices)
        for name, weight in weights.items():
            index, delta = self.pack.targets[name]
            shift[index] += weight * self.scale * delta
        if ends.aligned:
            shift = self._laid_over(shift)
        if ends.outer:
            shift = shift * _step(np.abs(self.vertices[:, :1]), *MIDDLE)
        if ends.between:
            still, moving = self.mesh[list(ends.between), 1]
            shift = shift * _step((self.vertices[:, 1:2] - still) / (moving - still), 0, 1)
        chin = self.mesh[CHIN, 1]
        shift = shift * np.clip((self.vertices[:, 1:2] - chin) / NECK + 1, 0, 1)
        on_mesh = np.stack([share @ shift[among] for among, share in self._weights])
        for rim in (rim for rims in LIPS for rim in rims):
            on_mesh[list(rim)] = _rounded(on_mesh[list(rim)])
        for rims, lids in zip(OPENINGS[1:], LIDS, strict=True):
            for rim, lid in zip(rims, lids, strict=True):
                follow = FOLLOW * on_mesh[list(rim[1:-1])]
                on_mesh[list(lid)] = np.where(np.abs(on_mesh[list(lid)]) > np.abs(follow), on_mesh[list(lid)], follow)
        return np.concatenate([on_mesh, shift[self.elsewhere]])

    def mirrored(self, moved: Array) -> Array:
        """The motion ``[K, 3]`` of the other side."""
        return np.concatenate([moved[self._mirror[:COUNT]], moved[COUNT:][self._mirror[COUNT:]]]) * [-1, 1, 1]

    def _laid_over(self, shift: Array) -> Array:
        """The rest of a motion when what it does to the skull as a whole (moving it, and making it larger) is taken away."""
        height = self.vertices[:, 1]
        skull = self.skin[height[self.skin] > self.mesh[1, 1]]
        here, there = self.vertices[skull], (self.vertices + shift)[skull]
        middle, aim = here.mean(0), there.mean(0)
        size = np.sqrt(((there - aim) ** 2).sum() / ((here - middle) ** 2).sum())
        return (self.vertices + shift - aim) / size + middle - self.vertices

    def _beside(self, number: int) -> tuple[Array, Array]:
        """The vertices that a point of the mesh moves with, and their shares."""
        among = self.skin
        opened = self._drop(unit("mouth-open"))
        closed = self._drop(unit("eye-left-closure", "eye-right-closure"))
        for upper, lower in LIPS:
            if number in upper[1:-1]:
                among = among[opened[among] > LOWER_LIP]
            elif number in lower[1:-1]:
                among = among[opened[among] < LOWER_LIP]
        for upper, lower in OPENINGS[1:]:
            if number in upper[1:-1]:
                among = among[closed[among] < UPPER_LID]
            elif number in lower[1:-1]:
                among = among[closed[among] > UPPER_LID]
        away = np.linalg.norm((self.vertices[among] - self.mesh[number]) * [1, 1, FLAT], axis=1)
        nearest = np.argsort(away)[:NEAREST]
        share = 1 / (away[nearest] + 1e-3)
        return among[nearest], share / share.sum()

    def _drop(self, weights: Weights) -> Array:
        """``[V]``: how far each vertex rises, world units."""
        rise = np.zeros(len(self.vertices))
        for name, weight in weights.items():
            index, delta = self.pack.targets[name]
            rise[index] += weight * self.scale * delta[:, 1]
        return rise

    def _elsewhere(self) -> Array:
        """Vertices of the skin away from the mesh and inside the box, each the farthest from those before it."""
        among = self.skin[(np.abs(self.vertices[self.skin]) < HALF_BOX).all(1)]
        away = _nearest(self.vertices[among], self.mesh)
        chosen: list[int] = []
        while len(chosen) < ELSEWHERE and away.max() > APART:
            chosen.append(int(among[np.argmax(away)]))
            away = np.minimum(away, _nearest(self.vertices[among], self.vertices[chosen[-1:]]))
        return np.array(chosen)


def _rounded(moved: Array) -> Array:
    """Of a lip's rim ``[N, 3]`` from corner to corner: what its middle does beside its corners, rounded off as an ellipse. The pack's lower
    lip falls almost as far beside the corners as in the middle, which on a photo opens a box."""
    along = np.linspace(0, 1, len(moved))[:, None]
    ends, middle = moved[0] + along * (moved[-1] - moved[0]), moved[len(moved) // 2]
    round_ = ends + np.sqrt(4 * along * (1 - along)) * (middle - (moved[0] + moved[-1]) / 2)
    least = np.abs(moved - ends) < np.abs(round_ - ends)
    return np.where(least, moved, round_)


def _in_one_piece(moved: Array) -> Array:
    """The motion ``[K, 3]`` of brows that sink, with upper and lower rims that move alike (``BROW_BEND``)."""
    moved = moved.copy()
    for upper, lower, forehead in BROW_BANDS:
        parts = (moved[list(upper)] + moved[list(lower)]) / 2
        mean = parts.mean(0)
        band = BROW_SINK * (mean + BROW_BEND * (parts - mean))
        band[:, 0] = BROW_SINK * parts[:, 0] / 2
        moved[list(upper)] = moved[list(lower)] = band
        moved[list(forehead), 1] = np.maximum(moved[list(forehead), 1], ABOVE * band[:, 1])
    inner = np.mean([moved[upper[-1], 1] for upper, *_ in BROW_BANDS])
    for number, share in GLABELLA.items():
        moved[number, 1] = min(moved[number, 1], share * inner)
    return moved


def _step(x: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, a cubic between them."""
    share = np.clip((x - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def _partners(points: Array) -> Array:
    """The number of the point that lies nearest to the mirror image of each."""
    return np.linalg.norm(points[:, None] * [-1, 1, 1] - points[None], axis=2).argmin(1)


def _nearest(points: Array, others: Array) -> Array:
    return np.linalg.norm(points[:, None] - others[None], axis=2).min(1)


def motions(names: Iterable[str]) -> dict[str, torch.Tensor]:
    """``points [K, 3]`` and, for each name, ``name.high`` and ``name.low [K, 3]``: world units for a strength of 1."""
    surface, limits = Surface(), {d.name: d.limit for d in DIRECTIONS}
    out = {"points": surface.points}
    for name in names:
        ends = ENDS[name]
        high, low = (surface.moved(weights, ends) / limits[name] for weights in (ends.high, ends.low))
        if not ends.low:
            low = surface.mirrored(high)
        else:  # both halves of the face alike
            high, low = ((moved + surface.mirrored(moved)) / 2 for moved in (high, low))
        low = _in_one_piece(low) if ends.brows else low
        out |= {f"{name}.high": high, f"{name}.low": low}
    return {name: torch.from_numpy(value).to(torch.float16) for name, value in out.items()}


def write_motions() -> None:
    """Write the files that ship."""
    write_shipped(motions(ENDS), MOTIONS_FILE)
    write_shipped({"aged": aged_skin()}, AGE_FILE)
