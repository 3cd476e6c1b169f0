"""What the photo says of its hair and skin, for those that it does not show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...faces import shares_of
from ...generator import TriPlaneGenerator
from ...generator.traits import Traits
from ...geometry.images import eroded, mean_within, resized, smooth_step
from ...geometry.volume import box_points, dilated
from ...portrait.materials import BEHIND, DARK, Material
from ..preparation import Preparation
from ..target.target import Target, takes_colours
from .palette import LITTLE, SURE, fit_line

if TYPE_CHECKING:
    from ..state import TuningStage

HAIR, SKIN = ("hair_colour", (0.5, 1.1)), ("skin_tint", (0.06, 0.14))
"""For each material the trait of its colour. Where brightness changes by less than the first (in logarithms) from the trait's least to its
greatest value, it is something else; by more than the second, all of it is."""
REGIONS = {HAIR: ("hair",), SKIN: ("skin", "nose", "neck")}
"""Where the photo shows them."""
CELLS, PART = 56, 4
"""A side of the volumes, and the part of the planes' resolution that does for them."""
EAR, EAR_HALVES = (0.162, -0.01, 0.005), (0.045, 0.075, 0.06)
"""World units: the middle of the mean head's left ear, and the half axes of an ellipsoid around it. Its hollows and rims have colours of
their own, which the line of the skin's colours would level, and what lies behind it is hair."""
EAR_EDGE = (0.6, 1.1)
"""Distances from its middle, in half axes, from where on an ear counts less, and not at all."""
LIPS = 3
"""Half the cells over which what is no skin behind the ears, amid skin, is skin all the same: the planes show a mouth there, too."""
CORE = 0.97
"""Share of an ear from which on it is its middle."""
COVERED = (0.75, 0.9)
"""Share of hair on the surface of an ear's middle: at less than the first the ear is bare, at more than the second hair covers it."""
STRANDS, GRAIN = 1 / 16, 1 / 32
"""Share of the picture's side: differences in brightness over more are waves or light, and not strands; or shape, and not grain."""
SHOWN_STRANDS, MOST_STRANDS = 0.75, 0.18
"""The share of the photo's contrast that hidden hair has, and the most of it: noise is not as regular as hair, and looks rougher."""
SHOWN_GRAIN, MOST_GRAIN = 0.5, 0.05
"""Likewise of skin."""
DEVIATIONS = 1.48
"""Standard deviations in the median of absolute values, of a normal distribution."""


@dataclass(frozen=True)
class HiddenMaterials(Preparation):
    """Hair and skin that no photo shows get the colours of the photo's; hair gets strands, and skin grain."""

    def apply(self, stage: TuningStage) -> None:
        """Give the state what they look like."""
        stage.state.materials = hidden_materials(stage.generator, stage.state.ws, stage.target)


@torch.no_grad()
def hidden_materials(generator: TriPlaneGenerator, ws: Tensor, target: Target) -> tuple[Material, ...]:
    """Of the head ``ws [1, num_ws, w_dim]`` and its photo; none of which the photo shows next to nothing, or where nobody knows what in w
    colours it."""
    traits = generator.traits
    if traits is None or target.picture is None or not takes_colours(generator, target):
        return ()
    found, colours = [], (target.image / 2 + 0.5)[0]
    regions, volumes = shares_of(target.image, REGIONS[SKIN], REGIONS[HAIR]), skin_and_hair(generator, ws, traits)
    for region, kind, volume in zip(regions, (SKIN, HAIR), volumes, strict=True):
        there = (region > SURE) & (target.mask > 0.9)
        if there.float().mean() < LITTLE:
            continue
        textures = (hair_contrast(target.picture, region), 0.0) if kind is HAIR else (0.0, skin_contrast(target.picture, region))
        found.append(Material(volume, *fit_line(colours[:, there[0, 0]].T), *textures, generator.config.box_warp / 2))
    return tuple(found)


