"""Changes of colour where they belong: skin, hair, irises, and the light on all of the head.

All are shifts of the logits of the colours, each weighted by how far a pixel is what the direction is about. They add up, so that
the order does not matter; nothing is clipped, and shade and detail stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...generator import Synthesized
from ...geometry import surface_normals, unproject
from ...geometry.images import box_mean, mean_within, resized
from .face_maps import FaceMaps
from .parts import Parts

PullBack = Callable[[Tensor], Tensor]
"""Points ``[..., 3]`` of an edited head to where they were on the unedited one."""
SHIFTS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "skin_tone": ((0.38, 0.32, 0.31), (-0.30, -0.265, -0.28)),
    "hair_lightness": ((0.45, 0.41, 0.34), (-0.42, -0.42, -0.39)),
}
"""Of the logits of red, green and blue for a strength of 1 towards the high and the low end."""
STRANDS, LOCKS = 0.2, 17
"""Hair gets lighter by this share each pixel for itself, which makes shades between strands deeper, and for the rest by what the mean of
the hair around does: black in the depth of dark hair would stay as holes. Width in pixels, at 512, of that mean."""
GREY = 0.28, 0.15
"""For a strength of 1 of age: share by which the ratios of hair's colours go, and shift of the logits."""
WRINKLES = 17, 0.22, 0.16
"""Width in pixels, at 512, below which light and shade of skin are wrinkles; for a strength of 1 of age, by which share they are deeper, or
for one of -1 less deep."""
AGED = 0.5
"""By how much old skin is darker or lighter than young skin there, for a strength of 1: that share of the logarithm of the pack's ratio."""
IRIS = ((-0.3, 0.05, 0.4), (0.3, -0.1, -0.5)), (0.35, -0.2)
"""Shifts for a strength of 1 towards blue and brown, and how much lighter and darker that is."""
LIGHT = 0.5, 0.35
"""Shift of the logits between a surface that looks aside and one that looks ahead, for a strength of 1; the cosine that stays as it is."""
FAINT = 0.004
"""Colours in [0, 1] are kept so far from both ends, where logits run away."""
MAP = 256
"""Weights are computed at this resolution."""
BLUR = 7
"""Width in pixels, at 512, of the mean that makes weights soft."""
WIDE = 17
"""Width in pixels of ``MAP`` over which normals are averaged for the light."""
COLOURS = ("skin_tone", "hair_lightness", "iris", "light_side", "age")
"""Directions that change colours."""


@dataclass(frozen=True, eq=False)
class Places:
    """What each of some colours ``[1, 3, H, W]`` belongs to, all ``[1, 1, H, W]`` but the last two.

    Attributes:
        hair, skin, irises: shares in [0, 1].
        aged: logarithm of how much brighter old skin is.
        aside: how far the surface looks to the person's left, in [-1, 1].
        wrinkles: ``[1, 3, H, W]``: logits beside those of the skin around.
        locks: ``[1, 3, H, W]``: logits of the mean of the hair around.
    """

    hair: Tensor
    skin: Tensor
    irises: Tensor
    aged: Tensor
    aside: Tensor
    wrinkles: Tensor
    locks: Tensor


def shifts(logits: Tensor, strengths: Mapping[str, float], at: Places) -> Tensor:
    """By how much ``strengths`` shift ``logits [1, 3, H, W]`` of colours."""
    shift = torch.zeros_like(logits)
    if strength := strengths.get("skin_tone", 0.0):
        shift = shift + at.skin * abs(strength) * _vector(SHIFTS["skin_tone"], strength, logits)
    if strength := strengths.get("hair_lightness", 0.0):
        by = abs(strength) * _vector(SHIFTS["hair_lightness"], strength, logits)
        shift = shift + at.hair * (by if strength < 0 else _lighter(logits, at.locks, by))
    if strength := strengths.get("iris", 0.0):
        vector = _vector(IRIS[0], strength, logits) + IRIS[1][0 if strength > 0 else 1]
        shift = shift + at.irises * abs(strength) * vector
    if strength := strengths.get("age", 0.0):
        shift = shift + strength * at.skin * (WRINKLES[1 if strength > 0 else 2] * at.wrinkles + AGED * at.aged)
        if strength > 0:
            share, lighter = 1 - (1 - GREY[0]) ** strength, GREY[1] * strength
            shift = shift + at.hair * (share * (logits.mean(1, keepdim=True) - logits) + lighter)
    if strength := strengths.get("light_side", 0.0):
        shift = shift + abs(strength) * LIGHT[0] * (at.aside * math.copysign(1, strength) - LIGHT[1])
    return shift


