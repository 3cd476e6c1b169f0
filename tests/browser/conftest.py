"""A running page and a Chromium for all files of tests; without a Chromium they are skipped, or fail where one is required."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .driving import COLD, Server, turning

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
REQUIRED = os.environ.get("SYMGAN_BROWSER_REQUIRED") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="no Chromium on this machine: install it to drive the page")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(missing)


@pytest.fixture(scope="package")
def server(tmp_path_factory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"), COLD)
    yield server
    server.stop()


@pytest.fixture(scope="package")
def browser():
    assert CHROMIUM, "browser tests are required here, and there is no Chromium"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=[
            "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"])
        yield browser
        browser.close()


@pytest.fixture(params=[(1440, 900)])
def page(request, browser, server: Server):
    """A page that shows a turning head; its parameter: width and height, and a theme if not the browser's."""
    width, height, *theme = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-US", has_touch=width < 800)
    page = context.new_page()
    page.asked = []
    page.on("request", lambda asked: page.asked.append(asked.url) if "/queue/join" in asked.url else None)
    page.goto(server.url + "".join(f"?__theme={name}" for name in theme))
    turning(page)
    yield page
    context.close()
