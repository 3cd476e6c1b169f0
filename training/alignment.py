"""Where a person's features lie in the planes: a first ``PlaneWarp``, found from the meshes alone.

The head pack knows where every vertex goes, and vertices depend on the traits smoothly. So the field that brings each head onto the mean
one, and each hair onto the mean one of its style, is fitted before any picture is seen; training on pictures refines it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from symgan_core.generator import GeneratorConfig
from symgan_core.generator.decoder import axes_to_projections
from symgan_core.generator.warp import PlaneWarp

from .descent import Schedule, descend
from .heads import HeadPack, draw_codes, person_from_code, trait_statistics, traits
from .heads.people import Person
from .heads.render import place

Array = np.ndarray
EVERY = 3
"""Every so many vertices are looked at."""
REACH = ((0.5, 1.0), (4.0, 1e-3))
"""Widths of the kernels that spread the vertices' moves over the grid, in cells, and their weights: one near, one to fill what is empty."""
HAIR_SHARE = 3.0
"""So much more than skin counts hair in a place that both project to: it lies outside."""
CHUNK = 500


class Fields(NamedTuple):
    """Of N people: standardised traits ``ws [N, T]``, fields ``[N, 3, 2, cells, cells]`` in half sides of the box, and ``worth``, how much
    each cell counts ``[N, 3, cells, cells]``."""

    ws: Tensor
    fields: Tensor
    worth: Tensor


class _Placed(NamedTuple):
    """One person's vertices in scene units: ``skin [V, 3]`` and, above the chin, ``hair [H, 3]``, and which it is; None for the bald."""

    skin: Array
    hair: Array | None
    style: tuple[str, bool] | None


def draw_fields(config: GeneratorConfig, people: int, seed: int = 0, warp: PlaneWarp | None = None) -> Fields:
    """Fields of random people.

    Args:
        warp: one that is in use already: faces stay where it has them, and only hair is brought together.
    """
    pack, codes = HeadPack(), draw_codes(np.random.default_rng(seed), people)
    mean, scale = trait_statistics(pack)
    persons = [person_from_code(pack, code) for code in codes]
    ws = torch.from_numpy((np.stack([traits(pack, person) for person in persons]) - mean) / scale).float()
    projections = axes_to_projections(config.plane_axes).numpy() * (2 / config.box_warp)
    home, cells = mean_head(pack), config.plane_warp[0]
    placed = [placed_vertices(pack, person) for person in persons]
    if warp is None:
        fields = np.stack([plane_fields(at.skin, home, projections, cells) for at in placed])
    else:
        with torch.no_grad():
            fields = torch.cat([warp.cells_of(some) for some in ws.split(CHUNK)]).numpy()
    front = float(home[:, 2].max())
    homes = hair_homes(placed, fields, projections)
    worth = np.ones(fields[:, :, 0].shape, np.float32) * _middle(cells)
    for at, field, counts in zip(placed, fields, worth, strict=True):
        if at.hair is not None:
            bring_hair_home(at, field, counts, homes[at.style], projections, front)
    return Fields(ws, torch.from_numpy(fields), torch.from_numpy(worth))


def mean_head(pack: HeadPack, people: int = 400) -> Array:
    """``[V, 3]``: mean places of the skin's vertices; always the same ones."""
    codes = draw_codes(np.random.default_rng(0), people)
    return np.mean([placed_vertices(pack, person_from_code(pack, z)).skin for z in codes], 0)


def placed_vertices(pack: HeadPack, person: Person) -> _Placed:
    """Where a person's vertices are, as far as they are looked at."""
    at = place(pack, person)
    skin = ((at.vertices[: pack.n_skin: EVERY] - at.centre) * at.scale).astype(np.float32)
    if person.hair is None:
        return _Placed(skin, None, None)
    # What hangs is as long as it likes; brought together, it would drag the neck along.
    lowest = pack.base[pack.landmarks["chin_bottom"], 1]
    upper = np.flatnonzero(at.hair_mesh.fit(pack.base)[:, 1] > lowest)[::EVERY]
    return _Placed(skin, ((at.hair[upper] - at.centre) * at.scale).astype(np.float32), (person.hair, person.hair_mirrored))


def hair_homes(placed: list[_Placed], fields: Array, projections: Array) -> dict[tuple[str, bool], Array]:
    """``[3, H, 2]`` for each hair style and side: where on the planes its vertices lie in the mean, as ``fields`` have it now."""
    found = defaultdict(list)
    for at, field in zip(placed, fields, strict=True):
        if at.hair is not None:
            found[at.style].append(_homeward(_on_planes(at.hair, projections), field))
    return {style: np.mean(places, 0) for style, places in found.items()}


