"""The page, served to a test's own client."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import httpx

from demo import Studio, build
from demo.routes import app_options
from demo.settings import make_settings


def studio_in(folder: Path, **settings: Any) -> Studio:
    """A studio on the CPU that keeps its files below ``folder``; ``settings``: more of them, by name."""
    return Studio(make_settings(**{"device": "cpu", "shares": folder / "shares", "work": folder / "work"} | settings))


@contextmanager
def served(studio: Studio, **options: Any) -> Iterator[gr.Blocks]:
    """The page of a studio, which is served for as long as the context lasts; ``options``: more of Gradio's ``launch``."""
    page = build(studio).queue()
    page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", mcp_server=True, app_kwargs=app_options(studio), **options)
    try:
        yield page
    finally:
        page.close()


def client_of(page: gr.Blocks) -> httpx.Client:
    """A client of a page that is served."""
    return httpx.Client(base_url=page.local_url, trust_env=False, timeout=60)
