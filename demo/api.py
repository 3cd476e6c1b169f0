"""What programs may call: ``/invert``, ``/render``, ``/edit`` and ``/export``, by ``gradio_client`` or as MCP tools.

All else on the page is private. Results lie in the visitors' store, each as a visitor of its own: a program's session may end with each
call, and its results are there until nobody has asked for them for as long as an idle visitor's are kept (``Visiting.idle_minutes``).
"""

from __future__ import annotations

import functools
import json
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder

from symgan_core.errors import RequestError, SymganError
from symgan_core.export import Pose, write_still
from symgan_core.faces import choose_face, read_photo
from symgan_core.inversion import PRESETS, PhotoRequest, Portrait3D, crop_face, settings

from . import asked, texts
from .exports import KINDS, LARGEST, check_export, export_into
from .handlers import Studio
from .pace import stages_of
from .queues import HEAVY_QUEUE, LIGHT_QUEUE
from .shown import one_line, waiting, without_paths
from .store import EXAMPLE, VisitorLeft
from .work import FRAMES

log = logging.getLogger("symgan.demo")
VISITOR = "api:"
"""Begins the store's names of results of programs; Gradio's sessions have no colon."""
CLOSING = "The page closes. Call again in a minute."
STRENGTHS = {"type": "object", "additionalProperties": {"type": "number"}, "description": "strengths by name"}
"""JSON schema of edits; gr.JSON's own is refused by MCP clients."""


class Calls:
    """The four calls; their docstrings are what an MCP client reads."""

    def __init__(self, studio: Studio):
        self._studio, self._store, self._computed = studio, studio.store, studio.room.computing.call

    def invert(self, photo: str, preset: str = "fast", face: int = 0,
               progress: gr.Progress = gr.Progress()) -> tuple[str, str, dict[str, Any]]:
        """Make a 3D head of the face in one photo. Takes about a minute on two CPU cores with "fast", seconds on a GPU.

        Args:
            photo: A picture file (JPEG, PNG, WebP, HEIC) with a face that looks roughly towards the camera: uploaded, or a data address. It
                is deleted once it is read.
            preset: How much work: "fast", "balanced" or "best".
            face: Which face, counted from 0, the largest first.

        Returns:
            The turning head as an MP4 film; the head as a file that symgan opens; a report, whose "portrait_id" the other calls take.
        """
        begin = time.monotonic()
        picture = _read_once(photo)  # first, so that no upload stays that is of no use
        preset, request = asked.word("preset", preset, "fast"), PhotoRequest(asked.whole("face", face, 0))
        settings("spi", preset)  # a wrong name is said before any work
        with self._studio.metrics.run(), self._new() as (visitor, folder):
            found = self._computed(self._studio.provider.find, picture)
            crop = self._computed(crop_face, picture, choose_face(found, request.face), self._studio.generator, request)
            with self._in_turn(stages_of(preset), progress):
                for done in self._studio.room.invert(folder, crop, preset, request, lambda: False):
                    progress((done.step, done.total), desc=texts.ENGLISH.STAGES.get(done.stage))
            (folder / "input.webp").unlink(missing_ok=True)  # the page shows it beside the head; a program has its photo
            number = self._store.keep(visitor, folder)
            report = json.loads((folder / "report.json").read_text()) | {
                "portrait_id": number, "faces": len(found), "origins": done.origins, "total_seconds": round(time.monotonic() - begin, 1)}
        return str(folder / "orbit.mp4"), str(folder / "portrait.safetensors"), report

    def render(self, portrait_id: str, yaw: float = 0.0, pitch: float = 0.0, zoom: float = 1.0, background: str = "white",
               edits: dict[str, float] | None = None) -> str:
        """Show a head from one side, as a PNG picture of 512 pixels.

        Args:
            portrait_id: From the report of invert, or from edit; or an example: "ada", "noor", "emil".
            yaw: Degrees, -90 to 90; above 0 shows more of the person's left side.
            pitch: Degrees, -40 to 40; above 0 looks from above.
            zoom: 0.5 to 2.5; 1 shows the head with some room around it.
            background: "white", "transparent", a colour by name or as #rrggbb, or "blurred" for the photo's own.
            edits: Strengths of edits from the unedited head, such as {"smile": 1.5, "age": -1}; by default as the portrait is.

        Returns:
            The picture.
        """
        pose = Pose(asked.number("yaw", yaw, 0.0), asked.number("pitch", pitch, 0.0), asked.number("zoom", zoom, 1.0))
        behind = asked.word("background", background, "white")
        portrait = self._edited(portrait_id, edits)
        with self._new() as (_, folder):
            return str(self._computed(write_still, portrait, folder / "view.png", pose, behind))

    def edit(self, portrait_id: str, edits: dict[str, float]) -> tuple[str, str]:
        """Change a head's expression, shape, hair or colours. The portrait itself stays; the edited one gets an id of its own.

        Args:
            portrait_id: From the report of invert, or from edit; or an example: "ada", "noor", "emil".
            edits: Strengths by name, from the unedited head. Names and largest strengths: smile 2.5, mouth_open 2, brow_raise 2,
                eye_opening 2, wink 1, age 2.5, gender 2, weight 2, face_width 2, head_shape 2, jaw 2, cheeks 2, nose_size 2, ears 2,
                hair_length 2, hair_volume 2, hair_lightness 2.5, skin_tone 3, iris 2, light_side 2; each also below 0.

        Returns:
            The id of the edited portrait, and its picture from the front.
        """
        portrait = self._edited(portrait_id, {} if edits is None else edits)
        with self._new() as (visitor, folder):
            portrait.save(folder)
            return self._store.keep(visitor, folder), str(self._computed(write_still, portrait, folder / "view.png"))

    def export(self, portrait_id: str, kind: str = "mp4", size: int = 512, background: str = "white",
               progress: gr.Progress = gr.Progress()) -> str:
        """Write a head as a file: a film of it turning, a picture, a mesh, or all of them.

        Args:
            portrait_id: From the report of invert, or from edit; or an example: "ada", "noor", "emil".
            kind: "mp4", "gif" or "webp" for a looping film, "png" for a picture from the front, "glb" for a coloured mesh (glTF, y up,
                metres), "zip" for all of these and the portrait file.
            size: Pixels of films and picture, 64 to 512.
            background: As render has it; films and "zip" cannot be transparent.

        Returns:
            The file.
        """
        kind, size = asked.word("kind", kind, "mp4"), asked.whole("size", size, LARGEST)
        background = asked.word("background", background, "white")
        portrait = self._edited(portrait_id, None)
        check_export(kind, size, background)
        with self._new() as (_, folder), self._in_turn({"video": FRAMES}, progress):
            for done in export_into(folder, portrait, self._studio.room, kind, size, background):
                progress((done.step, done.total), desc=texts.ENGLISH.STAGES["video"])
        return str(folder / f"head.{kind}")

    @contextmanager
    def _in_turn(self, units: Mapping[str, float], progress: gr.Progress) -> Iterator[None]:
        """Heavy work of so many units (``pace.stages_of``), when it is its turn."""
        with self._studio.line.stand(self._studio.pace.seconds(units)) as place:
            for ahead, seconds in place.wait():
                progress((0, 1), desc=waiting(ahead, seconds))
            yield

    @contextmanager
    def _new(self) -> Iterator[tuple[str, Path]]:
        """A visitor of its own for a result, and its folder."""
        visitor = VISITOR + secrets.token_hex(8)
        with self._store.new_folder(visitor) as folder:
            yield visitor, folder

    def _edited(self, portrait_id: str, edits: Mapping[str, float] | None) -> Portrait3D:
        portrait = self._find(portrait_id)
        return portrait if edits is None else portrait.edit(asked.strengths(edits))

    def _find(self, portrait_id: str) -> Portrait3D:
        """A portrait that a call made, one that is open on the page, or an example by its name.

        Raises:
            RequestError: there is none of this id (any more).
        """
        number = portrait_id if isinstance(portrait_id, str) else ""
        portrait = self._studio.portrait(number) or self._studio.portrait(EXAMPLE + number)
        if portrait is None:
            minutes = self._studio.settings.visiting.idle_minutes
            raise RequestError("There is no portrait of this id.", f"They are kept for {minutes} minutes; call /invert again.")
        return portrait