def _on_planes(points: Array, projections: Array) -> Array:
    """``[3, P, 2]``: places on the planes, in [-1, 1]."""
    return np.stack([points @ projection for projection in projections])


def _homeward(places: Array, field: Array) -> Array:
    """``places [3, P, 2]`` moved along ``field [3, 2, cells, cells]``."""
    at = torch.from_numpy(places)
    moves = F.grid_sample(torch.from_numpy(field), at[:, None], padding_mode="border", align_corners=False)
    return places + moves[:, :, 0].transpose(1, 2).numpy()


def plane_fields(points: Array, home: Array, projections: Array, cells: int) -> Array:
    """``[3, 2, cells, cells]``: from each place of a person's planes, the way to the place of the mean head that shows the same.

    Args:
        points: vertices ``[V, 3]`` of the person; home: the same of the mean head.
        projections: ``[3, 3, 2]``, from points to places on the planes in [-1, 1].
    """
    out = np.zeros((3, 2, cells, cells), np.float32)
    for k, (at, aim) in enumerate(zip(_on_planes(points, projections), _on_planes(home, projections), strict=True)):
        moved, total = _spread(at, aim - at, _in_front(home, k), cells)
        out[k] = moved / (total + 1e-12)
    return out


def bring_hair_home(at: _Placed, field: Array, worth: Array, home: Array, projections: Array, front: float) -> None:
    """Change ``field [3, 2, cells, cells]`` in place where hair is, so that its vertices come from ``home [3, H, 2]``; such cells count
    as much in ``worth [3, cells, cells]`` as those in the middle."""
    cells = field.shape[-1]
    share = HAIR_SHARE * len(at.skin) / len(at.hair)
    for k, (skin, hair) in enumerate(zip(*(_on_planes(x, projections) for x in (at.skin, at.hair)), strict=True)):
        # The near kernel alone: a neck or a cheek must not follow hair that is somewhere else.
        moved, total = _spread(hair, home[k] - hair, share * _in_front(at.hair, k, front), cells, REACH[:1])
        _, rest = _spread(skin, np.zeros_like(skin), _in_front(at.skin, k, front), cells, REACH[:1])
        field[k] = (moved + (rest + 1e-3) * field[k]) / (total + rest + 1e-3)
        worth[k] = np.maximum(worth[k], total / (total + rest + 0.5))


def _in_front(points: Array, plane: int, front: float | None = None) -> Array:
    """``[V]``: how much vertices count. In the front plane, the face does and not what is behind it."""
    if plane:
        return np.ones(len(points), np.float32)
    return np.minimum(np.exp((points[:, 2] - (points[:, 2].max() if front is None else front)) / 0.05), 1) + 1e-4


def _spread(at: Array, values: Array, weight: Array, cells: int, kernels: tuple[tuple[float, float], ...] = REACH) -> tuple[Array, Array]:
    """Sums ``[2, cells, cells]`` of ``values [V, 2]`` and ``[cells, cells]`` of ``weight [V]``, blurred around the places ``at [V, 2]``."""
    axis = (np.arange(cells, dtype=np.float32) + 0.5) * 2 / cells - 1
    total, moved = np.zeros((cells, cells)), np.zeros((2, cells, cells))
    for reach, share in kernels:
        across, down = (np.exp(-0.5 * ((axis[:, None] - at[None, :, n]) * (cells / 2 / reach)) ** 2) for n in range(2))
        total += share * (down * weight) @ across.T
        for n in range(2):
            moved[n] += share * (down * (weight * values[:, n])) @ across.T
    return moved, total


def _middle(cells: int) -> Array:
    """``[cells, cells]``: the middle of the planes counts most."""
    axis = np.linspace(-1, 1, cells, dtype=np.float32)
    return 0.05 + np.exp(-2.5 * (axis[:, None] ** 2 + axis[None] ** 2))


def fit_warp(warp: PlaneWarp, known: Fields, steps: int = 6000, batch: int = 256, rate: float = 0.01,
             log: Callable[[str], None] = print) -> PlaneWarp:
    """Fit ``warp`` in place to fields, by least squares."""

    def loss() -> Tensor:
        chosen = torch.randint(0, len(known.ws), (batch,))
        aim, worth = known.fields[chosen], known.worth[chosen][:, :, None]
        return (worth * (warp.cells_of(known.ws[chosen]) - aim).square()).mean() / (worth * aim.square()).mean()

    descend(warp.parameters(), loss, Schedule(steps, rate, 100, 0.01), log, "warp")
    return warp
