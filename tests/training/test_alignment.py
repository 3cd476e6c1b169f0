"""The first warp: found from meshes, it must bring features to where the mean head has them."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from symgan_core.generator import BUILTIN
from symgan_core.generator.decoder import axes_to_projections
from symgan_core.generator.warp import PlaneWarp
from training.alignment import Fields, _homeward, _on_planes, draw_fields, fit_warp, hair_homes, mean_head, placed_vertices, plane_fields
from training.heads import HeadPack, draw_codes, person_from_code
from training.heads.people import Person


@pytest.fixture(scope="module")
def projections() -> np.ndarray:
    return axes_to_projections(BUILTIN.plane_axes).numpy() * (2 / BUILTIN.box_warp)


def test_a_moved_head_gives_the_way_back(projections: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    home = rng.uniform(-0.25, 0.25, (3000, 3)).astype(np.float32)
    move = np.float32([0.01, -0.02, 0.03])
    fields = plane_fields(home + move, home, projections, 12)
    for k in range(3):
        expected = -move @ projections[k]
        assert np.allclose(fields[k][:, 3:9, 3:9], expected[:, None, None], atol=1e-4)


def test_features_come_from_the_mean_heads_place(projections: np.ndarray) -> None:
    """A head that is stretched: from a place of its planes, the field leads to the mean head's place of the same vertex."""
    rng = np.random.default_rng(1)
    home = rng.uniform(-0.3, 0.3, (6000, 3)).astype(np.float32)
    head = home * np.float32([1.1, 0.9, 1.0])
    fields = torch.from_numpy(plane_fields(head, home, projections, 24))
    some = np.abs(home).max(1) < 0.2
    at, aim = (torch.from_numpy(x[some] @ projections[0]) for x in (head, home))
    found = F.grid_sample(fields[:1], at[None, None], align_corners=False)[0, :, 0].T + at
    assert (found - aim).abs().mean() < 0.25 * (at - aim).abs().mean()


@pytest.fixture(scope="module")
def crowd() -> tuple[list[Person], Fields]:
    pack = HeadPack()
    return [person_from_code(pack, z) for z in draw_codes(np.random.default_rng(0), 50)], draw_fields(BUILTIN, 50)


def test_hair_of_one_style_comes_together(projections: np.ndarray, crowd: tuple[list[Person], Fields]) -> None:
    """Seen from the side, where hair lies outside: a fit to the skin leaves its vertices' places twice as far apart."""
    people, known = crowd
    pack = HeadPack()
    placed = [placed_vertices(pack, person) for person in people]
    style = Counter(at.style for at in placed if at.style and at.style[0].startswith("short")).most_common(1)[0][0]
    mine = [n for n, at in enumerate(placed) if at.style == style]
    home = mean_head(pack)
    skin = [plane_fields(placed[n].skin, home, projections, 24) for n in mine]
    places = [[_homeward(_on_planes(placed[n].hair, projections), field)[2] for n, field in zip(mine, fields, strict=True)]
              for fields in (skin, known.fields[mine].numpy())]
    before, after = (np.std(found, 0).mean() for found in places)
    assert len(mine) >= 4 and after < 0.6 * before
    assert set(hair_homes(placed, known.fields.numpy(), projections)) == {at.style for at in placed if at.style}


def test_a_warp_in_use_keeps_its_faces() -> None:
    """In the front plane, eyes, nose, mouth and neck stay where the warp has them; what is around them moves with the hair."""
    torch.manual_seed(0)
    warp = PlaneWarp(BUILTIN)
    torch.nn.init.normal_(warp.field.weight, std=0.3)
    known = draw_fields(BUILTIN, 20, warp=warp)
    with torch.no_grad():
        change = (known.fields - warp.cells_of(known.ws))[:, 0].abs().mean((0, 1))
    assert change[3:13, 10:14].mean() < 0.05 * change.max()  # rows go up


def test_the_warp_learns_the_fields(crowd: tuple[list[Person], Fields]) -> None:
    known = crowd[1]
    assert known.ws.shape == (50, BUILTIN.w_dim) and known.fields.shape == (50, 3, 2, 24, 24)
    torch.manual_seed(0)
    warp = fit_warp(PlaneWarp(BUILTIN), known, steps=250, batch=32)
    size = BUILTIN.plane_warp[0]
    still = F.affine_grid(torch.eye(2, 3)[None], [1, 1, size, size], align_corners=False)
    moves = (warp.places(known.ws, size) - still).permute(0, 1, 4, 2, 3)
    middle = (..., slice(6, 18), slice(6, 18))
    assert (moves - known.fields)[middle].square().mean() < 0.1 * known.fields[middle].square().mean()
