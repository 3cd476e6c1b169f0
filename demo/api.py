"""What programs may call: ``/invert``, ``/render``, ``/edit`` and ``/export``, by ``gradio_client`` or as MCP tools.

All else on the page is private. A result lies in a folder of the work folder under a random id, which is all that a caller gets; it goes
when nobody has asked for it for as long as an idle visitor's data are kept (``Settings.idle_minutes``).
"""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import secrets
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder

from symgan_core.errors import RequestError, SymganError
from symgan_core.export import write_mesh, write_still
from symgan_core.faces import choose_face, read_photo
from symgan_core.inversion import PRESETS, PhotoRequest, Portrait3D, crop_face, settings

from . import texts
from .handlers import Studio
from .queues import HEAVY_QUEUE, LIGHT_QUEUE
from .shown import without_paths

log = logging.getLogger("symgan.demo")
LOADED = 2
"""Portraits that are kept in memory between calls."""
FILMS = ("mp4", "gif", "webp")
KINDS = ("glb", *FILMS, "png", "zip")
SMALLEST, LARGEST = 64, 512
"""Pixels of what ``/export`` writes; heads are rendered at 512."""
STRENGTHS = {"type": "object", "additionalProperties": {"type": "number"}, "description": "strengths by name"}
"""JSON schema of edits; gr.JSON's own is refused by MCP clients."""
_ID = re.compile(r"[A-Za-z0-9_-]{22}")


class Results:
    """Folders of portraits by their ids. ``find`` is the one door; join it here with another store."""

    def __init__(self, studio: Studio):
        self._studio, self._root, self._minutes = studio, studio.settings.work, studio.settings.idle_minutes
        self._load = lru_cache(LOADED)(lambda folder: Portrait3D.load(folder, base=studio.generator))

    def new(self) -> tuple[str, Path]:
        """A fresh id and its folder; old ones are swept away."""
        for folder in self._root.glob("*"):
            if _ID.fullmatch(folder.name) and time.time() - folder.stat().st_mtime > self._minutes * 60:
                shutil.rmtree(folder, ignore_errors=True)
        number = secrets.token_urlsafe(16)
        folder = self._root / number
        folder.mkdir(parents=True)
        return number, folder

    def find(self, portrait_id: str) -> Portrait3D:
        """A portrait that an endpoint made, one that is open on the page, or an example by its name.

        Raises:
            RequestError: there is none of this id (any more).
        """
        portrait_id = str(portrait_id or "")
        folder = self._root / portrait_id
        if _ID.fullmatch(portrait_id) and (folder / "portrait.safetensors").is_file():
            os.utime(folder)
            return self._load(folder)
        for example in self._studio.examples:
            if example.name == portrait_id:
                return self._load(example.folder)
        portrait = self._studio.portrait(portrait_id)
        if portrait is None:
            raise RequestError("There is no portrait of this id.", f"They are kept for {self._minutes} minutes; call /invert again.")
        return portrait


