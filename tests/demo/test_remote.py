"""Inversions of the page in a worker of a Ray cluster: with a stand-in for the way there, and with Ray itself."""

import importlib.util
import os
import pickle
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo import remote
from demo.gallery import EXAMPLES
from demo.handlers import Studio
from demo.shown import Shown
from demo.work import Progress
from demo.zero import Room
from symgan_core.batch import cluster as clusters
from symgan_core.batch.cluster import LOST, Cluster
from symgan_core.errors import RequestError, SymganError
from symgan_core.faces import FaceCrop
from symgan_core.inversion import PhotoRequest
from symgan_core.memory import FOOTPRINT

from .serving import studio_in

RESULTS = {"input.webp", "portrait.safetensors", "report.json", "orbit.mp4", "strip.webp", "coarse.webp"}


class StandIn:
    """Hands over what Ray would, and nothing else; loses its worker after so many ``steps``."""

    def __init__(self, steps: int = 10**6):
        self.steps = steps

    def run(self, work: Callable[..., Iterator[Any]], *given: Any, stop: Callable[[], bool]) -> Iterator[Any]:
        yield None
        for number, step in enumerate(work(stop, *pickle.loads(pickle.dumps(given)))):
            if number == self.steps:
                raise SymganError(*LOST)
            yield pickle.loads(pickle.dumps(step))


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Studio:
    return studio_in(tmp_path_factory.mktemp("studio"))


@pytest.fixture(autouse=True)
def small(monkeypatch, studio: Studio, tmp_path: Path) -> Path:
    """Where workers have their files; their work takes no time, and is stopped as work is."""
    def quick(folder: Path, crop: FaceCrop, generator: object, preset: str, request: PhotoRequest, source: str,
              stop: Callable[[], bool]) -> Iterator[Progress]:
        assert crop.image.dtype == np.uint8 and (preset, request, source) == ("fast", PhotoRequest(0), "builtin")
        for number in range(4):
            yield Progress("pivot", number + 1, 4, crop.image)
            if stop():
                break
        for name in RESULTS:
            (folder / name).write_text(f"{name} after {number + 1}")
        yield Progress("done", 1, 1, origins={"seen": 0.5, "mirrored": 0.25, "invented": 0.25})

    monkeypatch.setattr(remote, "invert_into", quick)
    monkeypatch.setattr(remote, "_generator", lambda source: studio.generator)
    place = tmp_path / "worker"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def through(studio: Studio, monkeypatch, cluster: Any) -> None:
    monkeypatch.setattr(studio, "room", Room(studio.generator, "builtin", cluster=cluster))


def invert(studio: Studio, session: str = "s") -> Iterator[Shown]:
    return studio.invert(str(EXAMPLES / "noor" / "input.png"), "fast", PhotoRequest(0), session)


def test_a_photo_goes_to_a_worker_and_its_head_comes_back(studio: Studio, small: Path, monkeypatch) -> None:
    through(studio, monkeypatch, StandIn())
    shown = list(invert(studio))
    folder = studio.folder_of(shown[-1].portrait_id)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {name: f"{name} after 4" for name in RESULTS}
    assert sum(one.preview is not None for one in shown) == 4 and "sg-done" in shown[-1].status and not list(small.iterdir())


def test_a_stop_keeps_the_best_so_far(studio: Studio, small: Path, monkeypatch) -> None:
    through(studio, monkeypatch, StandIn())
    running = invert(studio)
    while next(running).preview is None:
        pass
    studio.stop("s")
    *_, last = running
    assert "after 1" in Path(last.video).read_text() and not last.failed and not list(small.iterdir())


def test_who_leaves_ends_the_work(studio: Studio, small: Path, monkeypatch) -> None:
    through(studio, monkeypatch, StandIn())
    running = invert(studio, "leaver")
    while not list(small.iterdir()):
        next(running)
    studio.forget("leaver")
    assert not list(running) and not list(small.iterdir())


def test_who_leaves_while_he_waits_for_a_worker_ends_that_too(studio: Studio, monkeypatch) -> None:
    """Nothing comes then but the word that nothing comes."""
    ended = []

    class Busy:
        def run(self, *given: Any, stop: Callable[[], bool]) -> Iterator[None]:
            try:
                while True:
                    yield None
            finally:
                ended.append(given)

    through(studio, monkeypatch, Busy())
    running = invert(studio, "leaver")
    seen = [next(running) for _ in range(5)]
    assert "sg-track" in seen[-1].status and not ended
    studio.forget("leaver")
    assert not list(running) and len(ended) == 1


