"""Whose results are whose, and how they go: in memory, on disk, at the end of the process."""

import io
import multiprocessing
import os
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo import texts, zero
from demo.gallery import EXAMPLES
from demo.handlers import Studio
from demo.settings import Visiting
from demo.shown import without_paths
from demo.store import Recent, ResultStore, VisitorLeft
from demo.work import Progress
from demo.workfolder import STALLED, WorkFolder
from symgan_core.inversion import PhotoRequest

from .serving import studio_in

NAMES = ("portrait.safetensors", "orbit.mp4", "strip.webp", "coarse.webp", "report.json")


class Loaded(list):
    """Stands for reading a portrait: its text, and a list of the folders that were read."""

    def __call__(self, folder: Path) -> str:
        self.append(folder)
        return (folder / "portrait.safetensors").read_text()


@pytest.fixture
def settings(tmp_path: Path) -> Visiting:
    return Visiting(work=tmp_path / "work", keep_portraits=2)


@pytest.fixture
def load() -> Loaded:
    return Loaded()


@pytest.fixture
def store(settings: Visiting, load: Loaded, tmp_path: Path) -> ResultStore:
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "portrait.safetensors").write_text("ada")
    return ResultStore(settings, load, {"ada": tmp_path / "ada"})


def made(store: ResultStore, session: str, text: str = "") -> str:
    with store.new_folder(session) as folder:
        for name in NAMES:
            (folder / name).write_text(text or session)
    return store.keep(session, folder)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]


def test_eight_visitors_each_keep_their_own(store: ResultStore, load: Loaded) -> None:
    ids = {session: [made(store, session, f"{session}{n}") for n in range(3)] for session in "abcdefgh"}
    for _ in range(2):
        for session, numbers in ids.items():
            assert [store.get(number) for number in numbers] == [f"{session}{n}" for n in range(3)]
            assert store.get("example:ada") == "ada"
    assert load.count(store.folder_of("example:ada")) == 1 and len(load) == 1 + 2 * 24  # dropped from memory, read again from disk
    assert len({store.folder_of(numbers[0]).parents[1] for numbers in ids.values()}) == 8
    assert store.get("example:nobody") is None and store.get("x" * 22) is None and store.get(None) is None


def test_memory_keeps_what_was_asked_for_last() -> None:
    recent: Recent[str, int] = Recent(2)
    assert [recent.get(key, lambda n=n: n) for n, key in enumerate("abacab")] == [0, 1, 0, 3, 0, 5]
    recent.drop(lambda key: key == "a")
    assert "a" not in recent and len(recent) == 1


def test_forgetting_one_leaves_the_others(store: ResultStore, settings: Visiting) -> None:
    a, b = made(store, "a"), made(store, "b")
    assert store.get(a) == "a"
    store.forget("a")
    store.forget("a")
    store.forget("nobody")
    assert store.get(a) is None and store.folder_of(a) is None and store.get(b) == "b"
    assert {path.read_text() for path in files(settings.work)} == {"b"} and store.picture_path("a", "view", "png") is None


def test_work_whose_visitor_leaves_is_deleted(store: ResultStore, settings: Visiting) -> None:
    with store.new_folder("a") as folder:
        store.forget("a")
        folder.mkdir(parents=True)  # as who writes there would do
        (folder / "portrait.safetensors").write_text("a")
    assert not list(settings.work.iterdir())
    with pytest.raises(VisitorLeft):
        store.keep("a", folder)
    with pytest.raises(VisitorLeft), store.new_folder("a") as folder:
        store.forget("a")
        (folder / "portrait.safetensors").write_text("a")
    assert not list(settings.work.iterdir())
    with pytest.raises(ZeroDivisionError), store.new_folder("a") as folder:
        (folder / "x").write_text(str(1 / 0))
    assert not folder.exists()


def test_the_idle_are_forgotten_and_the_busy_are_not(store: ResultStore, settings: Visiting, monkeypatch) -> None:
    ids = {session: made(store, session) for session in ("idle", "busy", "here")}
    upload = settings.work / ("0" * 64) / "me.jpg"
    upload.parent.mkdir()
    upload.write_text("nobody has read it")
    with store.new_folder("busy"):
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 20 * 60)
        store.touch("here")
        store.sweep()
        assert upload.exists() and all(map(store.get, ("example:ada", ids["here"])))
        monkeypatch.setattr(time, "time", lambda: now + 31 * 60)
        store.sweep()
        assert not upload.parent.exists() and store.folder_of(ids["idle"]) is None
        assert store.get(ids["busy"]) == "busy" and store.get(ids["here"]) == "here"


def test_an_upload_that_broke_off_goes_soon_and_one_that_goes_on_stays(store: ResultStore, settings: Visiting, monkeypatch) -> None:
    page, broken, running = (settings.work / name for name in ("shown.webp", "tmpa1b2", "tmpc3d4"))
    page.write_text("the page's own")
    store.work.keep_what_is_there()
    broken.write_text("half a photo")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + STALLED + 1)
    running.write_text("half a photo")
    os.utime(running, (now + STALLED, now + STALLED))
    store.work.drop_broken()
    assert page.exists() and running.exists() and not broken.exists()


