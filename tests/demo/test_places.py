"""Folders and port of the page, looked at before it starts."""

import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from fsspec.core import url_to_fs

from demo.places import checked_places
from demo.settings import Settings, Visiting, make_settings
from tests.test_files import nobody, seen_by_all  # noqa: F401

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(work=tmp_path / "work", shares=tmp_path / "shares", port=free_port())


def changed(settings: Settings, **values: object) -> Settings:
    return make_settings(**{name: value for part in asdict(settings).values() for name, value in part.items()} | values)


def test_what_can_be_used_stays_and_nothing_is_made(settings: Settings, tmp_path: Path) -> None:
    assert checked_places(settings) == settings and not list(tmp_path.iterdir())


def test_a_taken_port_is_said_with_what_helps(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.serving.port))
        other.listen()
        with pytest.raises(ValueError, match=f"Port {settings.serving.port} is taken.*SYMGAN_PORT={settings.serving.port + 1}"):
            checked_places(settings)
    assert checked_places(settings) == settings
    for wrong in (changed(settings, port=70_000), changed(settings, host="no.such.host.invalid")):
        with pytest.raises(ValueError, match="SYMGAN_PORT"):
            checked_places(wrong)


@pytest.mark.parametrize("name", ["work", "shares"])
def test_a_folder_that_cannot_be_written_is_said_with_its_variable(settings: Settings, name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=f"SYMGAN_{name.upper()}"):
        checked_places(changed(settings, **{name: tmp_path / "file" / "folder"}))


@pytest.mark.parametrize(("address", "said"), [("nope://x", "Protocol not known: nope"), ("file:///proc/none/x", "/proc/none"),
                                                ("http://127.0.0.1:9/x", "")])
def test_an_address_that_cannot_be_used_is_one_line(settings: Settings, address: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^'{address}' cannot be used: .*{said}.*SYMGAN_SHARES[.]$"):
        checked_places(changed(settings, shares=address))


def test_an_address_is_tried_and_left_as_it_was(settings: Settings, tmp_path: Path) -> None:
    known = changed(settings, shares=f"memory://{tmp_path.name}")
    assert checked_places(known) == known and not list(tmp_path.iterdir())
    assert not url_to_fs(known.sharing.shares)[0].find(tmp_path.name)


def test_for_a_folder_fsspec_is_not_asked(settings: Settings, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    assert checked_places(settings) == settings
    with pytest.raises(ValueError, match="SYMGAN_SHARES"):
        checked_places(changed(settings, shares="memory://x"))


@pytest.mark.parametrize("taken", ["folder", "link", "lock"])
def test_a_default_work_folder_of_somebody_else_is_left_for_one_of_our_own(
        settings: Settings, taken: str, seen_by_all: Path, monkeypatch, caplog) -> None:  # noqa: F811
    """As in /tmp, where all may write: that folder could be read by who made it."""
    if os.geteuid():
        pytest.skip("only root can make a folder of somebody else")
    default = seen_by_all / "symgan-page"
    monkeypatch.setattr(Visiting, "work", default)
    seen_by_all.chmod(0o1777)
    if taken == "folder":
        default.mkdir()
        default.chmod(0o777)
    elif taken == "link":
        default.symlink_to("/var")
    else:
        default.with_name(".symgan-page.lock").touch(0o600)
    with nobody():
        found = checked_places(changed(settings, work=default, shares=seen_by_all / "shares"))
        assert found.visiting.work == seen_by_all / f"symgan-page-{os.geteuid()}"
        assert checked_places(changed(found, shares=seen_by_all / "shares")) == found
    (said,) = caplog.messages
    assert "SYMGAN_WORK" in said and str(found.visiting.work) in said and "\n" not in said


def test_the_page_starts_up_to_its_port_without_a_home(settings: Settings, tmp_path: Path) -> None:
    """A user without an entry, as containers have; the port is taken, so that nothing is loaded."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.serving.port))
        other.listen()
        code = f"""if True:
            import pwd, runpy
            def nobody(uid): raise KeyError(uid)
            pwd.getpwuid = nobody
            runpy.run_path({str(ROOT / "app.py")!r}, run_name="__main__")"""
        environment = {k: v for k, v in os.environ.items() if k != "HOME"} | {
            "PYTHONPATH": str(ROOT), "SYMGAN_PORT": str(settings.serving.port), "SYMGAN_SHARES": str(settings.sharing.shares),
            "SYMGAN_WORK": str(settings.visiting.work), "PYTHONDONTWRITEBYTECODE": "1"}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert run.returncode == 2 and "Traceback" not in run.stderr, run.stderr
    assert f"Port {settings.serving.port} is taken" in run.stderr.splitlines()[-1]