def test_a_lost_worker_is_one_sentence_and_loses_nothing(studio: Studio, monkeypatch) -> None:
    through(studio, monkeypatch, StandIn())
    *_, before = invert(studio)
    through(studio, monkeypatch, StandIn(steps=3))
    *_, last = invert(studio)
    assert last.failed == " ".join(LOST) and last.video is None
    assert studio.folder_of(before.portrait_id).is_dir() and len(studio.line) == 0
    through(studio, monkeypatch, StandIn())
    assert list(invert(studio))[-1].portrait_id


def test_an_error_for_the_visitor_comes_as_it_is_and_a_fault_of_ours_does_not(studio: Studio, monkeypatch) -> None:
    through(studio, monkeypatch, StandIn())
    for error, said in ((RequestError("Too dark.", "Take another."), "Too dark. Take another."), (ZeroDivisionError(), "our side")):
        def broken(*args: Any, error: Exception = error) -> Iterator[Progress]:
            yield Progress("guess", 0, 2)
            raise error

        monkeypatch.setattr(remote, "invert_into", broken)
        assert said in list(invert(studio))[-1].failed


def test_what_a_killed_worker_left_goes_with_the_next_run(studio: Studio, small: Path, monkeypatch) -> None:
    left = small / f".symgan-run.{2**22 + 1}-0123abcd.partial"
    left.mkdir()
    through(studio, monkeypatch, StandIn())
    running = invert(studio)
    while not (own := [path for path in small.iterdir() if path != left]):
        next(running)
    assert not left.exists() and own[0].stat().st_mode & 0o777 == 0o700
    running.close()


def test_names_of_files_cannot_lead_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    remote.Files({"../a": b"a", "/b": b"b"}).write(tmp_path / "own")
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == ["a", "b"] and len(list(tmp_path.glob("a"))) == 0


def test_without_ray_or_a_cluster_it_is_said(monkeypatch) -> None:
    with pytest.raises(RequestError, match="'ray://host:1' is for Ray's client"):
        Cluster("ray://host:1", 0, "leave SYMGAN_RAY out", "SYMGAN_RAY=local")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RequestError, match=r"not installed. pip install 'symgan\[ray\]', or leave SYMGAN_RAY out\.$"):
        Cluster("local", 0, "leave SYMGAN_RAY out", "SYMGAN_RAY=local")


def test_a_job_is_given_its_memory_and_no_more_than_there_is() -> None:
    class Nodes:
        def __init__(self, *sizes: float):
            self.nodes = lambda: [{"Alive": size > 0, "Resources": {"memory": abs(size)}} for size in sizes]

    assert clusters.needs(Nodes(4e9, 9e9), 0.5) == {"num_cpus": 1, "num_gpus": 0.5, "memory": FOOTPRINT}
    assert clusters.needs(Nodes(1e9, 2e9, -9e9))["memory"] == 2e9


# -- Ray itself -----------------------------------------------------------------------------------------------------------


def steps(stopped: Callable[[], bool], count: int, ended: str) -> Iterator[tuple[int, int]]:
    """Work that says in whose process it is, until it is stopped; ``ended``: a file that is there once it has ended."""
    try:
        for number in range(count):
            yield os.getpid(), number
            if stopped():
                return
            time.sleep(0.05)
    finally:
        Path(ended).touch()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra ray")
def test_a_ray_worker_does_all_of_that(studio: Studio, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(clusters, "jobs_that_fit", lambda: 1)
    cluster = Cluster("local", 0, "", "")
    try:
        assert cluster.at_once() == 1
        items = [item for item in cluster.run(steps, 3, str(tmp_path / "a"), stop=lambda: False) if item]
        assert [number for _, number in items] == [0, 1, 2]

        stopped = [item for item in cluster.run(steps, 10**6, str(tmp_path / "b"), stop=lambda: True) if item]
        assert stopped and (tmp_path / "b").exists()

        running = cluster.run(steps, 10**6, str(tmp_path / "c"), stop=lambda: False)
        while not next(running):
            pass
        running.close()
        for _ in range(600):
            if (tmp_path / "c").exists():
                break
            time.sleep(0.1)
        assert (tmp_path / "c").exists()

        running = cluster.run(steps, 10**6, str(tmp_path / "d"), stop=lambda: False)
        while not (item := next(running)):
            pass
        os.kill(item[0], signal.SIGKILL)
        with pytest.raises(SymganError, match=LOST[0]):
            list(running)

        through(studio, monkeypatch, cluster)  # with a new worker
        shown = []
        for one in studio.invert(str(EXAMPLES / "noor" / "input.png"), "fast", PhotoRequest(0), "r"):
            shown.append(one)
            if sum(one.preview is not None for one in shown) == 3:
                studio.stop("r")
        folder = studio.folder_of(shown[-1].portrait_id)
        assert {path.name for path in folder.iterdir()} == RESULTS
        assert np.ptp(studio.view("r", shown[-1].portrait_id)) > 100
    finally:
        cluster.close()
