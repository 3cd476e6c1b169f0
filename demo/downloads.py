"""What a visitor takes away: the files of a finished head, and others made on demand as the head stands there, edits included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from . import texts
from .edits import EditBlock
from .exports import LARGEST
from .handlers import Studio
from .making import Wanted
from .queues import HEAVY, QUICK

SIZES = (512, 384, 256)
"""Pixels a side of films and pictures."""


class Downloads:
    """The components of the downloads."""

    def __init__(self, studio: Studio):
        self.studio, self.made = studio, gr.State(None)
        with gr.Accordion(texts.DOWNLOADS, open=False, elem_id="downloads"):
            with gr.Row(elem_classes="sg-buttons"):
                self.kind = gr.Dropdown([(label, key) for key, label in texts.KINDS.items()], value="mp4", label=texts.KIND,
                                        elem_id="kind", min_width=120)
                self.size = gr.Dropdown([(f"{size} × {size}", size) for size in SIZES], value=LARGEST, label=texts.SIZE,
                                        elem_id="size", min_width=110)
                backgrounds = [*((label, key) for key, label in texts.BACKGROUNDS.items()), (texts.TRANSPARENT, "transparent")]
                self.background = gr.Dropdown(backgrounds, value="white", label=texts.BACKGROUND, elem_id="file-background", min_width=130)
            self.make = gr.Button(texts.MAKE_FILE, size="sm", elem_id="make-file")
            self.files = gr.File(show_label=False, label=texts.DOWNLOADS, file_count="multiple", interactive=False, visible=False,
                                 elem_id="files")
            self.mesh = gr.Model3D(label=texts.MESH, elem_id="mesh", height=360)

    def write(self, request: gr.Request, number: str | None, pose: tuple[float, float], kind: str, size: int, background: str,
              *values: float) -> Iterator[dict[Any, Any]]:
        """The head as a file, which is offered; ``made`` is its path if it is a mesh."""
        session, wanted = request.session_hash or "", Wanted(kind, int(size), background, tuple(pose))
        for shown in self.studio.export(session, number, wanted, self._edits.named(values), texts.of(request)):
            out: dict[Any, Any] = {self.status: shown.status}
            if shown.failed:
                raise gr.Error(shown.failed, print_exception=False)
            if shown.files:
                out |= {self.files: gr.update(value=shown.files, visible=True), self.made: shown.files[0] if kind == "glb" else None}
            yield out

    def connect(self, status: gr.HTML, portrait: gr.State, pose: gr.State, edits: EditBlock) -> None:
        """The events of the downloads; ``status`` is where their line goes."""
        self.status, self._edits = status, edits
        inputs = [portrait, pose, self.kind, self.size, self.background, *edits.sliders.values()]
        made = self.make.click(self.write, inputs, [status, self.files, self.made], **HEAVY)
        made.then(lambda path: path, self.made, self.mesh, **QUICK)  # in a stream, gradio's component stays empty