@dataclass(frozen=True, eq=False)
class Colouring:
    """Colours of one head, changed. ``parts`` and ``maps`` are of the unedited one."""

    parts: Parts
    maps: FaceMaps

    @torch.no_grad()
    def of_view(self, view: Synthesized, camera: Tensor, strengths: Mapping[str, float], pull_back: PullBack) -> Synthesized:
        """``view`` of ``camera [1, 25]`` with the colours that ``strengths`` ask for. ``pull_back``: points of the view to where they were
        on the unedited head."""
        size = view.image.shape[-1]
        came = pull_back(unproject(resized(view.image_depth, MAP), camera))
        opacity = resized(view.image_opacity, size).clamp(0, 1)
        colours = (1 - (1 - view.image) / opacity.clamp(min=0.05)).clamp(-1, 1) / 2 + 0.5
        logits = colours.logit(FAINT)
        hair, skin, irises = self._shares(came, colours)
        hair, skin = (box_mean(x, BLUR) for x in (hair, skin))
        none = torch.zeros_like(hair)  # what no strength asks for takes no time
        aged, wrinkles = none, none
        if strengths.get("age"):
            aged, wrinkles = self.maps.age_at(came, size), logits - _smoothed(logits, skin, WRINKLES[0])
        locks = _smoothed(colours, hair, LOCKS).logit(FAINT) if strengths.get("hair_lightness", 0.0) > 0 else none
        aside = resized(_sideways(view, camera), size) if strengths.get("light_side") else none
        places = Places(hair, skin, irises, aged, aside, wrinkles, locks)
        changed = torch.sigmoid(logits + shifts(logits, strengths, places)) - colours
        return view._replace(image=(view.image + 2 * opacity * changed).clamp(-1, 1))

    @torch.no_grad()
    def of_points(self, colours: Tensor, came: Tensor, normals: Tensor, strengths: Mapping[str, float]) -> Tensor:
        """The same of ``colours [P, 3]`` in [0, 1] of a surface with unit ``normals [P, 3]``, whose points were at ``came [P, 3]`` on the
        unedited head; wrinkles are left out."""
        shown, points = colours.T[None, :, :, None], came[None, :, None]
        logits = shown.logit(FAINT)
        hair, skin, irises = self._shares(points, shown)
        places = Places(hair, skin, irises, torch.zeros_like(hair), normals[None, None, :, :1], torch.zeros_like(logits), logits)
        return torch.sigmoid(logits + shifts(logits, strengths, places))[0, :, :, 0].T

    def _shares(self, came: Tensor, colours: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hair, skin = self.parts.at(came, colours).split(1, 1)
        eyes, lips, irises = resized(self.maps.at(came), colours.shape[-1]).split(1, 1)
        bare = (1 - eyes) * (1 - lips)
        return hair * bare, skin * bare, irises


def _lighter(logits: Tensor, locks: Tensor, by: Tensor) -> Tensor:
    """The shift of hair that gets lighter (``STRANDS``)."""
    even = (torch.sigmoid(logits) + torch.sigmoid(locks + by) - torch.sigmoid(locks)).logit(FAINT) - logits
    return torch.lerp(even, by.expand_as(even), STRANDS)


def _vector(ends: tuple[tuple[float, ...], tuple[float, ...]], strength: float, like: Tensor) -> Tensor:
    return like.new_tensor(ends[0 if strength > 0 else 1])[None, :, None, None]


def _smoothed(x: Tensor, mask: Tensor, width: int) -> Tensor:
    """``mean_within`` from half the pixels, which for wide squares is as good and takes a quarter of the time."""
    half = x.shape[-1] // 2
    small, share = (F.interpolate(y, (half, half), mode="area") for y in (x, mask))
    return resized(mean_within(small, share, width // 2 + 1), x.shape[-1])


def _sideways(view: Synthesized, camera: Tensor) -> Tensor:
    """``[1, 1, MAP, MAP]``: how far each surface looks to the right of the head's frontal picture (the person's left), in [-1, 1]."""
    depth, solid = (resized(x, MAP) for x in (view.image_depth, view.image_opacity))
    solid = (solid > 0.5).float()
    normals = surface_normals(torch.where(solid > 0, depth, depth.amax()), camera)
    return mean_within(normals[:, :1], solid, WIDE) * solid
