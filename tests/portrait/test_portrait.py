"""A portrait's own promises, beside what it saves, shows and edits."""

import pytest
import torch

from symgan_core.generator import TriPlaneGenerator
from symgan_core.portrait import Portrait3D


def test_a_head_without_a_density_grid_has_no_editor(tiny: TriPlaneGenerator, frontal: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="density grid"):
        Portrait3D(tiny, tiny.mapping(torch.ones(1, 16), frontal[None]), frontal[None]).editor()
