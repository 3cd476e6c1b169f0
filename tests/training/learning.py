"""A few steps of a network, for tests that it learns at all."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def learning_curve(network: nn.Module, parts: Callable[[], dict[str, Tensor]], steps: int, rate: float) -> list[float]:
    """Adam on the sum of fresh ``parts``; the sum at each step."""
    optimizer, history = torch.optim.Adam(network.parameters(), rate), []
    for _ in range(steps):
        total = sum(parts().values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(float(total.detach()))
    return history
