import io
import json
import os
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from fsspec.core import url_to_fs
from PIL import Image

from demo.gallery import EXAMPLES, list_examples
from demo.handlers import bar, link_for, message
from demo.settings import Settings, make_settings, read_settings
from demo.share import ShareStore
from demo.shelves import SWEEP_SECONDS, AddressShelf, shelf_of
from symgan_core.errors import RequestError, SymganError
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


@pytest.fixture(params=["folder", "file", "memory"])
def place(request, tmp_path) -> Path | str:
    """Where shares lie: a folder, and addresses of two kinds, one with folders and one without."""
    folder = tmp_path / "shares"
    return {"folder": folder, "file": f"file://{folder}", "memory": f"memory://{tmp_path.name}/shares"}[request.param]


def opened(place: Path | str, days: int) -> ShareStore:
    """A new store: as after a restart, or on another machine."""
    return ShareStore(shelf_of(place, Path(tempfile.gettempdir())), days)


def names(place: Path | str) -> list[str]:
    """All files there."""
    files, root = url_to_fs(str(place))
    return sorted(path.removeprefix(root).strip("/") for path in files.find(root))


def files_of(place: Path | str, share_id: str) -> dict[str, bytes]:
    files, root = url_to_fs(str(place))
    return {name.partition("/")[2]: files.cat_file(f"{root}/{name}") for name in names(place) if name.startswith(share_id)}


def write(place: Path | str, name: str, text: str) -> None:
    files, root = url_to_fs(str(place))
    files.pipe_file(f"{root}/{name}", text.encode())


def grow_older(place: Path | str, share_id: str, days: float) -> None:
    meta = json.loads(files_of(place, share_id)["share.json"])
    write(place, f"{share_id}/share.json", json.dumps(meta | {"created": meta["created"] - days * 86400}))


def test_a_share_outlives_a_restart_and_holds_no_photo(portrait: Portrait3D, video, place, tmp_path) -> None:
    made = opened(place, 30).add(portrait, video)
    files = files_of(place, made.id)
    assert sorted(files) == ["orbit.mp4", "portrait.safetensors", "report.json", "share.json", "still.jpg"]
    assert json.loads(files["report.json"]).keys() == {"generator", "method"}
    (own := tmp_path / "own").mkdir()
    assert opened(place, 30).find(made.id) and opened(place, 30).copy(made.id, own)
    assert sorted(path.name for path in own.iterdir()) == ["orbit.mp4", "portrait.safetensors", "report.json"]  # not the token
    again = Portrait3D.load(own, base=portrait.generator)
    assert again.backdrop is None  # what was behind the head is the photo's too
    assert (again.render(yaw=10).image - portrait.render(yaw=10).image).abs().max() < 1e-5


@pytest.mark.parametrize("moment", ["while it is written", "while it is deleted"])
def test_a_share_whose_process_is_killed_is_whole_or_gone(portrait: Portrait3D, video, tmp_path, monkeypatch, moment: str) -> None:
    """What lies there at the kill is taken from the moment at which a file is copied, or the first is to be deleted."""
    folder, killed = tmp_path / "shares", tmp_path / "killed"
    store = opened(folder, 30)
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
    again = opened(killed, 30)
    assert [path.name for path in killed.iterdir()] == ([made.id] if moment == "while it is written" else [])
    assert (again.find(made.id) is None) == (moment == "while it is deleted")


