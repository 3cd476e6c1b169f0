"""Many photos: each once, whoever works on them and whatever is killed."""

import contextlib
import csv
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from symgan_core.batch import run, table, workers
from symgan_core.batch.photos import list_photos
from symgan_core.cli import main
from symgan_core.errors import RequestError
from symgan_core.generator import save_generator
from symgan_core.jobs import RESULTS
from tests.conftest import make_tiny

from .running import ROOT, heads, started, worker_at_work

EXAMPLES = ROOT / "examples"
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra ray")


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("generator") / "tiny.safetensors"
    save_generator(make_tiny(), path)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Three heads, one of them twice, a text that is no photo, and what is not looked at."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more").mkdir()
    (folder / ".hidden").mkdir()
    for name, example in (("a.png", "ada"), ("b.PNG", "eileen"), ("more/c.png", "emil"), ("more/same.png", "ada"),
                          (".hidden/d.png", "ada")):
        shutil.copyfile(EXAMPLES / example / "input.png", folder / name)
    (folder / "broken.jpg").write_text("no photo")
    (folder / "notes.txt").write_text("notes")
    return folder


def words(photos: Path, out: Path, tiny_file: Path, *more: str) -> list[str]:
    return ["batch", str(photos), "--out", str(out), "--method", "w", "--preset", "fast", "--generator", str(tiny_file), *more]


def rows(out: Path) -> dict[str, dict]:
    from pyarrow import parquet

    return {row["photo"]: row for row in parquet.read_table(out / "report.parquet").to_pylist()}


@pytest.fixture
def faked(monkeypatch) -> Iterator[list[str]]:
    """Work that takes no time; yields the names of the photos that were worked on."""
    done: list[str] = []

    def invert_into(folder: Path, photo: np.ndarray, *_: object):
        done.append(re.sub(r"^\.|-.*", "", folder.name))
        yield "pivot", 1, 1
        (folder / "report.json").write_text(json.dumps({"method": "w", "seconds": {"pivot": 1.5}, "metrics": {"psnr": 20.0}}))
        return {}

    monkeypatch.setattr(workers, "invert_into", invert_into)
    monkeypatch.setattr(workers, "load_tools", lambda order: None)
    workers._tools.cache_clear()
    yield done
    workers._tools.cache_clear()


def test_each_photo_is_done_once_and_failures_are_listed(photos: Path, tiny_file: Path, tmp_path: Path, faked: list[str],
                                                         capsys) -> None:
    pytest.importorskip("pyarrow")
    assert main(words(photos, tmp_path, tiny_file)) == 0
    assert sorted(faked) == ["a", "b", "c"]
    said, told = capsys.readouterr()
    assert "5 photo(s): 3 done, 1 the same as another, 1 failed" in said and "broken.jpg: The file is not a picture" in told
    found = rows(tmp_path)
    assert {name: row["status"] for name, row in found.items()} == {
        "a.png": "done", "b.PNG": "done", "broken.jpg": "failed", "more/c.png": "done", "more/same.png": "same"}
    assert found["more/same.png"]["folder"] == found["a.png"]["folder"] and found["a.png"]["psnr"] == 20
    assert found["a.png"]["seconds"] == 1.5
    assert found["broken.jpg"]["reason"] and found["broken.jpg"]["folder"] == "" and found["broken.jpg"]["psnr"] is None
    assert (tmp_path / found["a.png"]["folder"] / "report.json").is_file()


def test_a_rerun_skips_what_is_finished_though_it_was_renamed(photos: Path, tiny_file: Path, tmp_path: Path, faked: list[str],
                                                              capsys) -> None:
    own, out = tmp_path / "photos", tmp_path / "out"
    shutil.copytree(photos, own)
    main(words(own, out, tiny_file))
    shutil.rmtree(heads(out)["b"])
    (own / "a.png").rename(own / "renamed.png")
    shutil.copyfile(own / "more" / "c.png", own / "broken.jpg")  # mended meanwhile, and known
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    half = out / f".c.{killed.pid}-0123abcd.partial"
    half.mkdir()
    faked.clear()
    assert main(words(own, out, tiny_file)) == 0
    assert faked == ["b"] and not half.exists()
    assert "1 done, 2 done before, 2 the same as another." in capsys.readouterr().out


