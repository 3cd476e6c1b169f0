"""``python -m training`` hands on what it was told."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

from symgan_core.faces import closeup, network, points
from training.__main__ import main
from training.descent import Run
from training.pool import Pool


@pytest.mark.parametrize(("name", "weights"), [("faces", network.WEIGHTS), ("closeup", closeup.WEIGHTS), ("points", points.WEIGHTS)])
def test_a_small_network_is_trained_into_the_file_that_ships(
        name: str, weights: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[Run] = []
    monkeypatch.setattr(import_module(f"training.{name}"), "train", lambda pool, run, **more: runs.append(run))
    monkeypatch.setattr(Pool, "open", lambda *_: pool)
    monkeypatch.setattr(sys, "argv", ["training", name, "--minutes", "3", "--seed", "5", "--workers", "2"])
    main()
    assert runs == [Run(3.0, weights, 5, None, 2)]
