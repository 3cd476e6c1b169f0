"""A latent ``z ~ N(0, I)`` and the person it stands for.

Each named attribute owns a few numbers of ``z``; the person is a fixed function of them. So the generator's own
distribution is N(0, I), fresh people never run out, and the meaning of every direction is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from . import worn
from .accessories import Garment, Glasses
from .light import lights
from .pack import HeadPack
from .worn import uniform

Array = np.ndarray
HAIR = ("afro01", "bob01", "braid01", "long01", "ponytail01", "short01", "short02", "short03", "bald")
BROWS = tuple(f"eyebrow{n:03d}" for n in (1, 2, 3, 5, 6, 7, 8, 9, 11, 12))
IRISES = ("brown", "brownlight", "blue", "bluegreen", "deepblue", "green", "grey", "ice", "lightblue")
CHOICE_GAP = 0.35
"""By how much the chosen one of several styles leads: blends of two hair styles are rare in training."""

_SIZES = {
    "gender": 1, "age": 1, "ethnicity": 3, "muscle": 1, "weight": 1, "skin_tone": 1, "skin_warmth": 1,
    "hair_style": len(HAIR), "hair_side": 1, "hair_lightness": 1, "hair_redness": 1, "hair_grey": 1, "stubble": 1,
    "brow_style": len(BROWS), "brow_strength": 1, "iris": len(IRISES), "lashes": 1,
    "light_side": 1, "light_height": 1, "light_strength": 1, "light_ambient": 1, "light_warmth": 1, "light_fill": 1,
    "smile": 1, "mouth_open": 1, "mouth_compression": 1, "brow_raise": 1, "brow_raise_side": 1, "brow_lower": 1,
    "eye_opening": 1, "pursing": 1, "mole": 4, "asymmetry": 29, "shape": 95,
    "patch": 5, "glasses": 7, "hat": 5, "clothing": 5, "hair_length": 1, "hair_volume": 1, "skin_mix": 2,
}


def _layout() -> dict[str, slice]:
    out, start = {}, 0
    for name, size in _SIZES.items():
        out[name] = slice(start, start + size)
        start += size
    return out


CODE: dict[str, slice] = _layout()
"""Attribute name to its place in z. What is left up to ``z_dim`` is spare and has no effect."""

Z_DIM = 256
USED = max(place.stop for place in CODE.values())
"""So many numbers of z have a meaning."""
if USED > Z_DIM:
    raise AssertionError("the attributes do not fit into z")


@dataclass
class Person:
    """Everything that the renderer needs to know."""

    weights: dict[str, float]
    skins: dict[str, float]
    skin_tint: Array
    hair: str | None
    hair_mirrored: bool
    hair_length: float
    """What hangs below the brows is stretched by this."""
    hair_volume: float
    """The distance of the hair from the skull is multiplied by this."""
    hair_colour: Array
    scalp_colour: Array
    scalp_strength: float
    stubble: float
    brow: str
    brow_colour: Array
    brow_alpha: float
    iris: str
    lash: str
    lash_alpha: float
    light_directions: Array
    light_colours: Array
    ambient_low: Array
    ambient_high: Array
    mole: tuple[float, float, float] | None = None
    """Atlas position (u, v) and radius in atlas pixels."""
    patch: tuple[float, float, float, float] | None = None
    """A birthmark: atlas position (u, v), radius in atlas pixels, and how much darker and redder (> 0) or paler (< 0) it is."""
    glasses: Glasses | None = None
    hat: Garment | None = None
    clothing: Garment | None = None
    mouth_is_open: bool = False
    attributes: dict[str, float] = field(default_factory=dict)


def draw_codes(rng: np.random.Generator, count: int) -> Array:
    """``[count, Z_DIM]`` float32 codes, N(0, I) but for a small lead of the chosen styles."""
    z = rng.standard_normal((count, Z_DIM)).astype(np.float32)
    for row in z:
        for name, scores in (("hair_style", _hair_scores(row)), ("brow_style", row[CODE["brow_style"]]),
                             ("iris", _iris_scores(row))):
            order = np.argsort(scores)
            lead = scores[order[-1]] - scores[order[-2]]
            row[CODE[name].start + order[-1]] += max(0.0, CHOICE_GAP - lead)
    return z


def _sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def _get(z: Array, name: str) -> float:
    return float(z[CODE[name].start])


def _ethnicity(z: Array) -> Array:
    e = np.exp(2.2 * z[CODE["ethnicity"]])
    return e / e.sum()


def _gender(z: Array) -> float:
    return _sigmoid(3.5 * _get(z, "gender"))


def _hair_scores(z: Array) -> Array:
    male, african = _gender(z), float(_ethnicity(z)[0])
    #                afro  bob  braid long pony short1 short2 short3 bald
    female = np.array([-1.8, -1.0, 0.1, 0.6, 0.5, -1.2, -1.2, -1.6, -3.0])
    masculine = np.array([-1.8, -3.5, -3.5, -2.2, -3.0, 0.6, 0.6, -0.6, -0.2])
    afro = np.zeros(len(HAIR))
    afro[0] = 2.4 * african
    return z[CODE["hair_style"]] + (1 - male) * female + male * masculine + afro


def _iris_scores(z: Array) -> Array:
    dark = 1 - float(_ethnicity(z)[2])
    bias = np.array([1.2 + 2.5 * dark, 0.5 + 1.0 * dark] + [-0.3 - 2.5 * dark] * 7)
    return z[CODE["iris"]] + bias


def macro_weights(gender: float, age: float, ethnicity: Array, muscle: float, weight: float) -> dict[str, float]:
    """Weights of the body targets (README of the pack, "Macro weights")."""
    if age < 0.5:
        young = max(0.0, (age - 0.1875) * 3.2)
        ages = {"young": young, "child": max(0.0, min(1.0, 5.333 * age) - young)}
    else:
        ages = {"old": 2 * age - 1, "young": 2 - 2 * age}
    muscles = {"maxmuscle": max(0.0, 2 * muscle - 1), "minmuscle": max(0.0, 1 - 2 * muscle)}
    muscles["averagemuscle"] = 1 - sum(muscles.values())
    weights = {"maxweight": max(0.0, 2 * weight - 1), "minweight": max(0.0, 1 - 2 * weight)}
    weights["averageweight"] = 1 - sum(weights.values())
    out = {}
    for sex, s in (("male", gender), ("female", 1 - gender)):
        for band, a in ages.items():
            for kind, e in zip(("african", "asian", "caucasian"), ethnicity, strict=True):
                out[f"macrodetails/{kind}-{sex}-{band}"] = s * a * float(e)
            for m, x in muscles.items():
                for w, y in weights.items():
                    if (m, w) != ("averagemuscle", "averageweight"):
                        out[f"macrodetails/universal-{sex}-{band}-{m}-{w}"] = s * a * x * y
    return out


def person_from_code(pack: HeadPack, z: Array) -> Person:
    """The person that ``z [Z_DIM]`` stands for."""
    gender, ethnicity = _gender(z), _ethnicity(z)
    age = float(np.interp(uniform(_get(z, "age")), [0, 0.15, 0.5, 1], [0.3, 0.46, 0.56, 0.95]))
    muscle, weight = (float(np.clip(0.5 + 0.18 * _get(z, n), 0, 1)) for n in ("muscle", "weight"))
    weights = macro_weights(gender, age, ethnicity, muscle, weight)
    _add_shape(pack, z, weights)
    _add_expression(z, ethnicity, weights)

    style = HAIR[int(np.argmax(_hair_scores(z)))]
    hair = None if style == "bald" else style
    hair_colour = _hair_colour(z, age, ethnicity, style)
    stubble = gender * max(0.0, min(1.0, 0.25 + 0.6 * _get(z, "stubble"))) if age > 0.42 and gender > 0.5 else 0.0
    side, colours, low, high = lights(*(_get(z, f"light_{name}") for name in ("side", "height", "warmth", "strength", "fill", "ambient")))
    mole = None
    if _get(z, "mole") > 1.0:
        a, b, c = z[CODE["mole"]][1:]
        mole = (float(0.60 + 0.07 * np.tanh(a)), float(0.425 + np.sign(b) * (0.09 + 0.05 * np.tanh(abs(b)))), float(5 + 3 * np.tanh(c)))
    tone = 1 + 0.08 * _get(z, "skin_tone")
    warmth = 0.05 * _get(z, "skin_warmth")
    patch = None
    if _get(z, "patch") > 1.4:
        a, b, c, d = z[CODE["patch"]][1:]
        patch = (float(0.55 + 0.12 * np.tanh(a)), float(0.425 + np.sign(b) * (0.05 + 0.12 * np.tanh(abs(b)))),
                 float(26 + 14 * np.tanh(c)), float(np.where(d > -0.3, 0.45, -0.35)))
    return Person(
        weights=weights, skins=_mixed(_skins(gender, age, ethnicity), z[CODE["skin_mix"]], pack.skin_names),
        skin_tint=np.clip(np.float32([tone * (1 + warmth), tone, tone * (1 - warmth)]), 0.7, 1.25),
        hair=hair, hair_mirrored=_get(z, "hair_side") > 0, hair_colour=hair_colour,
        hair_length=float(np.clip(np.exp(0.4 * _get(z, "hair_length") - 0.15), 0.3, 1.4)),
        hair_volume=float(np.clip(1 + 0.2 * _get(z, "hair_volume"), 0.6, 1.6)),
        scalp_colour=hair_colour * np.float32(0.55), scalp_strength=0.8 if hair else 0.25, stubble=stubble,
        brow=BROWS[int(np.argmax(z[CODE["brow_style"]]))], brow_colour=np.minimum(hair_colour * 0.5, 0.12).astype(np.float32),
        brow_alpha=float(np.clip(0.85 + 0.12 * _get(z, "brow_strength"), 0.4, 1)),
        iris=IRISES[int(np.argmax(_iris_scores(z)))], lash="eyelashes01" if gender > 0.5 else "eyelashes02",
        lash_alpha=float(np.clip(0.75 - 0.4 * gender + 0.1 * _get(z, "lashes"), 0.1, 0.95)),
        light_directions=side, light_colours=colours, ambient_low=low, ambient_high=high, mole=mole, patch=patch,
        glasses=worn.glasses(z[CODE["glasses"]]), hat=worn.hat(z[CODE["hat"]]), clothing=worn.clothing(z[CODE["clothing"]]),
        mouth_is_open=_mouth_open(z) > 0.02 or _smile(z) > 0.35,
        attributes={"gender": gender, "age": age, "muscle": muscle, "weight": weight,
                    **dict(zip(("african", "asian", "caucasian"), ethnicity.tolist(), strict=True))})


def _add_shape(pack: HeadPack, z: Array, weights: dict[str, float]) -> None:
    spread = {"head": 0.2, "eyes": 0.21, "ears": 0.25, "neck": 0.18, "cheek": 0.24}
    modifiers, numbers = pack.shape_modifiers, z[CODE["shape"]]
    for (positive, negative), x in zip(modifiers, numbers, strict=False):
        kind = positive[0].split("/")[0]
        x = float(x) * spread.get(kind, 0.23) * (0.55 if "-trans" in positive[0] else 1)
        limit = 0.2 if "pointed" in positive[0] else 0.9
        for name in positive if x > 0 else negative:
            weights[name] = min(abs(x), limit)
    for (left, right), x in zip(pack.asymmetries, z[CODE["asymmetry"]], strict=True):
        # Mostly mild, now and then strong: a quarter of the axes is active, the tails reach a visible asymmetry.
        strength = min(1.0, 0.45 * max(0.0, abs(float(x)) - 1.0) + 0.03 * abs(float(x)))
        weights[left if x > 0 else right] = strength


def _smile(z: Array) -> float:
    return float(np.clip(0.18 + 0.3 * _get(z, "smile"), -0.35, 0.9))


def _mouth_open(z: Array) -> float:
    return float(np.clip(0.22 * (_get(z, "mouth_open") - 0.9), 0, 0.45))


def _add_expression(z: Array, ethnicity: Array, weights: dict[str, float]) -> None:
    smile, raised, side = _smile(z), 0.28 * (_get(z, "brow_raise") - 0.3), _get(z, "brow_raise_side")
    one_sided = 0.7 * max(0.0, abs(side) - 1.3)
    eye = _get(z, "eye_opening")
    units = {
        "mouth-corner-puller": max(0.0, smile), "mouth-depression": max(0.0, -smile),
        "mouth-open": _mouth_open(z), "mouth-compression": max(0.0, 0.3 * (_get(z, "mouth_compression") - 0.9)),
        "mouth-pursing": max(0.0, 0.3 * (_get(z, "pursing") - 1.2)),
        "eyebrows-left-up": min(0.9, max(0.0, raised) + one_sided * (side > 0)),
        "eyebrows-right-up": min(0.9, max(0.0, raised) + one_sided * (side < 0)),
    }
    lowered = max(0.0, 0.28 * (_get(z, "brow_lower") - 0.7))
    for s in ("left", "right"):
        units[f"eyebrows-{s}-down"] = lowered
        units[f"eye-{s}-opened-up"] = float(np.clip(0.3 * eye, 0, 0.7))
        units[f"eye-{s}-slit"] = float(np.clip(-0.3 * eye, 0, 0.6))
    for unit, x in units.items():
        for kind, e in zip(("african", "asian", "caucasian"), ethnicity, strict=True):
            weights[f"expression/{kind}/{unit}"] = x * float(e)


def _skins(gender: float, age: float, ethnicity: Array) -> dict[str, float]:
    """Skin textures and their shares: neighbours in age and tone are blended."""
    sex = "male" if gender > 0.5 else "female"
    old = float(np.clip((age - 0.74) / 0.14, 0, 1))
    young = float(np.clip((0.74 - age) / 0.14, 0, 1))
    bands = {"young": young, "middleage": 1 - young - old, "old": old}
    dark = float(np.clip((ethnicity[0] - 0.3) / 0.4, 0, 1))
    asian = bool(ethnicity[1] > ethnicity[2])
    out: dict[str, float] = {}
    for band, b in bands.items():
        light = f"{band}_lightskinned_{sex}" + ({"young": "3"}.get(band, "2") if asian else "")
        dark_name = f"{band}_darkskinned_{sex}"
        if dark_name == "middleage_darkskinned_female":
            dark_name = "young_darkskinned_female"
        for name, share in ((light, b * (1 - dark)), (dark_name, b * dark)):
            if share > 0.02:
                out[name] = out.get(name, 0.0) + share
    total = sum(out.values())
    return {k: v / total for k, v in out.items()}


def _mixed(skins: dict[str, float], z: Array, names: tuple[str, ...]) -> dict[str, float]:
    """Now and then another skin of the same darkness is blended in, so that skins are a continuum and not a list."""
    share = float(np.clip(0.35 * (z[0] - 0.2), 0, 0.6))
    if share == 0:
        return skins
    dark = "dark" if "dark" in next(iter(skins)) else "light"
    like = [n for n in names if f"_{dark}skinned" in n]
    other = like[min(int(uniform(z[1]) * len(like)), len(like) - 1)]
    out = {k: v * (1 - share) for k, v in skins.items()}
    out[other] = out.get(other, 0.0) + share
    return out


def _hair_colour(z: Array, age: float, ethnicity: Array, style: str) -> Array:
    """Linear-light tint from black over brown to blond, with red and grey."""
    lightness = uniform(_get(z, "hair_lightness") - 1.6 * (1 - float(ethnicity[2])))
    stops = np.float32([[0.02, 0.017, 0.015], [0.045, 0.028, 0.018], [0.11, 0.06, 0.033], [0.25, 0.15, 0.075], [0.62, 0.45, 0.24]])
    colour = np.float32([np.interp(lightness, [0, 0.3, 0.6, 0.82, 1], stops[:, c]) for c in range(3)])
    red = float(np.clip(_get(z, "hair_redness") - 1.0, 0, 1)) * lightness
    colour = colour * (1 - red) + red * np.float32([0.28, 0.085, 0.03])
    grey = float(np.clip((age - 0.72) * 4 + 0.7 * _get(z, "hair_grey"), 0, 1)) if age > 0.72 else 0.0
    grey = max(grey, float(np.clip(_get(z, "hair_grey") - 2, 0, 1)))
    colour = colour * (1 - grey) + grey * np.float32(0.42 + 0.16 * float(np.clip(_get(z, "hair_grey"), -1, 1)))
    return (colour * (0.35 if style == "afro01" and grey < 0.3 else 1.0)).astype(np.float32)
