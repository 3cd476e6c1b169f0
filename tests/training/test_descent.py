from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from symgan_core.weights import read_shipped
from training.descent import Recipe, Run, Schedule, descend, learn


class Doubles(IterableDataset):
    """Numbers, and twice as much."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            x = torch.randn(32, 1)
            yield x, 2 * x


def test_a_network_learns_for_a_time_and_is_written(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, said = nn.Linear(1, 1), []

    def losses(example: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        x, wanted = example
        return {"off": (network(x) - wanted).square().mean()}

    run = Run(minutes=0.03, out=tmp_path / "doubles.safetensors", log=said.append)
    learn(network, Doubles(), losses, Recipe(rate=0.05, weight_decay=0.0, clip=1.0), run)
    assert abs(float(network.weight) - 2) < 0.05 and said and "'off'" in said[0]
    assert torch.allclose(read_shipped(run.out)["weight"].float(), network.weight.detach(), atol=1e-2)


def test_descent_ends_where_the_least_is() -> None:
    place = nn.Parameter(torch.zeros(2))
    aim = torch.tensor([0.3, -0.2])
    descend([place], lambda: (place - aim).square().sum(), Schedule(steps=300, rate=0.02, warm_up=10, floor=0.01), print, "place")
    assert torch.allclose(place.detach(), aim, atol=1e-2)
