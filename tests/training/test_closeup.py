"""The second look's training data and training, in small."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from symgan_core.faces.closeup import MAP, REGIONS, CloseNetwork, CloseReading, describe, face_squares
from symgan_core.faces.maps import heat_line, places_of
from symgan_core.generator import TriPlaneGenerator
from tests.training.learning import learning_curve
from training.closeup import SPOT, Batches, Crops, losses, place_in, seen, shoulders, spread, strands, train_code, trait_weights
from training.grimaces import MOUTH, Slits, creases, folds, grimaces, pulled, slits, teeth
from training.mapping import SHIFT


@pytest.fixture(scope="module")
def crops(tmp_path_factory) -> Crops:
    from training.pool import Pool

    pool = Pool.open(tmp_path_factory.mktemp("pool"), 3)
    pool.fill(seed=1, places=range(3))
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


def test_places_are_where_the_heat_is() -> None:
    heat = torch.full((1, 2, 32, 32), -20.0)
    heat[0, 0, 4, 20] = heat[0, 1, 31, 0] = 20
    x, y = places_of(heat)[0, 0].tolist()
    assert x == pytest.approx(20 / 31 * 1.16 - 0.08, abs=1e-3) and y == pytest.approx(4 / 31 * 1.16 - 0.08, abs=1e-3)
    assert places_of(heat)[0, 1].tolist() == pytest.approx([-0.08, 1.08], abs=1e-3)


def test_a_map_is_held_to_a_spot_at_its_point() -> None:
    line = heat_line(torch.zeros(32, 32))
    point = torch.tensor([[[0.3, 0.6]]])

    def spot(x: float, y: float, size: float) -> torch.Tensor:
        squares = (line - x).square() + (line[:, None] - y).square()
        return -squares[None, None] / (2 * size**2)

    there, beside, wide = (float(spread(heat, point)[0, 0]) for heat in (spot(0.3, 0.6, SPOT), spot(0.4, 0.6, SPOT), spot(0.3, 0.6, 0.2)))
    assert there == pytest.approx(0, abs=1e-4) and beside > 1 and wide > 1
    apart = torch.logaddexp(spot(0.1, 0.6, SPOT), spot(0.5, 0.6, SPOT))  # its mean is right, and that is not enough
    assert float(spread(apart, point)[0, 0]) > 2
    apart = torch.logaddexp(spot(0.3, 0.6, SPOT), spot(0.7, 0.6, SPOT) - 1)  # a doubt elsewhere does not move the place that is read
    assert places_of(apart)[0, 0].tolist() == pytest.approx([0.3, 0.6], abs=0.01)
    assert float(spread(apart, point)[0, 0]) > 0.2


def test_traits_that_change_nothing_weigh_least(tiny: TriPlaneGenerator) -> None:
    for name, weight in tiny.named_parameters():
        if name.endswith("affine.weight"):
            weight.data[:, 3] = 0  # the fourth number of w is not listened to
    weights = trait_weights(tiny)
    assert weights.shape == (tiny.config.w_dim,) and weights[3] == weights.min() == pytest.approx(0.03)
    assert weights.max() > 0.5


def test_workers_draw_crops_of_their_own(crops: Crops) -> None:
    batches = iter(DataLoader(Batches(crops, 8), batch_size=None, num_workers=2, prefetch_factor=1))
    (pictures, truth, w), (_, other, _) = next(batches), next(batches)
    assert isinstance(truth, CloseReading) and pictures.shape == (8, 3, 128, 128) and w.shape == (8, 267)
    assert not torch.equal(truth.angles, other.angles)  # other people from other sides


def test_the_network_learns(crops: Crops) -> None:
    torch.manual_seed(0)
    network = CloseNetwork()

    def parts() -> dict[str, torch.Tensor]:
        pictures, truth, _ = crops.draw(8)
        return losses(*network.read(pictures), truth, torch.ones(len(REGIONS)))

    history = learning_curve(network, parts, steps=20, rate=3e-3)
    assert np.mean(history[-3:]) < 0.85 * np.mean(history[:2])


def test_the_encoder_reads_what_the_rest_has_found(crops: Crops) -> None:
    torch.manual_seed(0)
    network, said = CloseNetwork().eval(), []
    train_code(network, crops, torch.ones(267), count=60, steps=150, batch=20, log=said.append)
    pictures, _, w = crops.draw(8, gently=True)
    code = network.code(describe(pictures, network(pictures))) - SHIFT
    assert (code - w).square().mean() < 0.6 * (w.mean(0) - w).square().mean() and "kept back" in said[-1]


def test_a_pulled_face_takes_its_points_along() -> None:
    torch.manual_seed(0)
    points = 0.4 + 0.2 * torch.rand(3, 68, 2)
    pulls = grimaces(points, torch.ones(3), 1.0)
    moved = pulled(points, pulls)
    assert (moved - points).norm(dim=-1).max() > 0.01
    assert (pulled(moved, pulls, back=True) - points).norm(dim=-1).mean() < 2e-3
    assert torch.equal(pulled(points, grimaces(points, torch.ones(3), 0.0)), points)


EYE, OTHER = (36, 39, 37, 38, 41, 40), (42, 45, 43, 44, 47, 46)


def a_face() -> torch.Tensor:
    """Points with two eyes and a closed mouth, all else in a corner."""
    points = torch.full((68, 2), 0.02)
    for numbers, (x, y), half, height in ((EYE, (0.35, 0.4), 0.08, 0.03), (OTHER, (0.65, 0.4), 0.08, 0.03), (MOUTH, (0.5, 0.7), 0.12, 0.0)):
        at = torch.tensor([-1.0, 1, -0.35, 0.35, -0.35, 0.35]) * half
        points[list(numbers)] = torch.stack([x + at, y + torch.tensor([0.0, 0, -1, -1, 1, 1]) * height], 1)
    return points


def test_eyes_close_and_lips_part_with_their_points() -> None:
    torch.manual_seed(0)
    points = a_face().expand(64, -1, -1)
    gaps = slits(points, torch.ones(64, 68), 1.0)
    moved = gaps.moved_points(points)
    for numbers in (EYE, OTHER):
        ends, upper, lower = (list(numbers[part]) for part in (slice(0, 2), slice(2, 4), slice(4, 6)))
        assert torch.allclose(moved[:, ends], points[:, ends], atol=1e-6)
        opening = (moved[:, lower] - moved[:, upper])[..., 1] / 0.06
        assert opening.min() > -1e-4 and opening.max() < 1 + 1e-4
        assert 0.1 < (opening < 0.2).float().mean() < 0.4 and 0.3 < (opening > 0.99).float().mean() < 0.7
    parted = (moved[:, 67] - moved[:, 61])[:, 1]
    assert (parted > 0.005).float().mean() > 0.2 and (parted.abs() < 1e-5).float().mean() > 0.4
    above, below = points[:, 61:62] - torch.tensor([0.0, 0.02]), points[:, 67:68] + torch.tensor([0.0, 0.02])
    for places in (above, below):  # beside a slit nothing is lost
        assert torch.allclose(gaps.moved(gaps.moved(places), back=True), places, atol=1e-4)
    middle = ((moved[:, 61] + moved[:, 67]) / 2)[:, None] + torch.tensor([0.0417, 0.0])
    there, deep = gaps.opened(middle)
    assert torch.equal(there[:, 0], parted > 1e-4) and (deep[there] - 0.5).abs().max() < 0.2
    unseen = slits(points, torch.zeros(64, 68), 1.0)
    assert torch.allclose(unseen.moved_points(points), points, atol=1e-5)


def test_a_crease_ends_where_the_mouth_does() -> None:
    torch.manual_seed(0)
    points = a_face().expand(40, -1, -1).clone()
    points[:, 48], points[:, 54] = torch.tensor([0.4, 0.7]), torch.tensor([0.6, 0.7])
    points[:, 31], points[:, 33], points[:, 35] = torch.tensor([0.46, 0.58]), torch.tensor([0.5, 0.6]), torch.tensor([0.54, 0.58])
    moved, dark = creases(points, torch.ones(40, 68), 64)
    run = moved - points
    longer = run[:, 54, 0] > 0.005
    assert (run[:, 36, 0] <= 0).all() and (run[:, 45, 0] >= 0).all() and run.abs().max() < 0.1
    hidden, plain = creases(points, torch.zeros(40, 68), 64)
    assert torch.equal(hidden, points) and (plain == 1).all()
    assert 0.3 < longer.float().mean() < 0.7 and (run[:, 48, 0] <= 0).all()  # half of all mouths have one
    assert torch.equal(run.abs().sum((0, 2)).nonzero()[:, 0], torch.tensor([36, 39, 42, 45, 48, 54]))
    assert (dark.amin((1, 2, 3))[longer] < 0.9).all() and ((dark[:, :, :16] - 1).abs() < 0.01).all()
    cheeks = (dark.amax((1, 2, 3)) > 1.05).float().mean()  # beside a fold the cheek may be bright
    assert 0.1 < cheeks < 0.8 and dark.max() < 1.4
    folded = dark[:, 0, 40:43, :27].amin((1, 2)) < 0.97  # from the nose past the mouth, and no point goes along
    assert 0.2 < folded.float().mean() < 0.8 and (run[folded, 48, 0] == 0).any()


def test_teeth_are_brighter_than_what_is_behind_them() -> None:
    torch.manual_seed(0)
    colours = teeth(torch.linspace(0, 1, 16).expand(30, 1, 16, 16).transpose(2, 3), torch.zeros(30, 1, 1, 1))
    assert (colours[:, :, 0] > 0.3).all() and colours[:, :, -1].mean() < colours[:, :, 0].mean() - 0.4
    arcs = folds(30, 64)
    assert arcs.min() > 0.1 and arcs.max() < 1.6 and 0.001 < ((arcs - 1).abs() > 0.03).float().mean() < 0.1


def test_half_of_the_looks_are_closer_ones(crops: Crops) -> None:
    _, truth, _ = crops.draw(32)
    square = face_squares(truth.points)
    near = torch.arange(32) % 2 == 0
    assert (1 / square[near, 0]).median() > 0.75 and (1 / square[~near, 0]).median() > 1.4
    _, gently, _ = crops.draw(16, gently=True)
    assert (gently.frame[:, :2].norm(dim=1) - 1).abs().max() < 0.1
