"""A step of the training, recorded once and repeated."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .batch import Drawn


class Recorded:
    """``Trainer.learn`` as a CUDA graph. Asking for a step's three thousand kernels takes Python more than twice as long as a GPU takes to
    run them; a graph is asked for once.

    For as long as all steps are alike. Recording does a few steps on ``arrays``.
    """

    def __init__(self, learn: Callable[[Drawn], dict[str, Tensor]], optimizer: torch.optim.Optimizer, arrays: Drawn,
                 device: torch.device | str, warm_up: int = 3):
        self._arrays = {name: values.to(device) for name, values in arrays.items()}
        now, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(now)
        with torch.cuda.stream(aside):
            for _ in range(warm_up):
                learn(self._arrays)
        now.wait_stream(aside)
        optimizer.zero_grad(set_to_none=True)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._losses = learn(self._arrays)

    def __call__(self, arrays: Drawn) -> dict[str, Tensor]:
        for name, values in arrays.items():
            self._arrays[name].copy_(values, non_blocking=True)
        self._graph.replay()
        return self._losses