def skin_and_hair(generator: TriPlaneGenerator, ws: Tensor, traits: Traits) -> tuple[Tensor, Tensor]:
    """Where the head ``ws [1, num_ws, w_dim]`` has skin, and hair: ``[1, 1, CELLS, CELLS, CELLS]`` each, in [0, 1] over the box, x fastest.
    Ears that no hair covers are neither: they stay as the generator has them."""
    points = box_points(CELLS, generator.config.box_warp, ws.device)
    skin, hair = (_changing(generator, ws, traits, points, *kind) for kind in (SKIN, HAIR))
    closed = skin
    for _ in range(LIPS):
        closed = dilated(closed)
    for _ in range(LIPS):
        closed = -dilated(-closed)
    skin = torch.where(points[..., 2] < sum(BEHIND) / 2, torch.maximum(skin, closed * (1 - hair)), skin)
    ears = _ears(points)[None, None]
    rims = dilated(skin)  # an ear's rim is thinner than a cell
    solid = generator.query(generator.planes(ws, generator.config.plane_resolution // PART), points.reshape(1, -1, 3))[0] > 0
    bare = ears * rims * _uncovered(points[..., 0], hair, (ears > CORE) & solid.reshape(ears.shape))
    return tuple((share * 255).round() / 255 for share in (skin * (1 - ears), hair * (1 - bare)))  # as they are stored


def _ears(points: Tensor) -> Tensor:
    """``[...]`` in [0, 1]: how far ``points [..., 3]`` belong to one of the ears."""
    beside = torch.cat([points[..., :1].abs(), points[..., 1:]], -1) - points.new_tensor(EAR)
    return 1 - smooth_step((beside / points.new_tensor(EAR_HALVES)).norm(dim=-1), *EAR_EDGE)


def _uncovered(x: Tensor, hair: Tensor, ears: Tensor) -> Tensor:
    """``[1, 1, D, D, D]`` in [0, 1], the same on all of a side of the head: how far its ear is bare.

    Args:
        x: of the cells, ``[D, D, D]``, world units; hair: share of it; ears: the middles of ears where they are solid, both
            ``[1, 1, D, D, D]``.
    """
    out = torch.ones_like(hair)
    for side in (x > 0, x < 0):
        outwards, place = torch.where(ears & side, x.abs(), 0).max(-1, keepdim=True)
        surface = hair.gather(-1, place)[outwards > 0]
        if len(surface):
            out = torch.where(side, 1 - smooth_step(surface.mean(), *COVERED), out)
    return out


def _changing(generator: TriPlaneGenerator, ws: Tensor, traits: Traits, points: Tensor, trait: str, changed: tuple[float, float]) -> Tensor:
    """``[1, 1, D, D, D]`` in [0, 1]: what at ``points [D, D, D, 3]`` of the head ``ws [1, num_ws, w_dim]`` changes its brightness with a
    ``trait`` of colour; ``changed`` as ``HAIR`` has it."""
    ends = (generator.planes(traits.with_colour(ws, trait, end), generator.config.plane_resolution // PART) for end in (0, 1))
    dark, light = (generator.query(planes, points.reshape(1, -1, 3))[1][:, :3].mean(1) for planes in ends)
    share = smooth_step((light.clamp(min=0) + DARK).log() - (dark.clamp(min=0) + DARK).log(), *changed)
    return share.reshape(1, 1, *points.shape[:3])


def hair_contrast(picture: Tensor, hair: Tensor) -> float:
    """Standard deviation of the logarithm of brightness from strand to strand, as far as hidden hair has it.

    Args:
        picture: ``[1, 4, S, S]``, colours in [-1, 1] and mask; hair: ``[1, 1, H, W]`` in [0, 1].
    """
    light, inner, width = _light_within(picture, hair, STRANDS)
    fine = light - mean_within(mean_within(light, inner, width), inner, width)
    deviation = float((inner * fine.square()).sum() / inner.sum().clamp(min=1)) ** 0.5
    return min(MOST_STRANDS, SHOWN_STRANDS * deviation)


def skin_contrast(picture: Tensor, skin: Tensor) -> float:
    """Deviation of the logarithm of brightness from pore to pore, as far as hidden skin has it. Lines, moles and stray hair are no grain:
    the median holds them back.

    Args:
        picture: as ``hair_contrast`` has it; skin: ``[1, 1, H, W]`` in [0, 1].
    """
    light, inner, width = _light_within(picture, skin, GRAIN)
    fine = (light - mean_within(light, inner, width))[inner > 0]
    return min(MOST_GRAIN, SHOWN_GRAIN * DEVIATIONS * float(fine.abs().median())) if len(fine) else 0.0


def _light_within(picture: Tensor, region: Tensor, share: float) -> tuple[Tensor, Tensor, int]:
    """The logarithm of brightness, 1 well within the region, and the odd number of pixels that a ``share`` of the side is."""
    inner = (eroded(resized(region, picture.shape[-1]) * picture[:, 3:], 2) > 0.9).float()
    light = (picture[:, :3].mean(1, keepdim=True) / 2 + 0.5 + DARK).clamp(min=DARK).log()
    return light, inner, round(picture.shape[-1] * share) // 2 * 2 + 1