@pytest.mark.parametrize("kind", ["file", "memory"])
@pytest.mark.parametrize("work", ["add", "delete"])
def test_at_an_address_a_share_is_there_with_its_last_file_and_gone_with_its_first(
        portrait: Portrait3D, video, tmp_path, monkeypatch, kind: str, work: str) -> None:
    """Each call that changes something is the last one before the kill, in turn; what is half there is no share for another machine."""
    place, counted = f"{kind}://{tmp_path}/shares", 0
    files, _ = url_to_fs(place)
    store = opened(place, 30)

    def change(name: str, at: int):
        real = getattr(files, name)

        def call(*args, **named):
            nonlocal counted
            counted += 1
            if counted > at:
                raise KeyboardInterrupt  # nothing is tidied up, as after kill -9
            return real(*args, **named)
        monkeypatch.setattr(files, name, call)

    for at in range(10):
        made, before = store.add(portrait, video), names(place)
        counted = 0
        for name in ("put_file", "pipe_file", "rm_file", "rm"):
            change(name, at)
        try:
            done = store.add(portrait, video) if work == "add" else store.delete(made.id, made.token)
        except KeyboardInterrupt:
            done = None
        monkeypatch.undo()
        other = opened(place, 30)
        there = {name.partition("/")[0] for name in names(place)}
        whole = {share_id for share_id in there if other.find(share_id)}
        assert all(sorted(files_of(place, share_id)) == sorted(files_of(place, next(iter(whole)))) for share_id in whole)
        assert (made.id in whole) == (work == "add" or at == 0)
        if done:
            return
        assert names(place) != before or at == 0
    raise AssertionError("it was never done")


def test_at_an_address_what_is_half_done_goes_once_it_is_an_hour_old(portrait: Portrait3D, video, tmp_path) -> None:
    """Another machine may be writing it; and what is no share at all is not ours."""
    place, now = f"memory://{tmp_path.name}/shares", [0.0]
    store = ShareStore(AddressShelf(place, tmp_path, lambda: now[0]), 30)
    kept = store.add(portrait, video)
    half, slow = "h" * 22, "s" * 22
    for name in (f"{half}/portrait.safetensors", f"{slow}/orbit.mp4", "notes/readme.txt"):
        write(place, name, "")
    now[0] = SWEEP_SECONDS - 1  # a look has been taken at 0, before any of it was there
    store.sweep()
    assert files_of(place, half)
    now[0] = SWEEP_SECONDS
    store.sweep()
    assert files_of(place, half) and files_of(place, slow)
    write(place, f"{slow}/share.json", json.dumps({"created": time.time(), "days": 7, "token": "x"}))
    now[0] = 2 * SWEEP_SECONDS
    store.sweep()
    assert not files_of(place, half) and store.find(slow) and store.find(kept.id) and "notes/readme.txt" in names(place)


def test_an_address_that_does_not_answer_is_one_line_and_deletes_nothing(portrait: Portrait3D, video, tmp_path, monkeypatch) -> None:
    place = f"memory://{tmp_path.name}/shares"
    made, before = opened(place, 30).add(portrait, video), names(place)
    files, _ = url_to_fs(place)
    with monkeypatch.context() as broken:
        for name in ("cat_file", "put_file"):
            broken.setattr(files, name, lambda *args, **named: (_ for _ in ()).throw(TimeoutError("10.0.0.1 does not answer")))
        store = opened(place, 30)
        for work in (store.sweep, lambda: store.find(made.id), lambda: store.delete(made.id, made.token),
                     lambda: store.add(portrait, video)):
            with pytest.raises(SymganError, match="^Shared portraits cannot be reached at the moment. Try again in a few minutes.$"):
                work()
    assert names(place) == before and store.find(made.id)


def test_ids_are_random_and_strange_ones_lead_nowhere(portrait: Portrait3D, video, place) -> None:
    store = opened(place, 30)
    a, b = store.add(portrait, video), store.add(portrait, video)
    assert a.id != b.id and len(a.id) == 22
    for bad in ("", "..", "../shares", "/etc/passwd", a.id + "/", a.id[:-1], "x" * 22, None):
        assert store.find(bad) is None


def test_only_the_token_deletes(portrait: Portrait3D, video, place) -> None:
    store = opened(place, 30)
    made = store.add(portrait, video)
    assert not store.delete(made.id, "wrong") and not store.delete(made.id, "") and store.find(made.id)
    assert store.delete(made.id, made.token) and store.find(made.id) is None and not names(place)


