import numpy as np
import pytest
import torch

from symgan_core.faces.frames import cut_squares, points_in_squares, points_to_photo
from symgan_core.faces.network import FaceNetwork
from tests.training.learning import learning_curve
from training.crops import CLOTHING
from training.faces import Examples, fingers, losses
from training.pool import Pool


@pytest.fixture(scope="module")
def examples(pool: Pool) -> Examples:
    return Examples(pool, backdrops=4)


def test_examples_have_truths_that_fit(examples: Examples) -> None:
    squares, truth, positive = examples.draw(32)
    assert squares.shape == (32, 3, 96, 96) and squares.abs().max() <= 1
    assert 0.3 < positive.float().mean() < 0.95
    x = truth.points[positive]
    inside = ((x > -0.6) & (x < 1.6)).all(-1).float().mean()
    assert inside > 0.95
    assert torch.equal(truth.score.bool(), positive) and truth.mask.min() >= 0 and truth.mask.max() <= 1


def test_squares_without_a_head_have_everything_else(examples: Examples) -> None:
    crops = examples.crops
    rows = np.repeat(crops.all[:1], 40, 0)
    frames = torch.tensor([[0.9, 0.0, 0.5, 0.5]]).expand(40, -1)
    _, seen, _ = crops.compose(rows, frames.clone(), shown=torch.arange(40) < 20)
    heads = (seen.regions > 0) & (seen.regions != CLOTHING)
    assert heads[:20].float().mean((1, 2)).min() > 0.15 and not heads[20:].any()
    assert (seen.regions[20:] == CLOTHING).any()


def test_fingers_have_the_colour_of_the_skin_and_leave_the_rest() -> None:
    torch.manual_seed(0)
    pictures = torch.full((30, 3, 96, 96), -0.5)
    pictures[:, :, :48] = 0.6
    out = fingers(pictures, torch.tensor([[0.5, 0.25]]).expand(30, -1))
    changed = ((out - pictures).abs().amax(1) > 0.02).float().mean((1, 2))
    assert changed.min() > 0.01 and changed.max() < 0.5
    assert out.max() <= 0.61 and (out[:, :, 48:] > 0.4).any()  # skin, where there was none


def test_square_and_frame_are_inverse() -> None:
    frames = torch.tensor([[0.7, 0.2, 0.45, 0.6], [1.2, -0.3, 0.5, 0.5]])
    points = torch.rand(2, 5, 2)
    assert torch.allclose(points_in_squares(points_to_photo(points, frames), frames), points, atol=1e-5)


def test_cut_squares_reads_the_right_place() -> None:
    image = torch.zeros(1, 3, 100, 120)
    image[..., 48:52, 68:72] = 1
    square = cut_squares(image, torch.tensor([[40.0, 0.0, 70.0, 50.0], [0.0, 40.0, 70.0, 40.0]]), 20)
    assert square[0, 0, 9:11, 9:11].min() > 0.5
    assert square[1, 0].sum() > 1 and square[1, 0, 9:11, :].sum() > 0.8 * square[1, 0].sum()  # turned: the offset lies along x


def test_the_network_learns(examples: Examples) -> None:
    torch.manual_seed(0)
    network = FaceNetwork()

    def parts() -> dict[str, torch.Tensor]:
        squares, truth, positive = examples.draw(16)
        return losses(network(squares), truth, positive)

    history = learning_curve(network, parts, steps=12, rate=2e-3)
    assert np.mean(history[-3:]) < 0.9 * np.mean(history[:3])