def add_api(studio: Studio) -> None:
    """Add the endpoints to the Blocks that are being built; their components are never shown."""
    calls = Calls(studio)
    with gr.Column(visible=False):
        portrait_id, edits = gr.Textbox(label="portrait_id"), gr.JSON(label="edits")
        edits.api_info = lambda: STRENGTHS
        background = gr.Textbox("white", label="background")
        picture, number = gr.Image(label="picture", type="filepath", format="png"), gr.Textbox(label="portrait_id")
        file, report, video = gr.File(label="file"), gr.JSON(label="report"), gr.File(label="video")
        photo = gr.File(label="photo", file_types=None)
        preset, face = gr.Dropdown(list(PRESETS), value="fast", label="preset"), gr.Number(0, label="face", precision=0)
        yaw, pitch, zoom = (gr.Number(value, label=name) for name, value in (("yaw", 0), ("pitch", 0), ("zoom", 1)))
        kind, size = gr.Dropdown(list(KINDS), value="mp4", label="kind"), gr.Number(LARGEST, label="size", precision=0)
        for component in (preset, face, yaw, pitch, zoom, kind, size, portrait_id, background):
            component.preprocess = _unchanged  # Gradio's own would raise before we can say what is wrong
        endpoints = (
            (calls.invert, [photo, preset, face], [video, file, report], HEAVY_QUEUE),
            (calls.render, [portrait_id, yaw, pitch, zoom, background, edits], picture, LIGHT_QUEUE),
            (calls.edit, [portrait_id, edits], [number, picture], LIGHT_QUEUE),
            (calls.export, [portrait_id, kind, size, background], file, HEAVY_QUEUE))
        for work, inputs, outputs, queue in endpoints:
            gr.Button().click(plain_errors(work), inputs, outputs, api_name=work.__name__, show_progress="hidden", **queue)


def plain_errors(work: Callable[..., Any]) -> Callable[..., Any]:
    """``work``, whose errors reach the caller as one line (gr.Error) without paths of this machine; faults of ours are logged."""
    @functools.wraps(work)
    def call(*args: Any, **named: Any) -> Any:
        try:
            return work(*args, **named)
        except SymganError as error:
            raise gr.Error(one_line(without_paths(str(error))), print_exception=False) from None
        except gr.Error:  # of ZeroGPU: no quota is left, for one
            raise
        except VisitorLeft:  # a program's portraits go with the page alone, while they are worked on
            raise gr.Error(CLOSING, print_exception=False) from None
        except Exception:
            log.exception("%s failed", work.__name__)
            raise gr.Error(texts.ENGLISH.BROKEN, print_exception=False) from None
    return call


def _unchanged(value: Any) -> Any:
    return value


def _read_once(photo: str | None) -> np.ndarray:
    """The photo's pixels; the upload itself is deleted."""
    if not photo:
        raise RequestError(texts.ENGLISH.NO_PHOTO)
    try:
        return read_photo(photo)
    finally:
        if Path(photo).resolve().is_relative_to(Path(get_upload_folder()).resolve()):
            Path(photo).unlink(missing_ok=True)
