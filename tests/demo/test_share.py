import json
import os
import shutil
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image

from demo.gallery import EXAMPLES, list_examples
from demo.handlers import bar, link_for, message
from demo.settings import Settings, read_settings
from demo.share import ShareStore
from symgan_core.errors import RequestError
from symgan_core.generator import TriPlaneGenerator, save_generator
from symgan_core.inversion import Portrait3D

ENDED = 2**22 + 1
"""No process has this number: Linux's largest is 2**22."""


@pytest.fixture
def portrait(tiny: TriPlaneGenerator, frontal: torch.Tensor, tmp_path) -> Portrait3D:
    source = tmp_path / "tiny.safetensors"
    save_generator(tiny, source)
    report = {"generator": str(source), "method": "spi", "face": {"landmarks": [[1, 2]]}, "metrics": {"psnr": 20}, "folder": "x"}
    return Portrait3D(tiny, tiny.mapping(torch.ones(1, 16), frontal[None]), frontal[None], report, backdrop=torch.zeros(1, 3, 4, 4))


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "v.mp4"
    path.write_bytes(b"video")
    return path


def test_a_share_outlives_a_restart_and_holds_no_photo(portrait: Portrait3D, video, tmp_path) -> None:
    made = ShareStore(tmp_path / "shares", 30).add(portrait, video)
    folder = ShareStore(tmp_path / "shares", 30).find(made.id)  # a new store: as after a restart
    assert sorted(p.name for p in folder.iterdir()) == ["orbit.mp4", "portrait.safetensors", "report.json", "share.json", "still.jpg"]
    assert json.loads((folder / "report.json").read_text()).keys() == {"generator", "method"}
    again = Portrait3D.load(folder, base=portrait.generator)
    assert again.backdrop is None  # what was behind the head is the photo's too
    assert (again.render(yaw=10).image - portrait.render(yaw=10).image).abs().max() < 1e-5


@pytest.mark.parametrize("moment", ["while it is written", "while it is deleted"])
def test_a_share_whose_process_is_killed_is_whole_or_gone(portrait: Portrait3D, video, tmp_path, monkeypatch, moment: str) -> None:
    """What lies there at the kill is taken from the moment at which a file is copied, or the first is to be deleted."""
    folder, killed = tmp_path / "shares", tmp_path / "killed"
    store = ShareStore(folder, 30)
    made = store.add(portrait, video)
    copy, delete = shutil.copyfile, shutil.rmtree

    def at_the_kill(work, *args, **named) -> None:
        if not killed.exists():
            shutil.copytree(folder, killed, copy_function=lambda a, b: Path(b).write_bytes(Path(a).read_bytes()))
        work(*args, **named)

    monkeypatch.setattr(shutil, "copyfile", partial(at_the_kill, copy))
    monkeypatch.setattr(shutil, "rmtree", partial(at_the_kill, delete))
    if moment == "while it is written":
        store.add(portrait, video)
    else:
        assert store.delete(made.id, made.token)
    monkeypatch.undo()
    assert len(list(killed.iterdir())) == (2 if moment == "while it is written" else 1)
    for path in killed.glob(".*"):  # its process is no more
        path.rename(path.with_name(path.name.replace(f".{os.getpid()}-", f".{ENDED}-")))
    again = ShareStore(killed, 30)
    assert [path.name for path in killed.iterdir()] == ([made.id] if moment == "while it is written" else [])
    assert (again.find(made.id) is None) == (moment == "while it is deleted")


def test_ids_are_random_and_strange_ones_lead_nowhere(portrait: Portrait3D, video, tmp_path) -> None:
    store = ShareStore(tmp_path / "shares", 30)
    a, b = store.add(portrait, video), store.add(portrait, video)
    assert a.id != b.id and len(a.id) == 22
    for bad in ("", "..", "../shares", "/etc/passwd", a.id + "/", a.id[:-1], "x" * 22, None):
        assert store.find(bad) is None


def test_only_the_token_deletes(portrait: Portrait3D, video, tmp_path) -> None:
    store = ShareStore(tmp_path / "shares", 30)
    made = store.add(portrait, video)
    assert not store.delete(made.id, "wrong") and not store.delete(made.id, "") and store.find(made.id)
    assert store.delete(made.id, made.token) and store.find(made.id) is None