class Calls:
    """The four calls; their docstrings are what an MCP client reads."""

    def __init__(self, studio: Studio):
        self._studio, self._results = studio, Results(studio)

    def invert(self, photo: str, preset: str = "fast", face: int = 0,
               progress: gr.Progress = gr.Progress()) -> tuple[str, str, dict[str, Any]]:
        """Make a 3D head of the face in one photo. Takes about a minute on two CPU cores with "fast", seconds on a GPU.

        Args:
            photo: A picture file (JPEG, PNG, WebP, HEIF) with a face that looks roughly towards the camera. It is deleted once it is read.
            preset: How much work: "fast", "balanced" or "best".
            face: Which face, counted from 0, the largest first.

        Returns:
            The turning head as an MP4 film; the head as a file that symgan opens; a report, whose "portrait_id" the other calls take.
        """
        begin = time.monotonic()
        settings("spi", preset)  # a wrong name is said before any work
        picture = _read_once(photo)
        found = self._studio.provider.find(picture)
        request = PhotoRequest(int(face or 0))
        crop = crop_face(picture, choose_face(found, request.face), self._studio.generator, request)
        number, folder = self._results.new()
        try:
            for done in self._studio.room.invert(folder, crop, preset, request, lambda: False):
                progress((done.step, done.total), desc=texts.ENGLISH.STAGES.get(done.stage))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        (folder / "input.webp").unlink(missing_ok=True)  # the page shows it beside the head; a program has its photo
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
        portrait = self._edited(portrait_id, edits)
        _, folder = self._results.new()
        return str(write_still(portrait, folder / "view.png", float(yaw or 0), float(pitch or 0), float(zoom or 1), background or "white"))

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
        portrait = self._edited(portrait_id, edits or {})
        number, folder = self._results.new()
        portrait.save(folder)
        return number, str(write_still(portrait, folder / "view.png"))

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
        portrait = self._edited(portrait_id, None)
        size, background = int(size or LARGEST), background or "white"
        _checked(kind, size, background)
        _, folder = self._results.new()
        paths = {name: folder / f"head.{name}" for name in KINDS}
        wanted = [name for name in KINDS if kind in (name, "zip")]
        films = [paths[name] for name in FILMS if name in wanted]
        if "png" in wanted:
            write_still(portrait, paths["png"], background=background, side=size)
        if films:
            for done in self._studio.room.films(portrait, background, films, size):
                progress((done.step, done.total), desc=texts.ENGLISH.STAGES["video"])
        if "glb" in wanted:
            write_mesh(portrait, paths["glb"])
        if kind == "zip":
            portrait.save(folder)
            _zip(paths["zip"], [paths[name] for name in wanted if name != "zip"] + [folder / "portrait.safetensors"])
        return str(paths[kind])

    def _edited(self, portrait_id: str, edits: Mapping[str, float] | None) -> Portrait3D:
        portrait = self._results.find(portrait_id)
        return portrait if edits is None else portrait.edit(_numbers(edits))


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
            raise gr.Error(without_paths(str(error)), print_exception=False) from None
        except gr.Error:  # of ZeroGPU: no quota is left, for one
            raise
        except Exception:
            log.exception("%s failed", work.__name__)
            raise gr.Error(texts.ENGLISH.BROKEN, print_exception=False) from None
    return call


def _read_once(photo: str | None) -> np.ndarray:
    """The photo's pixels; the upload itself is deleted."""
    if not photo:
        raise RequestError(texts.ENGLISH.NO_PHOTO)
    try:
        return read_photo(photo)
    finally:
        if Path(photo).resolve().is_relative_to(Path(get_upload_folder()).resolve()):
            Path(photo).unlink(missing_ok=True)


def _numbers(edits: Any) -> dict[str, float]:
    """Edits of a stranger, as far as their types go."""
    if not isinstance(edits, Mapping):
        raise RequestError("The edits are no object of names and strengths.", 'Give them like {"smile": 1.5}.')
    for name, strength in edits.items():
        if isinstance(strength, bool) or not isinstance(strength, int | float):
            raise RequestError(f"The strength of '{name}' is no number.", 'Give edits like {"smile": 1.5}.')
    return {str(name): float(strength) for name, strength in edits.items()}


def _checked(kind: str, size: int, background: str) -> None:
    if kind not in KINDS:
        raise RequestError(f"There is no kind '{kind}'.", f"Choose one of: {', '.join(KINDS)}.")
    if not SMALLEST <= size <= LARGEST:
        raise RequestError(f"{size} pixels are out of range.", f"Give {SMALLEST} to {LARGEST}.")
    if background == "transparent" and kind in (*FILMS, "zip"):
        raise RequestError("A film cannot be transparent.", "Name a colour, or ask for a png.")


def _zip(path: Path, files: list[Path]) -> None:
    """Films and pictures are packed already, so nothing is packed again."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            archive.write(file, file.name)
