"""The page, with Gradio's own files under the visitors' rules: they lie in the work folder, and go when their visitor goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gradio as gr

from . import page as parts
from .gallery import EXAMPLES
from .handlers import Studio
from .queues import QUICK

SIGNS = 3
"""How often the page says that it is open, in the time after which a visitor of whom nothing is heard is forgotten."""


def build(studio: Studio) -> gr.Blocks:
    """The whole page, ready to be queued and launched.

    Gradio is told by its environment variable to put uploads into the work folder: what lies there already, as all of a visitor's does,
    it serves as it is, and makes no copy that would outlive him.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(studio.store.work.path)
    gr.set_static_paths([EXAMPLES])  # served from where they are, too
    page = parts.build(studio)
    studio.store.work.keep_what_is_there()
    page.delete_cache = None  # by age, whether or not the visitor is here; the store knows

    def arrived(request: gr.Request) -> dict[str, Any]:
        return {"session": request.session_hash, "every": max(studio.settings.visiting.grace_seconds / SIGNS, 1)}

    def dropped(request: gr.Request) -> None:
        studio.store.dropped(request.session_hash or "")

    with page:
        open_page = gr.HTML(None, html_template="", js_on_load=Path(__file__).with_name("presence.js").read_text(), elem_id="presence")
        page.load(arrived, None, open_page, **QUICK)
        page.unload(dropped)
    return page