def test_shares_expire(portrait: Portrait3D, video, tmp_path) -> None:
    store = ShareStore(tmp_path / "shares", 2)
    days = {1: store.add(portrait, video, 1), 2: store.add(portrait, video), 7: store.add(portrait, video, 7),
            30: store.add(portrait, video, 30)}
    assert {made.days: made for made in days.values()} == days
    for made in days.values():
        grow_older(store.folder / made.id, days=3)
    again = ShareStore(store.folder, 1)  # after a restart, with another setting: each keeps what its maker chose
    assert [number for number, made in days.items() if again.find(made.id)] == [7, 30]
    again.sweep()
    assert {path.name for path in store.folder.iterdir()} == {days[7].id, days[30].id}
    assert again.preview_of(days[1].id) is None and not again.delete(days[1].id, days[1].token)
    with pytest.raises(RequestError, match="cannot last 365 days"):
        store.add(portrait, video, 365)


def test_a_share_of_before_lasts_as_long_as_it_was_promised(portrait: Portrait3D, video, tmp_path) -> None:
    store = ShareStore(tmp_path / "shares", 7)
    meta = store.folder / store.add(portrait, video).id / "share.json"
    meta.write_text(json.dumps({"created": time.time() - 20 * 86400, "token": ""}))
    assert store.find(meta.parent.name) and not store.delete(meta.parent.name, "")
    grow_older(meta.parent, days=11)
    assert store.find(meta.parent.name) is None


def test_each_link_has_its_own_token_also_after_a_restart(portrait: Portrait3D, video, tmp_path) -> None:
    store = ShareStore(tmp_path / "shares", 7)
    first, second = store.add(portrait, video), store.add(portrait, video)
    again = ShareStore(tmp_path / "shares", 7)
    assert not again.delete(first.id, second.token) and again.delete(first.id, first.token)
    assert again.find(first.id) is None and again.find(second.id) and not again.delete(first.id, first.token)


def test_a_share_has_the_strips_of_its_video_and_a_still(portrait: Portrait3D, video, tmp_path) -> None:
    for name in ("strip.webp", "coarse.webp", "photo.png"):
        (tmp_path / name).write_text(name)
    store = ShareStore(tmp_path / "shares", 7)
    made = store.add(portrait, video)
    assert (store.find(made.id) / "strip.webp").read_text() == "strip.webp" and (store.find(made.id) / "coarse.webp").is_file()
    assert not (store.find(made.id) / "photo.png").exists()
    assert Image.open(store.preview_of(made.id)).format == "JPEG" and store.title_of(made.id)
    assert store.preview_of("A" * 22) is None and store.title_of("A" * 22) is None


def grow_older(folder: Path, days: float) -> None:
    meta = json.loads((folder / "share.json").read_text())
    (folder / "share.json").write_text(json.dumps(meta | {"created": meta["created"] - days * 86400}))


def test_no_work_folder_in_which_something_else_lies(tmp_path) -> None:
    for work in (tmp_path, Path(__file__).parents[2], Path("/"), Path.home()):
        with pytest.raises(ValueError, match="SYMGAN_WORK"):
            Settings(work=work, shares=tmp_path / "shares")


def test_settings_come_from_the_environment() -> None:
    assert read_settings({}) == Settings()
    settings = read_settings({"SYMGAN_SHARE_DAYS": "7", "SYMGAN_DEVICE": "cpu", "SPACE_ID": "a/b", "GRADIO_SERVER_PORT": "1234"})
    assert (settings.share_days, settings.device, settings.host, settings.port) == (7, "cpu", "0.0.0.0", 1234)
    assert read_settings({"SYMGAN_SHARES": "/x"}).shares == Path("/x")


@pytest.mark.parametrize(("arguments", "variables", "said"), [
    (["--port", "80"], {}, "SYMGAN_PORT"), ([], {"SYMGAN_QUEUE_SIZE": "many"}, "SYMGAN_QUEUE_SIZE is 'many'")])
def test_the_page_says_what_is_wrong_with_its_settings(
        arguments: list[str], variables: dict[str, str], said: str, monkeypatch, capsys) -> None:
    """``test_places`` has a process that ends so."""
    import app

    monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        app.main()
    assert end.value.code == 2 and said in capsys.readouterr().err


def test_gallery_is_complete() -> None:
    examples = list_examples()
    assert len(examples) >= 3
    for example in examples:
        assert example.photo.is_file() and example.video.is_file() and (example.folder / "portrait.safetensors").is_file()
    assert (EXAMPLES / "LICENSE.md").is_file()


def test_texts_in_html_are_escaped() -> None:
    assert "<b>" not in message("<b>x</b>") and "<b>" not in bar("<b>", 0.5)
    assert link_for("http://host/?r=old", "abc") == "http://host/?r=abc"
