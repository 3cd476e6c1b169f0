"""Faces are pulled, eyes close and lips part."""

import torch

from training.grimaces import MOUTH, creases, folds, grimaces, pulled, slits, teeth


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
