"""Memory that runs out: less is tried, then the CPU, then one sentence."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from symgan_core import jobs
from symgan_core.devices import frugal, with_less
from symgan_core.errors import SymganError, is_out_of_memory
from symgan_core.generator import TriPlaneGenerator
from symgan_core.inversion import settings
from symgan_core.progress import driven


class _Elsewhere(TriPlaneGenerator):
    """Says that it is on a GPU, until it is moved."""

    moved = False

    @property
    def device(self) -> torch.device:
        return torch.device("cpu" if self.moved else "cuda")

    def to(self, place: str) -> TriPlaneGenerator:
        self.moved = True
        return self


def full_until(number: int, tried: list[TriPlaneGenerator], error: BaseException | None = None):
    def work(generator: TriPlaneGenerator) -> Iterator[str]:
        tried.append(generator)
        yield f"try {len(tried)}"
        if len(tried) < number:
            raise error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")
        return "done"

    return work


def test_a_full_gpu_is_tried_with_less_and_then_left(tiny: TriPlaneGenerator, caplog) -> None:
    tiny.__class__, tried, seen = _Elsewhere, [], []
    assert driven(with_less(full_until(3, tried), tiny), lambda *word: seen.append("".join(word))) == "done"
    whole, less, last = tried
    assert seen == ["try 1", "try 2", "try 3"] and whole is tiny
    assert less.config.draft_samples[0] < tiny.config.draft_samples[0] and less.chunk_rays < tiny.chunk_rays
    assert less.device.type == "cuda" and last.device.type == "cpu" and tiny.device.type == "cuda"
    assert "fewer samples" in caplog.text and "on the CPU" in caplog.text


def test_what_fits_nowhere_is_one_sentence(tiny: TriPlaneGenerator) -> None:
    tried: list[TriPlaneGenerator] = []
    with pytest.raises(SymganError, match="too little memory"):
        list(with_less(full_until(9, tried, MemoryError()), tiny))
    assert len(tried) == 2  # it is on the CPU already


def test_other_errors_are_not_taken_for_that(tiny: TriPlaneGenerator) -> None:
    tried: list[TriPlaneGenerator] = []
    with pytest.raises(RuntimeError, match="shapes"):
        list(with_less(full_until(9, tried, RuntimeError("shapes differ")), tiny))
    assert len(tried) == 1
    assert is_out_of_memory(torch.OutOfMemoryError("x")) and is_out_of_memory(MemoryError())
    assert not is_out_of_memory(ValueError("out of memory"))


def test_with_less_the_head_is_the_same(tiny: TriPlaneGenerator, frontal: torch.Tensor) -> None:
    ws, less = tiny.mapping(torch.ones(1, 16), frontal[None]), frugal(tiny)
    whole = tiny.synthesis(ws, frontal[None]).image
    assert torch.allclose(less.synthesis(ws, frontal[None]).image, whole, atol=1e-5)


def test_an_inversion_goes_on_with_less(tiny: TriPlaneGenerator, monkeypatch, astronaut: np.ndarray, tmp_path) -> None:
    """The files are those of the second try; the report is whole."""
    used = []

    class Fake:
        def __init__(self, generator: TriPlaneGenerator):
            used.append(generator)
            raise torch.OutOfMemoryError("CUDA out of memory.")

    real = jobs.start_inversion
    monkeypatch.setattr(jobs, "start_inversion", lambda crop, generator, *more: real(crop, generator, *more) if used else Fake(generator))
    tools = jobs.Tools(settings("w", "fast"), tiny, jobs.load_provider())
    monkeypatch.setattr("symgan_core.portrait.storage.load_generator", lambda *_: tiny)
    report = driven(jobs.invert_into(tmp_path, astronaut, jobs.Order("w", "fast", device="cpu"), tools), lambda *_: None)
    assert used == [tiny] and sorted(path.name for path in tmp_path.iterdir()) == sorted(jobs.RESULTS)
    assert report["steps"] == {"pivot": 36}
