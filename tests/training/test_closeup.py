"""The second look's training, in small."""

import numpy as np
import pytest
import torch

from symgan_core.faces.closeup import REGIONS, CloseNetwork, describe
from symgan_core.faces.maps import heat_line, places_of
from symgan_core.generator import TriPlaneGenerator
from tests.training.learning import learning_curve
from training.closeup import losses, spread, train_code, trait_weights
from training.crops import SPOT, Crops
from training.mapping import SHIFT
from training.pool import Pool


@pytest.fixture(scope="module")
def crops(pool: Pool) -> Crops:
    return Crops(pool, backdrops=4)


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