def test_on_a_full_disk_the_results_of_the_oldest_go(settings: Visiting, load: Loaded) -> None:
    store = ResultStore(replace(settings, work_gigabytes=30e3 / 1e9), load, {})
    ids = {}
    for session in "abc":
        ids[session] = made(store, session, session * 2000)  # 10 kB
        time.sleep(0.01)
    assert all(map(store.get, ids.values()))
    ids["d"] = made(store, "d", "d" * 2000)
    assert [session for session, number in ids.items() if store.get(number)] == ["b", "c", "d"]
    big = made(store, "b", "b" * 20000)
    assert store.get(big) and store.get(ids["b"]) and not store.get(ids["c"]) and not store.get(ids["d"])


def test_an_upload_moves_to_its_visitor_and_is_shown_until_he_leaves(store: ResultStore, settings: Visiting) -> None:
    upload = settings.work / sha256(b"photo").hexdigest() / "me.jpg"

    def come(session: str) -> Path:
        upload.parent.mkdir(exist_ok=True)
        new = upload.with_name("new")
        new.write_bytes(b"photo")
        new.replace(upload)  # as Gradio puts it there
        return Path(store.own_photo(session, str(upload)))

    a = come("a")
    assert upload.is_symlink() and upload.read_bytes() == b"photo" and a == Path(store.own_photo("a", str(upload))) and a != upload
    b = come("b")  # another one brings the same photo
    c = Path(store.own_photo("c", str(upload)))  # and one knows its address
    assert len({a, b, c}) == 3 and a.is_file() and not c.is_symlink()
    store.sweep()
    store.forget("a")
    assert upload.read_bytes() == b"photo" and not a.exists() and b.is_file()
    store.forget("b")
    store.forget("c")
    assert not list(settings.work.iterdir())
    assert store.own_photo("d", str(upload)) == str(upload) and store.own_photo("d", None) == "" and not list(settings.work.iterdir())
    assert store.own_photo("d", __file__) == __file__


def test_pictures_are_few(store: ResultStore) -> None:
    store.touch("a")
    for _ in range(30):
        store.picture_path("a", "view", "png").write_text("picture")
    assert len(files(store.work.path)) < 12


def test_a_start_deletes_what_a_killed_process_left(store: ResultStore, settings: Visiting, load: Loaded) -> None:
    made(store, "a")
    (settings.work / "tmp123").write_text("half an upload")
    other = multiprocessing.get_context("fork").Process(target=WorkFolder, args=(settings.work,))
    other.start()
    other.join()
    assert other.exitcode == 0
    assert len(files(settings.work)) == len(NAMES) + 1  # we still run
    ResultStore(settings, load, {})
    assert not files(settings.work)


def test_paths_of_the_server_are_not_told() -> None:
    assert without_paths("There is no file '/srv/a b/me.jpg'. Check it's there.") == "There is no file 'me.jpg'. Check it's there."


# -- the whole studio -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Studio:
    return studio_in(tmp_path_factory.mktemp("studio"), keep_portraits=1)


def upload_to(studio: Studio, data: bytes) -> str:
    path = studio.store.work.path / sha256(data).hexdigest() / "photo.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return str(path)


@pytest.fixture
def photo(astronaut: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(astronaut).save(out, "PNG")
    return out.getvalue()


def quick(folder, crop, *others):
    """Stands for an inversion: shows the photo, writes a result."""
    yield Progress("pivot", 0, 1, np.full((8, 8, 3), 7, np.uint8))
    for name in NAMES:
        (folder / name).write_bytes((EXAMPLES / "ada" / name).read_bytes() if (EXAMPLES / "ada" / name).is_file() else b"x")
    yield Progress("done", 1, 1, origins={"seen": 1, "mirrored": 0, "invented": 0})


def test_after_forgetting_no_byte_of_a_photo_is_left(studio: Studio, photo: bytes, monkeypatch) -> None:
    monkeypatch.setattr(zero, "invert_into", quick)
    path = upload_to(studio, photo)
    checked = studio.check(path, PhotoRequest(0), "a")
    *_, preview, last = studio.invert(path, "fast", PhotoRequest(0), "a")
    assert Path(checked.crop).is_file() and preview.preview.shape[2] == 3 and Path(last.video).is_file()
    assert studio.store.holds(Path(last.strip)) and studio.store.holds(Path(last.coarse)) and len(last.files) == 3
    again = list(studio.invert(path, "best", PhotoRequest(0), "a"))[-1]  # with other settings, until he leaves
    assert again.portrait_id != last.portrait_id and studio.view("a", last.portrait_id) is not None
    studio.open_example(1, "b")
    assert studio.portrait(last.portrait_id) and studio.folder_of(last.portrait_id)
    studio.forget("a")
    assert not files(studio.settings.visiting.work) and len(studio.photos._found) == len(studio.photos._cut) == 0
    assert studio.portrait(last.portrait_id) is None and studio.check(path, PhotoRequest(0), "a").failed
    assert texts.ENGLISH.PHOTO_GONE in list(studio.invert(path, "fast", PhotoRequest(0), "a"))[-1].status


def test_who_leaves_meanwhile_leaves_nothing(studio: Studio, photo: bytes, monkeypatch) -> None:
    monkeypatch.setattr(zero, "invert_into", quick)
    running = studio.invert(upload_to(studio, photo), "fast", PhotoRequest(0), "a")
    next(running), next(running)
    studio.forget("a")
    assert not list(running) and not files(studio.settings.visiting.work) and "a" not in studio.stops
    find = studio.provider.find
    monkeypatch.setattr(studio.provider, "find", lambda picture: studio.forget("a") or find(picture))
    studio.check(upload_to(studio, photo + b"\n"), PhotoRequest(0), "a")
    assert not files(studio.settings.visiting.work) and len(studio.photos._found) == len(studio.photos._cut) == 0
