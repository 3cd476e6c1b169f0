"""Contextual loss (Mechrez et al. 2018): compares sets of features, so small shifts and asymmetries cost little."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def contextual_loss(a: Tensor, b: Tensor, bandwidth: float = 0.5) -> Tensor:
    """Each feature of ``b`` should have a near one in ``a``.

    Args:
        a, b: ``[B, N, D]`` and ``[B, M, D]``, features of two pictures (``vgg_features``).
        bandwidth: 0.5 as in SPI's public code.

    Returns:
        ``-log`` of the mean of the largest affinities; about 0 for equal sets.
    """
    centre = b.mean(1, keepdim=True)
    a, b = F.normalize(a - centre, dim=-1), F.normalize(b - centre, dim=-1)
    distance = 1 - a @ b.transpose(1, 2)
    relative = distance / (distance.amin(2, keepdim=True) + 1e-5)
    affinity = torch.softmax((1 - relative) / bandwidth, dim=2)
    return -torch.log(affinity.amax(1).mean(1) + 1e-5).mean()