def test_results_of_another_order_are_not_mixed(photos: Path, tiny_file: Path, tmp_path: Path, faked: list[str], capsys) -> None:
    main(words(photos, tmp_path, tiny_file))
    faked.clear()
    for more, said in ((["--seed", "3"], "(seed)"), (["--preset", "best"], "(preset)"), (["--generator", "builtin"], "(generator)")):
        capsys.readouterr()
        assert main(words(photos, tmp_path, tiny_file, *more)) == 2
        assert said in capsys.readouterr().err
    assert not faked and main(words(photos, tmp_path, tiny_file, "--device", "cpu")) == 0


@pytest.mark.parametrize(("more", "said"), [
    (["--workers", "0"], "workers"), (["--gpus", "0.5"], "--ray"), (["--gpus", "-1", "--ray", "local"], "GPU"),
    (["--method", "magic"], "magic"), (["--generator", "none.safetensors"], "none.safetensors")])
def test_what_cannot_be_is_refused_before_work(photos: Path, tiny_file: Path, tmp_path: Path, more: list[str], said: str, capsys) -> None:
    assert main(words(photos, tmp_path / "out", tiny_file, *more)) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    for arguments in ((tmp_path / "nowhere", tmp_path / "out"), (tmp_path, tmp_path / "out"), (photos, tmp_path / "file")):
        assert main(words(*arguments, tiny_file)) == 2
    assert not (tmp_path / "out").exists()


def test_a_fault_of_one_photo_is_its_own(photos: Path, tiny_file: Path, tmp_path: Path, faked: list[str], monkeypatch, capsys) -> None:
    pytest.importorskip("pyarrow")
    work = workers.invert_into

    def failing(folder: Path, *more: object):
        if folder.name.startswith(".b"):
            raise ZeroDivisionError("by zero\nand more")
        if folder.name.startswith(".c"):
            raise OSError(28, "No space left on device")
        return work(folder, *more)

    monkeypatch.setattr(workers, "invert_into", failing)
    assert main(words(photos, tmp_path, tiny_file)) == 0
    found = rows(tmp_path)
    assert found["b.PNG"]["reason"] == "ZeroDivisionError: by zero" and "disk is full" in found["more/c.png"]["reason"]
    assert found["a.png"]["status"] == "done" and set(heads(tmp_path)) == {"a"}


def test_ctrl_c_ends_with_a_report_of_what_is_done(photos: Path, tiny_file: Path, tmp_path: Path, faked: list[str], monkeypatch) -> None:
    pytest.importorskip("pyarrow")
    work = workers.invert_into

    def interrupted(folder: Path, *more: object):
        if folder.name.startswith(".b"):
            os.kill(os.getpid(), signal.SIGINT)
        return work(folder, *more)

    monkeypatch.setattr(workers, "invert_into", interrupted)
    assert main(words(photos, tmp_path, tiny_file)) == 130
    assert {name: row["status"] for name, row in rows(tmp_path).items() if row["status"] != "same"} == {
        "a.png": "done", "b.PNG": "left", "broken.jpg": "left", "more/c.png": "left"}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_without_pyarrow_the_report_is_csv(photos: Path, tiny_file: Path, tmp_path: Path, faked: list[str], monkeypatch, caplog) -> None:
    monkeypatch.setattr(table.importlib.util, "find_spec", lambda name: None)
    assert main(words(photos, tmp_path, tiny_file)) == 0
    with (tmp_path / "report.csv").open() as file:
        assert {row["photo"]: row["status"] for row in csv.DictReader(file)}["a.png"] == "done"
    assert "symgan[batch]" in caplog.text and not (tmp_path / "report.parquet").exists()


