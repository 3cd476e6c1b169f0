"""Directions in w: principal ones, and those of a user's file."""

import pytest
import torch
from safetensors.torch import save_file

from symgan_core.errors import CheckpointError, RequestError
from symgan_core.generator import TriPlaneGenerator
from symgan_core.portrait.editing import Direction, Directions, directions_of, list_directions, load_directions, save_directions


def test_other_generators_get_principal_directions_once(tiny: TriPlaneGenerator) -> None:
    names = [d.name for d in list_directions(tiny)]
    found = directions_of(tiny)
    assert found is directions_of(tiny)
    assert len(names) >= 3 and names[0] == "component_0"
    ws = torch.zeros(1, tiny.config.num_ws, tiny.config.w_dim)
    moved = found.move(ws, {names[0]: 1.0})
    assert 0 < moved.norm() < 50 and torch.equal(moved, found.move(ws, {names[0]: 1.0}))


def test_a_users_own_directions(tiny: TriPlaneGenerator, tmp_path) -> None:
    path, ws = tmp_path / "mine.safetensors", torch.zeros(1, tiny.config.num_ws, tiny.config.w_dim)
    vector = torch.arange(float(tiny.config.w_dim))
    save_directions(Directions((Direction("freckles", "Freckles", "none ↔ many", 1.5),), {"freckles": vector}), path)
    assert torch.equal(load_directions(path, tiny).move(ws, {"freckles": 1.5})[0, 0], 1.5 * vector)
    with pytest.raises(RequestError, match="out of range"):
        load_directions(path, tiny).move(ws, {"freckles": 2})
    save_file({"plain_name": vector}, str(path))  # no header of ours: any tool can write it
    assert load_directions(path, tiny).known[0].label == "Plain name"


@pytest.mark.parametrize("tensors", [{}, {"short": torch.zeros(3)}, {"bad": torch.full((24,), float("nan"))}])
def test_directions_of_another_generator_are_refused(tiny: TriPlaneGenerator, tmp_path, tensors: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "d.safetensors"
    save_file(tensors, str(path))
    with pytest.raises(CheckpointError, match="does not fit"):
        load_directions(path, tiny)


def test_a_damaged_directions_file_is_refused(tiny: TriPlaneGenerator, tmp_path) -> None:
    path = tmp_path / "d.safetensors"
    with pytest.raises(CheckpointError, match="does not exist"):
        load_directions(path, tiny)
    path.write_bytes(b"not a file of tensors")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_directions(path, tiny)