def test_shares_expire(portrait: Portrait3D, video, place) -> None:
    store = opened(place, 2)
    days = {1: store.add(portrait, video, 1), 2: store.add(portrait, video), 7: store.add(portrait, video, 7),
            30: store.add(portrait, video, 30)}
    assert {made.days: made for made in days.values()} == days
    for made in days.values():
        grow_older(place, made.id, days=3)
    again = opened(place, 1)  # after a restart, with another setting: each keeps what its maker chose
    assert [number for number, made in days.items() if again.find(made.id)] == [7, 30]
    again.sweep()
    assert {name.partition("/")[0] for name in names(place)} == {days[7].id, days[30].id}
    assert again.preview_of(days[1].id) is None and not again.delete(days[1].id, days[1].token)
    with pytest.raises(RequestError, match="cannot last 365 days"):
        store.add(portrait, video, 365)


def test_a_share_of_before_lasts_as_long_as_it_was_promised(portrait: Portrait3D, video, place) -> None:
    store = opened(place, 7)
    share_id = store.add(portrait, video).id
    write(place, f"{share_id}/share.json", json.dumps({"created": time.time() - 20 * 86400, "token": ""}))
    assert store.find(share_id) and not store.delete(share_id, "")
    grow_older(place, share_id, days=11)
    assert store.find(share_id) is None


def test_each_link_has_its_own_token_also_after_a_restart(portrait: Portrait3D, video, place) -> None:
    store = opened(place, 7)
    first, second = store.add(portrait, video), store.add(portrait, video)
    again = opened(place, 7)
    assert not again.delete(first.id, second.token) and again.delete(first.id, first.token)
    assert again.find(first.id) is None and again.find(second.id) and not again.delete(first.id, first.token)


def test_a_share_has_the_strips_of_its_video_and_a_still(portrait: Portrait3D, video, place, tmp_path) -> None:
    for name in ("strip.webp", "coarse.webp", "photo.png"):
        (tmp_path / name).write_text(name)
    store = opened(place, 7)
    made = store.add(portrait, video)
    files = files_of(place, made.id)
    assert files["strip.webp"] == b"strip.webp" and "coarse.webp" in files and "photo.png" not in files
    assert Image.open(io.BytesIO(store.preview_of(made.id))).format == "JPEG" and store.title_of(made.id)
    assert store.preview_of("A" * 22) is None and store.title_of("A" * 22) is None


def test_no_work_folder_in_which_something_else_lies(tmp_path) -> None:
    shares = tmp_path / "shares"
    for work, place in ((tmp_path, shares), (tmp_path, f"file://{shares}"), (Path(__file__).parents[2], shares), (Path("/"), shares),
                        (Path.home(), shares)):
        with pytest.raises(ValueError, match="SYMGAN_WORK"):
            make_settings(work=work, shares=place)


def test_settings_come_from_the_environment() -> None:
    assert read_settings({}) == Settings()
    settings = read_settings({"SYMGAN_SHARE_DAYS": "7", "SYMGAN_DEVICE": "cpu", "SPACE_ID": "a/b", "GRADIO_SERVER_PORT": "1234"})
    assert (settings.sharing.share_days, settings.computing.device) == (7, "cpu")
    assert (settings.serving.host, settings.serving.port) == ("0.0.0.0", 1234)
    for place in (Path("/x"), "s3://bucket/x"):
        assert read_settings({"SYMGAN_SHARES": str(place)}).sharing.shares == place


@pytest.mark.parametrize(("arguments", "variables", "said"), [
    (["--port", "80"], {}, "SYMGAN_PORT"), ([], {"SYMGAN_QUEUE_SIZE": "many"}, "SYMGAN_QUEUE_SIZE is 'many'"),
    ([], {"SYMGAN_RAY_GPUS": "half"}, "SYMGAN_RAY_GPUS is"),
    ([], {"SYMGAN_RAY": "127.0.0.1:9", "SYMGAN_PORT": "0"}, "There is no Ray cluster at '127.0.0.1:9'")])
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