def test_without_ray_it_is_said(photos: Path, tiny_file: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(words(photos, tmp_path, tiny_file, "--ray", "local")) == 2
    assert "symgan[ray]" in capsys.readouterr().err.splitlines()[-1]


class Pool:
    """In place of processes: ``most`` jobs were under way at once; who waits for one to end sees the first end, or time pass."""
    def __init__(self, monkeypatch, fitting: Callable[[], int]):
        self.under_way, self.most, self.looks = [], 0, 0
        monkeypatch.setattr(workers, "_pool", lambda count, threads: contextlib.nullcontext(self))
        monkeypatch.setattr(workers, "wait", self.wait)
        monkeypatch.setattr(workers, "jobs_that_fit", lambda own: fitting())

    def submit(self, work: object, task: object) -> Future:
        self.under_way.append(Future())
        self.most = max(self.most, len(self.under_way))
        return self.under_way[-1]

    def wait(self, futures: object, timeout: float | None, when: str) -> SimpleNamespace:
        self.looks += timeout is not None
        done = set() if timeout is not None and self.looks == 1 else {self.under_way.pop(0)}
        for future in done:
            future.set_result("")
        return SimpleNamespace(done=done)


@pytest.mark.parametrize(("fitting", "later", "most"), [(1, 1, 1), (2, 2, 2), (9, 9, 3), (1, 3, 3)])
def test_no_more_processes_work_than_fit(photos: Path, tiny_file: Path, tmp_path: Path, monkeypatch, fitting: int, later: int,
                                         most: int) -> None:
    """``later``: what fits at the second look, though none has ended."""
    pool = Pool(monkeypatch, lambda: later if pool.looks else fitting)
    assert main(words(photos, tmp_path, tiny_file, "--workers", "3")) == 0
    assert pool.most == most and not pool.under_way


def test_photos_are_listed_by_name_without_results_and_hidden_ones(photos: Path, tmp_path: Path) -> None:
    names = [photo.path.name for photo in list_photos(photos, photos / "more")]
    assert names == ["a.png", "b.PNG", "broken.jpg"]
    wild = tmp_path / ("é ü" + "x" * 80 + "..png")
    wild.write_bytes(b"photo")
    (photo,) = list_photos(tmp_path, tmp_path / "out")
    assert re.fullmatch(r"[\w-]{1,40}-[0-9a-f]{12}", photo.name, re.ASCII)
    with pytest.raises(RequestError, match="no photo"):
        list_photos(tmp_path, tmp_path)


def test_durations_are_said_in_words() -> None:
    assert [run._duration(seconds) for seconds in (20, 600, 40_000)] == ["about 20 s", "about 10 min", "about 11 h"]


@pytest.fixture(scope="module")
def alone(photos: Path, tiny_file: Path, tmp_path_factory) -> Path:
    """What one process makes."""
    out = tmp_path_factory.mktemp("alone")
    assert main(words(photos, out, tiny_file)) == 0
    return out


def assert_the_same(out: Path, alone: Path) -> None:
    assert set(heads(out)) == set(heads(alone)) == {"a", "b", "c"}
    for name, folder in heads(out).items():
        assert sorted(path.name for path in folder.iterdir()) == sorted(RESULTS)
        views = [np.asarray(Image.open(place / "reconstruction.png"), int) for place in (folder, heads(alone)[name])]
        assert np.abs(views[0] - views[1]).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("more", [["--workers", "2"], pytest.param(["--workers", "2", "--ray", "local"], marks=needs_ray)])
def test_a_worker_killed_in_the_middle_changes_nothing(photos: Path, tiny_file: Path, alone: Path, tmp_path: Path, more: list[str]) -> None:
    process = started(words(photos, tmp_path, tiny_file, *more))
    os.kill(worker_at_work(tmp_path), signal.SIGKILL)
    said, told = process.communicate(timeout=600)
    assert process.returncode == 0 and "3 done, 1 the same as another, 1 failed" in said, told
    assert_the_same(tmp_path, alone)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--workers", "2"]])
def test_after_kill_9_the_rest_is_done(photos: Path, tiny_file: Path, alone: Path, tmp_path: Path, more: list[str]) -> None:
    """And nothing twice: what was finished keeps its files as they were."""
    process = started(words(photos, tmp_path, tiny_file, *more))
    end = time.monotonic() + 300
    while not heads(tmp_path).keys() & {"a", "b", "c"} and time.monotonic() < end:
        time.sleep(0.05)
    worker = worker_at_work(tmp_path)
    process.kill()
    process.communicate()
    before = {path: path.stat().st_mtime_ns for name, folder in heads(tmp_path).items() if name in "abc" for path in folder.iterdir()}
    while more and Path(f"/proc/{worker}").exists() and time.monotonic() < end:  # workers end with their parent
        time.sleep(0.05)
    assert not more or not Path(f"/proc/{worker}").exists()
    assert main(words(photos, tmp_path, tiny_file)) == 0
    assert before and all(path.stat().st_mtime_ns == written for path, written in before.items())
    assert_the_same(tmp_path, alone)
    assert not list(tmp_path.glob(".*"))
