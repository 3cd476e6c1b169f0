"""The pool's people in crops."""

import pytest
import torch
from torch.utils.data import DataLoader

from symgan_core.faces.closeup import MAP, REGIONS, CloseReading, face_squares
from training.crops import Batches, Crops, place_in, seen, shoulders, strands
from training.grimaces import Slits, slits
from training.pool import Pool


@pytest.fixture(scope="module")
def crops(pool: Pool) -> Crops:
    return Crops(pool, backdrops=4)


def test_crops_have_truths_that_fit(crops: Crops) -> None:
    pictures, truth, w = crops.draw(24)
    assert w.shape == (24, 267)
    assert pictures.shape == (24, 3, 128, 128) and pictures.abs().max() <= 1
    assert truth.regions.shape == (24, MAP, MAP) and int(truth.regions.max()) < len(REGIONS)
    assert 0.3 < truth.visible.mean() < 1 and ((truth.visible == 0) | (truth.visible == 1)).all()
    # Points of the nose lie on the head: what the region map shows there is no background.
    where = (truth.points[:, 30] * MAP).long().clamp(0, MAP - 1)
    shown = truth.regions[torch.arange(24), where[:, 1], where[:, 0]]
    front = truth.angles[:, 0].abs() < 40  # in profile, the tip is the outline
    assert (shown[front] == REGIONS.index("nose")).float().mean() > 0.8
    eyes = truth.points[:, 36:42].mean(1), truth.points[:, 42:48].mean(1)
    assert (eyes[1] - eyes[0])[front, 0].min() > 0  # the person's right eye is on the left of the picture
    assert len(crops.train) > 0 and not set(crops.train[:, 0]) & set(crops.test[:, 0])


def still(count: int = 1) -> tuple[torch.Tensor, Slits]:
    """Neither pulls nor slits that move."""
    points = 0.4 + 0.2 * torch.rand(count, 68, 2)
    return torch.zeros(count, 0, 5), slits(points, torch.ones(count, 68), 0.0)


def test_a_placed_picture_moves_with_its_frame() -> None:
    spot = torch.zeros(1, 4, 32, 32)
    spot[..., 16:20, 16:20] = 1  # just right of and below the middle
    straight, moved = (place_in(spot, torch.tensor([[1.0, 0, x, 0.5]]), *still(), side=32)[0][0, 3] for x in (0.5, 0.75))
    columns = [float((a.sum(0) * torch.arange(32)).sum() / a.sum()) for a in (straight, moved)]
    assert columns[1] - columns[0] == pytest.approx(8, abs=0.2)


def test_hidden_points_are_those_behind_what_is_shown() -> None:
    surface = torch.full((1, 8, 8), 0.1)
    surface[0, :, :4] = float("nan")
    points = torch.tensor([[[0.8, 0.5], [0.8, 0.5], [0.2, 0.5]]])
    assert seen(points, torch.tensor([[0.1, 0.3, 0.3]]), surface).tolist() == [[True, False, True]]


def test_shoulders_are_below_and_strands_in_the_hair_alone() -> None:
    torch.manual_seed(0)
    behind = torch.zeros(40, 3, 64, 64)
    out, body = shoulders(behind, torch.tensor([[1.0, 0, 0.5, 0.5]]).expand(40, 4))
    assert body[:, :, :32].max() == 0 and 0.4 < (body.amax((1, 2, 3)) > 0).float().mean() < 0.95
    assert (out[body.expand_as(out) == 0] == 0).all()
    hair = torch.zeros(4, 1, 64, 64)
    hair[:, :, :20] = 1
    factors = strands(hair)
    assert (factors[:, :, 20:] == 1).all() and factors[:, :, :20].std() > 0.01


def test_workers_draw_crops_of_their_own(crops: Crops) -> None:
    batches = iter(DataLoader(Batches(crops, 8), batch_size=None, num_workers=2, prefetch_factor=1))
    (pictures, truth, w), (_, other, _) = next(batches), next(batches)
    assert isinstance(truth, CloseReading) and pictures.shape == (8, 3, 128, 128) and w.shape == (8, 267)
    assert not torch.equal(truth.angles, other.angles)  # other people from other sides


def test_half_of_the_looks_are_closer_ones(crops: Crops) -> None:
    _, truth, _ = crops.draw(32)
    square = face_squares(truth.points)
    near = torch.arange(32) % 2 == 0
    assert (1 / square[near, 0]).median() > 0.75 and (1 / square[~near, 0]).median() > 1.4
    _, gently, _ = crops.draw(16, gently=True)
    assert (gently.frame[:, :2].norm(dim=1) - 1).abs().max() < 0.1
