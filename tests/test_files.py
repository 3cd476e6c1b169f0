"""What is written: checked before the work, whole or not at all, and never over what was given."""

import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from symgan_core import files, films
from symgan_core.cli import main
from symgan_core.errors import CheckpointError, RequestError
from symgan_core.files import (
    check_file,
    check_readable,
    check_results,
    clear_partials,
    partial_of,
    results_into,
    told,
    whole_file,
    whole_folder,
    write_text,
)
from symgan_core.generator import TriPlaneGenerator, load_generator, save_generator
from symgan_core.inversion import Portrait3D

ROOT = Path(__file__).parents[1]


@contextmanager
def nobody() -> Iterator[None]:
    """Without the rights of root, whom no permission stops."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def seen_by_all() -> Iterator[Path]:
    """A folder that anybody may enter; pytest's own may be entered by its owner alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def refused(path: Path, *given: Path) -> str:
    with pytest.raises(RequestError) as error:
        check_file(path, given)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_can_be_written_is_not_refused_and_nothing_is_left(tmp_path: Path) -> None:
    check_file(tmp_path / "new" / "folder" / "view.png")
    check_results(tmp_path / "new", ["orbit.mp4"])
    check_results(tmp_path, ["orbit.mp4"])
    check_file(Path(os.devnull))
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_said_before_the_work(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "input.png").mkdir()
    assert "a part of the path is a file" in refused(tmp_path / "file" / "a.png")
    assert "it is a folder" in refused(tmp_path)
    assert "too long" in refused(tmp_path / ("a" * 300 + ".png"))
    with pytest.raises(RequestError, match="is a folder"):
        check_results(tmp_path, ["input.png"])
    with monkeypatch.context() as patch:
        patch.setattr(files.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 1000))
        assert "the disk is full" in refused(tmp_path / "a.png")
        check_file(tmp_path / "a.png", room=1000)

    def read_only(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(files.os, "open", read_only)
    assert "read-only" in refused(tmp_path / "a.png")


def test_a_folder_of_somebody_else_is_refused(seen_by_all: Path) -> None:
    with nobody():
        assert "permission is denied" in refused(seen_by_all / "a.png")
        assert "permission is denied" in refused(seen_by_all / "new" / "a.png")


def test_what_was_given_is_not_written_over(tmp_path: Path) -> None:
    photo, link = tmp_path / "input.png", tmp_path / "me.png"
    photo.write_bytes(b"photo")
    link.symlink_to(photo)
    for given in (photo, link, tmp_path / "." / "input.png"):
        with pytest.raises(RequestError, match="written over"):
            check_results(tmp_path, ["orbit.mp4", "input.png"], [given])
    assert "written over" in refused(link, photo)
    check_results(tmp_path, ["orbit.mp4"], [photo])
    assert photo.read_bytes() == b"photo" and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("words", [
    ["invert", "input.png", "--out", "."], ["faces", "input.png", "--json", "input.png"], ["convert", "input.png", "input.safetensors"],
    ["evaluate", ".", "--json", "input.png"], ["evaluate", ".", "--json", "people.json"], ["evaluate", ".", "--json", "input.json"]])
def test_no_command_writes_over_its_input(words: list[str], tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("input.png", "people.json", "input-sheet.jpg"):
        Path(name).write_bytes(b"given")
    Path("input.safetensors").symlink_to("input.png")
    assert main(words) == 2
    said = capsys.readouterr().err.strip()
    assert "written over" in said and "\n" not in said
    assert all(Path(name).read_bytes() == b"given" for name in ("input.png", "people.json", "input-sheet.jpg"))
    assert len(list(tmp_path.iterdir())) == 4


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    write_text(path, "old")
    with pytest.raises(OSError), whole_file(path) as partial:
        partial.write_text("half of")
        assert path.read_text() == "old" and partial.suffix == ".json"
        raise OSError(errno.ENOSPC, "")
    assert path.read_text() == "old" and list(path.parent.iterdir()) == [path]
    write_text(path, "new")
    assert path.read_text() == "new" and list(path.parent.iterdir()) == [path]


def test_files_have_the_permissions_of_any_new_file(tiny: TriPlaneGenerator, frontal: torch.Tensor, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        save_generator(tiny, tmp_path / "tiny.safetensors")
        report = {"generator": str(tmp_path / "tiny.safetensors")}
        Portrait3D(tiny, tiny.mapping(torch.ones(1, 16), frontal[None]), frontal[None], report).save(tmp_path / "head")
        with whole_file(tmp_path / "secret") as partial:
            partial.chmod(0o600)
    finally:
        os.umask(before)
    for name in ("tiny.safetensors", "head/portrait.safetensors", "head/report.json", "secret"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640, name


def test_a_link_stays_a_link_and_a_device_a_device(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "report.json").symlink_to(tmp_path / "there" / "real.json")
    write_text(tmp_path / "report.json", "new")
    assert (tmp_path / "report.json").is_symlink() and (tmp_path / "there" / "real.json").read_text() == "new"
    with pytest.raises(OSError) as error:
        write_text("/dev/full", "new")
    assert told(error.value).startswith("The system refused: the disk is full") and "Make room" in told(error.value)
    assert Path("/dev/full").is_char_device()


def test_results_move_in_together(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    with pytest.raises(KeyboardInterrupt), results_into(out) as folder:
        write_text(folder / "one", "1")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    out.mkdir(parents=True)
    write_text(out / "one", "old")
    with results_into(out) as folder:
        write_text(folder / "one", "1")
        write_text(folder / "two", "2")
        assert (out / "one").read_text() == "old" and not (out / "two").exists()
    assert sorted(path.name for path in out.iterdir()) == ["one", "two"] and (out / "one").read_text() == "1"


def test_of_two_who_make_the_same_folder_the_first_counts(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with whole_folder(tmp_path / "head") as folder:
            assert (tmp_path / "head").exists() == (text == "second")
            write_text(folder / "report.json", text)
    assert [path.name for path in tmp_path.iterdir()] == ["head"] and (tmp_path / "head" / "report.json").read_text() == "first"


def test_what_killed_processes_left_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    here, parent = os.getpid(), os.getppid()
    kept = [partial_of(tmp_path / "orbit.mp4"), tmp_path / f".orbit.{parent}-0123abcd.partial.mp4", tmp_path / ".orbit.partial.mp4",
            tmp_path / "orbit.mp4", tmp_path / f".orbit.{dead.pid}-0123abcd.mp4"]
    gone = [tmp_path / f".orbit.{dead.pid}-0123abcd.partial.mp4", tmp_path / f".photo.{dead.pid}-0123abcd.partial" / "orbit.mp4",
            tmp_path / f".old.{here}-0123abcd.partial"]
    gone[1].parent.mkdir()
    for path in (*kept, *gone):
        path.write_bytes(b"")
    os.utime(gone[2], (1, 1))  # another process had our number before us
    clear_partials(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    clear_partials(tmp_path / "nowhere")


def test_a_file_that_cannot_be_read_is_not_said_to_be_missing(tiny: TriPlaneGenerator, seen_by_all: Path) -> None:
    path = seen_by_all / "portrait.safetensors"
    save_generator(tiny, path)
    path.chmod(0o600)
    check_readable(path)
    check_readable(seen_by_all / "missing")
    with nobody():
        for read in (lambda: load_generator(path, "cpu"), lambda: Portrait3D.load(seen_by_all)):
            with pytest.raises(CheckpointError, match="permission is denied"):
                read()
    with pytest.raises(CheckpointError, match="no portrait"):
        Portrait3D.load(seen_by_all / "missing")


@pytest.mark.parametrize("name", ["orbit.mp4", "orbit.gif"])
def test_a_film_that_the_disk_has_no_room_for_is_an_error(name: str, tmp_path: Path) -> None:
    """Another process writes it: the limit would stay on this one."""
    films.write_video([np.zeros((64, 64, 3), np.uint8)] * 4, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    code = f"""if True:
        import numpy as np, resource
        from symgan_core.films import write_video
        noise = np.random.default_rng(0).integers(0, 255, (48, 128, 128, 3)).astype(np.uint8)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, {resource.RLIM_INFINITY}))
        try:
            write_video(list(noise), {str(tmp_path / name)!r})
        except OSError as error:
            print("refused")
    """
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout
    assert said == "refused\n"
    assert (tmp_path / name).read_bytes() == whole and len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_one_line(monkeypatch, tmp_path: Path, capsys) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/portrait.safetensors")

    import skimage.data
    from PIL import Image

    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "photo.png")
    monkeypatch.setattr("symgan_core.cli.write_text", full)
    assert main(["faces", str(tmp_path / "photo.png"), "--json", str(tmp_path / "f.json")]) == 1
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and "disk is full ('out/portrait.safetensors')" in said
