"""Ctrl-C, signals that end the command line, and what is said meanwhile."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest
from PIL import Image

from symgan_core import cli
from symgan_core.cli import main
from symgan_core.generator import save_generator
from symgan_core.inversion import Portrait3D
from symgan_core.jobs import RESULTS
from symgan_core.progress import EVERY, Bar, driven
from tests.conftest import make_tiny

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def words(astronaut: np.ndarray, tmp_path_factory) -> list[str]:
    """Of an inversion of a few seconds."""
    folder = tmp_path_factory.mktemp("given")
    Image.fromarray(astronaut).save(folder / "photo.png")
    save_generator(make_tiny(), folder / "tiny.safetensors")
    return ["invert", str(folder / "photo.png"), "--method", "w", "--preset", "fast", "--generator", str(folder / "tiny.safetensors"),
            "--yaw", "0", "--out"]


def signalled(monkeypatch, stage: str, at: int, *numbers: int) -> None:
    """Send signals to this process when a stage has come to a step."""
    class Signalling(Bar):
        def show(self, name: str, step: int, total: int, note: str = "") -> None:
            if (name, step) == (stage, at):
                for number in numbers:
                    os.kill(os.getpid(), number)

    monkeypatch.setattr(cli, "Bar", Signalling)


@pytest.mark.parametrize(("stage", "at"), [("pivot", 5), pytest.param("video", 5, marks=pytest.mark.slow)])
def test_ctrl_c_keeps_the_best_so_far(words: list[str], stage: str, at: int, tmp_path: Path, monkeypatch, capsys) -> None:
    signalled(monkeypatch, stage, at, signal.SIGINT)
    assert main([*words, str(tmp_path / "out")]) == 130
    out, said = capsys.readouterr()
    assert "best so far" in said and "Stopped early" in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(RESULTS)
    steps = json.loads((tmp_path / "out" / "report.json").read_text())["steps"]["pivot"]
    assert (steps == 5) == (stage == "pivot")
    assert sum(1 for _ in imageio.get_reader(tmp_path / "out" / "orbit.mp4")) == 60
    assert Portrait3D.load(tmp_path / "out", "cpu").report["steps"]["pivot"] == steps
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_ends_at_once(words: list[str], tmp_path: Path, monkeypatch, capsys) -> None:
    signalled(monkeypatch, "pivot", 5, signal.SIGINT, signal.SIGINT)
    assert main([*words, str(tmp_path / "out")]) == 130
    assert "Stopped." in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("stage", "at"), [("pivot", 5), pytest.param("video", 30, marks=pytest.mark.slow)])
def test_sigterm_leaves_no_half_results(words: list[str], stage: str, at: int, tmp_path: Path, monkeypatch) -> None:
    """What was there before stays."""
    (tmp_path / "report.json").write_text("old")
    signalled(monkeypatch, stage, at, signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        main([*words, str(tmp_path)])
    assert end.value.code == 143
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"] and (tmp_path / "report.json").read_text() == "old"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.slow
def test_a_killed_run_leaves_no_result_and_the_next_one_clears_up(words: list[str], tmp_path: Path) -> None:
    code = f"""if True:
        import os
        from symgan_core import cli
        class Killing(cli.Bar):
            def show(self, name, step, total, note=""):
                if (name, step) == ("video", 60):
                    os.kill(os.getpid(), 9)
        cli.Bar = Killing
        cli.main({[*words, str(tmp_path)]!r})
    """
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == -9
    left = list(tmp_path.iterdir())
    assert left and all(path.name.startswith(".") and ".partial" in path.name for path in left)
    assert main([*words, str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(RESULTS)


def test_ctrl_c_of_another_command_is_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("symgan_core.faces.load_provider", interrupted)
    assert main(["faces", "photo.png", "--json", str(tmp_path / "f.json")]) == 130
    assert capsys.readouterr().err.strip() == "Stopped." and not list(tmp_path.iterdir())


def test_too_little_memory_is_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr("symgan_core.faces.load_provider", full)
    assert main(["faces", "photo.png", "--json", str(tmp_path / "f.json")]) == 1
    said = capsys.readouterr().err.strip()
    assert "too little memory" in said and "\n" not in said


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_there_is_a_line_every_few_seconds() -> None:
    now, stream = 0.0, io.StringIO()
    bar = Bar(stream, lambda: now)
    for step in range(1, 31):
        now += 1
        bar.show("pivot", step, 30, "a note")
    bar.close()
    assert stream.getvalue().splitlines() == [f"pivot {step}/30 a note" for step in range(int(EVERY), 31, int(EVERY))]


def test_on_a_terminal_there_is_a_bar_in_one_line() -> None:
    stream = _Terminal()
    bar = Bar(stream)
    bar.show("pivot", 15, 30, "about 10 min left")
    bar.show("pivot", 30, 30)
    bar.close()
    first, second = stream.getvalue().strip("\r\n").split("\r")
    assert "15/30 about 10 min left" in first and "30/30" in second and len(second) == len(first)
    assert stream.getvalue().count("\n") == 1


def test_driven_work_shows_its_steps_and_returns_its_result() -> None:
    def work():
        yield "pivot", 1, 2
        yield "pivot", 2, 2
        return "done"

    shown = []
    assert driven(work(), lambda *step: shown.append(step)) == "done" and shown == [("pivot", 1, 2), ("pivot", 2, 2)]
