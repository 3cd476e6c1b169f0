"""Drives the page: a server as a user starts it, and what a visitor does with mouse, keys and files."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
COLD = Path(__file__).with_name("cold_page.py")
"""A program that serves the page and computes nothing before it is asked to."""
phone_too = pytest.mark.parametrize("page", [(1440, 900), pytest.param((390, 844), marks=pytest.mark.slow)], indirect=True)
both_sizes = pytest.mark.parametrize("page", [(1440, 900), (390, 844)], indirect=True)


class Server:
    """The page as a user starts it, on a free port, with shares that outlive it; ``program``: what serves it; ``variables``: more of its
    environment. It computes with as many threads as the tests do: threads that wait for each other on cores that others use, too, take
    more than twice the time of one."""

    def __init__(self, folder: Path, program: Path = ROOT / "app.py", **variables: str):
        self.folder, self.program, self.variables = folder, program, variables
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        env = os.environ | {"GRADIO_SERVER_PORT": str(self.port), "SYMGAN_SHARES": str(self.folder / "shares"),
                            "SYMGAN_WORK": str(self.folder / "work"), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | self.variables
        log = (self.folder / "server.log").open("a")
        self.process = subprocess.Popen([sys.executable, self.program], cwd=self.folder, env=env, stdout=log, stderr=log)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for _ in range(240):
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            try:
                opener.open(self.url, timeout=2)
                return
            except OSError:
                time.sleep(0.5)
        raise AssertionError("the page did not come up")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)  # a step that is being computed ends first


def frame(page) -> str:
    return page.evaluate("document.querySelector('.sv-canvas')?.dataset.frame || ''")


def new_frame(page, old: str, timeout: float = 60) -> str:
    """Wait until the stage shows something else."""
    page.wait_for_function("old => (document.querySelector('.sv-canvas')?.dataset.frame || old) !== old", arg=old, timeout=timeout * 1000)
    return frame(page)


def still(page, old: str = "", timeout: float = 60) -> str:
    """Wait for a fresh picture from the server, and not for the draft of one."""
    return _still(page, old, timeout, "data.draft !== 'true'")


def draft(page, old: str = "", timeout: float = 60) -> str:
    """Wait for a fresh picture from the server, or the draft of one."""
    return _still(page, old, timeout, "true")


def _still(page, old: str, timeout: float, wanted: str) -> str:
    fresh = f"old => {{ const data = document.querySelector('.sv-canvas')?.dataset || {{}}; const f = data.frame || ''; " \
            f"return f.startsWith('still') && f !== old && {wanted} }}"
    page.wait_for_function(fresh, arg=old, timeout=timeout * 1000)
    return frame(page)


def turning(page, timeout: float = 60) -> None:
    """Wait until the head turns by itself."""
    page.wait_for_function("(document.querySelector('.sv-canvas')?.dataset.frame || '').includes('webp')", timeout=timeout * 1000)
    new_frame(page, frame(page), timeout)


def middle(page) -> tuple[float, float]:
    box = page.locator(".sv-canvas").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def at_rest(page) -> str:
    """Look at the head from the front, without motion."""
    page.locator(".sv-canvas").focus()
    page.keyboard.press("Home")
    return still(page)


def slide(page, element: str, value: float) -> None:
    box = page.locator(f"#{element} input[type=number]")
    box.fill(str(value))
    box.press("Enter")


def at(page, element: str, value: float) -> None:
    """Wait until a slider is there."""
    there = "([id, value]) => { const n = document.querySelector(`#${id} input[type=number]`); return n && Number(n.value) === value }"
    page.wait_for_function(there, arg=[element, value], timeout=30_000)


def open_group(page, name: str) -> None:
    page.locator(f"#group-{name} > button").click()


def open_from_gallery(page, number: int) -> None:
    """Click on a picture of the gallery, and wait for another head."""
    old = frame(page).split()[0]
    page.locator("#gallery button img").nth(number).click()
    other = "old => { const f = document.querySelector('.sv-canvas').dataset.frame || ''; return f && !f.startsWith(old) }"
    page.wait_for_function(other, arg=old, timeout=30_000)


def upload(page, astronaut, tmp_path) -> None:
    """Give the page the astronaut."""
    path = tmp_path / "astronaut.png"
    Image.fromarray(astronaut).save(path)
    page.set_input_files("#photo input[type=file]", str(path))
    page.wait_for_selector("#check img", timeout=60_000)  # crop, points and pose, before time is spent


def pictures_in(folder: Path) -> list[Path]:
    """Files that are pictures, whatever their names."""
    heads, found = (b"\x89PNG", b"RIFF", b"\xff\xd8\xff\xe0"), []
    for parent, _, names in os.walk(folder):  # files may go while it looks
        for path in (Path(parent, name) for name in names):
            with contextlib.suppress(FileNotFoundError):
                if path.read_bytes()[:4] in heads:
                    found.append(path)
    return found


def none_left(folder: Path, seconds: float = 20) -> bool:
    """Wait until no picture is in a folder."""
    until = time.monotonic() + seconds
    while pictures_in(folder) and time.monotonic() < until:
        time.sleep(0.2)
    return not pictures_in(folder)
