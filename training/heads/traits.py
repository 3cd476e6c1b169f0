"""What a person is, as numbers that pictures depend on smoothly: the meaning of the built-in generator's ``w``.

``z`` decides by thresholds and choices (which hair, glasses or not); a network learns such jumps slowly, and every blend between two
choices looks like fog. So ``w`` is not left to training: it is this vector, standardised, and the mapping learns the jumps alone,
from as many codes as it likes, without rendering anything. It also makes every direction in ``w`` a known one.
"""

from __future__ import annotations

import numpy as np

from .accessories import GLASSES, HATS, NECKLINES
from .landmarks import points_of
from .pack import HeadPack
from .people import BROWS, HAIR, IRISES, Person, draw_codes, person_from_code

Array = np.ndarray
STYLES = HAIR[:-1]
UNITS = ("mouth-corner-puller", "mouth-depression", "mouth-open", "mouth-compression", "mouth-pursing", "eyebrows-left-up",
         "eyebrows-right-up", "eyebrows-left-down", "eye-left-opened-up", "eye-left-slit")
KINDS = ("african", "asian", "caucasian")
BODIES = tuple(f"{kind}-{sex}-{band}" for kind in KINDS for sex in ("female", "male") for band in ("young", "old"))


def trait_parts(pack: HeadPack, person: Person) -> dict[str, Array]:
    """Named traits of a person, each a float vector; what is not worn, or not there, is zero."""
    w, a = person.weights, person.attributes

    def signed(pairs: list[tuple[tuple[str, ...], tuple[str, ...]]]) -> Array:
        return np.array([w.get(p[0], 0.0) - (w.get(n[0], 0.0) if n else 0.0) for p, n in pairs])

    shown = 0.0 if person.hair is None else 1.0
    side = -1.0 if person.hair_mirrored else 1.0
    hair = _one_of(STYLES, person.hair)
    directions, colours = person.light_directions, person.light_colours
    key = float(colours[0].mean())
    mole, patch = person.mole, person.patch
    return {
        "gender": np.array([a["gender"]]),
        "age": np.array([a["age"], max(0.0, 2 * a["age"] - 1)]),
        "ethnicity": np.array([a[k] for k in KINDS]),
        "body": np.array([a["muscle"], a["weight"]]),
        "bodies": np.array([w.get(f"macrodetails/{name}", 0.0) for name in BODIES]),
        "shape": signed(pack.shape_modifiers),
        "asymmetry": signed([((p,), (n,)) for p, n in pack.asymmetries]),
        "expression": np.array([sum(w.get(f"expression/{k}/{u}", 0.0) for k in KINDS) for u in UNITS]),
        "teeth": np.array([float(person.mouth_is_open)]),
        "skins": np.array([person.skins.get(name, 0.0) for name in pack.skin_names]),
        "skin_tint": np.asarray(person.skin_tint, np.float64),
        "hair": hair, "hair_side": side * hair,
        "hair_shape": shown * np.array([np.log(person.hair_length), person.hair_volume - 1]),
        "hair_colour": np.asarray(person.hair_colour, np.float64) ** (1 / 2.2),
        "scalp": np.array([person.scalp_strength * (1 - shown)]), "stubble": np.array([person.stubble]),
        "brow": _one_of(BROWS, person.brow), "brow_alpha": np.array([person.brow_alpha]), "iris": _one_of(IRISES, person.iris),
        "lashes": np.array([person.lash_alpha, float(person.lash == "eyelashes01")]),
        "light": np.concatenate([directions[0] * key, directions[0], colours[0] - key,
                                 [key, directions[1, 0] * colours[1, 0], colours[1, 0], person.ambient_low[0]]]),
        "mole": np.zeros(4) if mole is None else np.array([1, (mole[0] - 0.6) * 15, (mole[1] - 0.425) * 7, (mole[2] - 5) / 3]),
        "patch": np.zeros(5) if patch is None else np.array(
            [1, (patch[0] - 0.55) * 8, (patch[1] - 0.425) * 6, (patch[2] - 26) / 14, np.sign(patch[3])]),
        "glasses": _glasses(person), "hat": _garment(HATS, person.hat), "clothing": _garment(NECKLINES, person.clothing),
    }


def traits(pack: HeadPack, person: Person) -> Array:
    """``[T]`` float32: all parts in a row (places: ``trait_layout``)."""
    return np.concatenate(list(trait_parts(pack, person).values())).astype(np.float32)


def trait_layout(pack: HeadPack, person: Person) -> dict[str, slice]:
    """Part name to its place in ``traits``; the same for every person."""
    out, start = {}, 0
    for name, part in trait_parts(pack, person).items():
        out[name] = slice(start, start + len(part))
        start += len(part)
    return out


def trait_statistics(pack: HeadPack, people: int = 4000) -> tuple[Array, Array]:
    """Mean and scale ``[T]`` that take traits to w: unit deviation, but rare choices are not blown up beyond 3.5. Always the same ones."""
    values = np.stack([traits(pack, person_from_code(pack, z)) for z in draw_codes(np.random.default_rng(0), people)])
    mean = values.mean(0)
    return mean, np.maximum(np.maximum(values.std(0), np.abs(values - mean).max(0) / 3.5), 1e-2)


def point_slopes(pack: HeadPack, mean: Array, scale: Array, people: int = 6000, damping: float = 30.0) -> Array:
    """``[68, 3, T]`` float32: how far the 68 points move in scene units with each number of w: least squares over random people, whose
    traits ``mean`` and ``scale [T]`` take to w. Hair counts too, for it decides the frame. Always the same people."""
    persons = [person_from_code(pack, z) for z in draw_codes(np.random.default_rng(1), people)]
    ws = np.stack([np.append((traits(pack, person) - mean) / scale, 1) for person in persons]).astype(np.float64)
    points = np.stack([points_of(pack, person) for person in persons]).astype(np.float64)
    slopes = np.linalg.solve(ws.T @ ws + damping * np.eye(ws.shape[1]), ws.T @ points.reshape(people, -1))
    return slopes[:-1].T.reshape(points.shape[1:] + (-1,)).astype(np.float32)


def _one_of(names: tuple[str, ...], chosen: str | None) -> Array:
    return np.array([float(n == chosen) for n in names])


def _glasses(person: Person) -> Array:
    g = person.glasses
    out = np.zeros(len(GLASSES) + 8)
    if g is None:
        return out
    out[: len(GLASSES)] = _one_of(GLASSES, g.kind)
    if g.kind == "patch":
        out[len(GLASSES)] = g.side
    else:
        out[len(GLASSES) + 1:-3] = [(g.half_width - 0.26) / 0.02, (g.half_height - 0.19) / 0.025, g.square - 2.8,
                                    (g.thickness - 0.02) / 0.007]
        out[-3:] = np.array(g.colour) ** (1 / 2.2)
    return out


def _garment(kinds: tuple[str, ...], worn: object) -> Array:
    if worn is None:
        return np.zeros(len(kinds) + 4)
    return np.concatenate([_one_of(kinds, worn.kind), np.array(worn.colour) ** (1 / 2.2), [worn.stripes]])
