"""Where a person's features lie in the planes: a first ``PlaneWarp``, found from the meshes alone.

The head pack knows where every vertex goes, and vertices depend on the traits smoothly. So the field that brings each head onto the mean
one is fitted before any picture is seen; training on pictures refines it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from symgan_core.generator import GeneratorConfig
from symgan_core.generator.decoder import axes_to_projections
from symgan_core.generator.warp import PlaneWarp

from .descent import descend
from .heads import HeadPack, draw_codes, person_from_code, trait_statistics, traits
from .heads.people import Person
from .heads.render import place

Array = np.ndarray
EVERY = 3
"""Every so many vertices are looked at."""
REACH = ((0.5, 1.0), (4.0, 1e-3))
"""Widths of the kernels that spread the vertices' moves over the grid, in cells, and their weights: one near, one to fill what is empty."""


class Fields(NamedTuple):
    """Of N people: standardised traits ``ws [N, T]`` and fields ``[N, 3, 2, cells, cells]`` in half sides of the box."""

    ws: Tensor
    fields: Tensor


def draw_fields(config: GeneratorConfig, people: int, seed: int = 0) -> Fields:
    """Fields of random people."""
    pack, codes = HeadPack(), draw_codes(np.random.default_rng(seed), people)
    mean, scale = trait_statistics(pack)
    persons = [person_from_code(pack, code) for code in codes]
    projections = axes_to_projections(config.plane_axes).numpy() * (2 / config.box_warp)
    home, cells = mean_head(pack), config.plane_warp[0]
    fields = np.stack([plane_fields(placed_vertices(pack, person), home, projections, cells) for person in persons])
    ws = (np.stack([traits(pack, person) for person in persons]) - mean) / scale
    return Fields(torch.from_numpy(ws).float(), torch.from_numpy(fields))


def mean_head(pack: HeadPack, people: int = 400) -> Array:
    """``[V, 3]``: mean places of the vertices; always the same ones."""
    return np.mean([placed_vertices(pack, person_from_code(pack, z)) for z in draw_codes(np.random.default_rng(0), people)], 0)


def placed_vertices(pack: HeadPack, person: Person) -> Array:
    """``[V, 3]`` float32 in scene units: the skin's vertices that are looked at."""
    at = place(pack, person)
    return ((at.vertices[: pack.n_skin: EVERY] - at.centre) * at.scale).astype(np.float32)


def plane_fields(points: Array, home: Array, projections: Array, cells: int) -> Array:
    """``[3, 2, cells, cells]``: from each place of a person's planes, the way to the place of the mean head that shows the same.

    Args:
        points: vertices ``[V, 3]`` of the person; home: the same of the mean head.
        projections: ``[3, 3, 2]``, from points to places on the planes in [-1, 1].
    """
    out = np.zeros((3, 2, cells, cells), np.float32)
    axis = (np.arange(cells, dtype=np.float32) + 0.5) * 2 / cells - 1
    front = np.exp((home[:, 2] - home[:, 2].max()) / 0.05) + 1e-4  # in the front plane, the face counts and not what is behind it
    for k in range(3):
        at, aim = points @ projections[k], home @ projections[k]
        weight = front if k == 0 else np.ones(len(points), np.float32)
        total, moved = np.full((cells, cells), 1e-12), np.zeros((2, cells, cells))
        for reach, share in REACH:
            across, down = (np.exp(-0.5 * ((axis[:, None] - at[None, :, n]) * (cells / 2 / reach)) ** 2) for n in range(2))
            total += share * (down * weight) @ across.T
            for n in range(2):
                moved[n] += share * (down * (weight * (aim - at)[:, n])) @ across.T
        out[k] = moved / total
    return out


def fit_warp(warp: PlaneWarp, known: Fields, steps: int = 6000, batch: int = 256, rate: float = 0.01,
             log: Callable[[str], None] = print) -> PlaneWarp:
    """Fit ``warp`` in place to fields, by least squares; what the middle of the planes shows counts most."""
    axis = torch.linspace(-1, 1, warp.cells)
    weight = (0.05 + torch.exp(-2.5 * (axis[:, None].square() + axis[None].square()))).expand(3, 2, -1, -1).flatten()
    aim = known.fields.flatten(1)

    def loss() -> Tensor:
        chosen = torch.randint(0, len(aim), (batch,))
        left = warp.field(warp.affine(known.ws[chosen])) - aim[chosen]
        return (weight * left.square()).mean() / (weight * aim[chosen].square()).mean()

    descend(warp.parameters(), loss, steps, rate, 100, 0.01, log, "warp")
    return warp
