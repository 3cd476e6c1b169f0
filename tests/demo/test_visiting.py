"""The page as its scripts use it, without a browser; and who waits for whom."""

import threading
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from demo import Studio
from demo.gallery import EXAMPLES

from .load import Figures, Memory, family
from .serving import served, studio_in
from .visiting import Failed, Visitor


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Studio:
    return studio_in(tmp_path_factory.mktemp("visiting"))


@pytest.fixture(scope="module")
def page(studio: Studio) -> Iterator[gr.Blocks]:
    with served(studio, allowed_paths=[str(studio.settings.visiting.work), str(EXAMPLES)]) as page:
        yield page


def test_a_visit_from_the_gallery_to_a_link_and_back(page: gr.Blocks, studio: Studio) -> None:
    visitor = Visitor(page.local_url)
    visitor.arrive()
    visitor.open_example(1)
    share_id = visitor.share()
    assert studio.shares.find(share_id)
    visitor.upload(EXAMPLES / "noor" / "input.png")
    assert list(studio.settings.visiting.work.rglob("input.png"))
    follower = Visitor(page.local_url, share_id)
    follower.arrive()
    assert visitor.unshare() == share_id and studio.shares.find(share_id) is None
    visitor.leave()
    follower.leave()
    assert not [path for path in studio.settings.visiting.work.rglob("*") if path.is_file()]
    gone = Visitor(page.local_url, share_id)
    with pytest.raises(Failed, match="does not lead"):
        gone.arrive()


def test_a_click_in_the_gallery_waits_for_no_slider(page: gr.Blocks, studio: Studio, monkeypatch) -> None:
    drawing, go_on = threading.Semaphore(0), threading.Event()

    def view(*args: object) -> None:
        drawing.release()
        go_on.wait(20)

    monkeypatch.setattr(studio, "view", view)
    moving = [Visitor(page.local_url) for _ in range(3)]
    threads = [threading.Thread(target=one.slide, args=("smile", 1.0)) for one in moving]
    try:
        for thread in threads:
            thread.start()
        for _ in range(2):  # as many as draw at once; the third one waits
            assert drawing.acquire(timeout=60)
        Visitor(page.local_url).open_example(2)
        assert all(thread.is_alive() for thread in threads)  # they still draw, or wait for those who do
    finally:
        go_on.set()
        for thread in threads:
            thread.join()


def test_figures_count_what_ends_in_time() -> None:
    figures, error = Figures(), Failed("The queue is full.")

    def fail(what: Exception) -> None:
        raise what

    assert figures.time("click", lambda: None) and not figures.time("click", fail, error) and figures.wrong() == 0
    assert not figures.time("run", fail, ValueError("broken")) and figures.wrong() == 1
    begun, end = threading.Event(), threading.Event()
    late = threading.Thread(target=figures.time, args=("run", lambda: begun.set() or end.wait(60)))
    late.start()
    assert begun.wait(60)
    figures.close()
    end.set()
    late.join()
    figures.time("click", lambda: None)
    rows = {row.split()[0]: row.split() for row in figures.lines()[1:3]}
    assert rows["click"][1] == "1" and rows["click"][-2:] == ["1", "0"] and rows["run"][1] == "0" and rows["run"][-2:] == ["1", "1"]
    assert figures.lines()[3:] == ["1 x click: The queue is full.", "1 x run: ValueError broken"]


def test_the_memory_of_a_process_is_seen() -> None:
    number = int(Path("/proc/self").resolve().name)
    assert family(number)[0] == number and number in family(1)
    memory, looked = Memory(number), threading.Event()
    for _ in range(100):
        if memory.most or looked.wait(0.1):
            break
    assert memory.most > 50e6
