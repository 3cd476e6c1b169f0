"""What happens at each click: check, call the core, return what to show."""

from __future__ import annotations

import html
import logging
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from symgan_core.errors import SymganError
from symgan_core.export import expression_frames, on_background, orbit_frames, write_orbit
from symgan_core.faces import Face, FaceCrop, choose_face, crop_advice, draw_check, draw_faces, load_provider, read_photo
from symgan_core.generator import load_generator
from symgan_core.inversion import PhotoRequest, Portrait3D, crop_face, start_inversion
from symgan_core.portrait.editing import Direction, list_directions
from symgan_core.portrait.editing.directions import EXPRESSION

from . import texts
from .gallery import Example, list_examples
from .settings import Settings
from .share import ShareStore
from .work import FRAMES, film_into, invert_into

log = logging.getLogger("symgan.demo")
EXPRESSION_FRAMES = 72
REMEMBERED = 4
"""Photos, and crops of them, that are kept in memory, so that a check and the work after it look once."""


@dataclass(frozen=True)
class Shown:
    """What a streaming handler wants the page to show; None leaves a part as it is."""

    status: str
    preview: np.ndarray | None = None
    video: str | None = None
    portrait_id: str | None = None
    files: list[str] | None = None
    failed: str | None = None


@dataclass(frozen=True)
class Checked:
    """What the page shows of a photo before it is worked on. ``boxes`` only where there are several faces."""

    status: str
    boxes: np.ndarray | None = None
    crop: np.ndarray | None = None
    pose: tuple[float, float] = (0.0, 0.0)
    failed: bool = False


class _File(NamedTuple):
    """A photo on disk, and when it was written."""

    path: str
    written: int


@dataclass
class Studio:
    """The page's workshop: one generator, a bounded store of portraits, the stop flags of running sessions."""

    settings: Settings
    portraits: OrderedDict[str, Portrait3D] = field(default_factory=OrderedDict)
    stops: dict[str, threading.Event] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.generator = load_generator(self.settings.generator, self.settings.device)
        self.provider = load_provider()
        self.shares = ShareStore(self.settings.shares, self.settings.share_days)
        self.examples: list[Example] = list_examples()
        self.directions: tuple[Direction, ...] = list_directions(self.generator)
        self.settings.work.mkdir(parents=True, exist_ok=True)
        self._found, self._cut = (lru_cache(REMEMBERED)(work) for work in (self._find, self._crop))

    def warm_up(self) -> None:
        """The first steps with an example's photo: what a process does for the first time takes seconds longer, and so no visitor waits
        for that. A fault is logged and no more."""
        try:
            for example in self.examples[:1]:
                _, crop = self._cut(_file(str(example.photo)), PhotoRequest(0))
                for event in start_inversion(crop, self.generator, "spi", "fast"):
                    if event.stage == "pivot":
                        break
        except Exception:
            log.exception("warming up failed")

    # -- making a portrait ------------------------------------------------------------------------------------------

    def check(self, photo: str | None, request: PhotoRequest) -> Checked:
        """Which faces there are, and how the chosen one will be cut out and posed."""
        try:
            file = _file(photo)
            (picture, faces), (number, crop) = self._found(file), self._cut(file, request)
            yaw, pitch = crop.camera.yaw_pitch()
            advice = " ".join([_which(faces, number) or texts.FACE_FOUND, *crop_advice(crop)])
            boxes = draw_faces(picture, faces, number) if len(faces) > 1 else None
            return Checked(message(advice), boxes, draw_check(crop), (round(yaw), round(pitch)))
        except SymganError as error:
            return Checked(message(str(error), "error"), failed=True)
        except Exception:
            log.exception("checking failed")
            return Checked(message(texts.BROKEN, "error"), failed=True)

    def _find(self, photo: _File) -> tuple[np.ndarray, list[Face]]:
        picture = read_photo(photo.path)
        return picture, self.provider.find(picture)

    def _crop(self, photo: _File, request: PhotoRequest) -> tuple[int, FaceCrop]:
        """The number of the chosen face, and its crop."""
        picture, faces = self._found(photo)
        face = choose_face(faces, request.face if len(faces) != 1 else 0)
        return faces.index(face), crop_face(picture, face, self.generator, request)

    def invert(self, photo: str | None, preset: str, request: PhotoRequest, session: str) -> Iterator[Shown]:
        """Photo to portrait, a picture every few steps. Errors end the stream with their one line."""
        stop = self.stops[session] = threading.Event()
        begin = time.monotonic()
        try:
            yield from self._invert(photo, preset, request, stop, begin)
        except SymganError as error:
            yield Shown(message(str(error), "error"), failed=str(error))
        except Exception:
            log.exception("inversion failed")
            yield Shown(message(texts.BROKEN, "error"), failed=texts.BROKEN)
        finally:
            self.stops.pop(session, None)

    def _invert(self, photo: str | None, preset: str, request: PhotoRequest, stop: threading.Event, begin: float) -> Iterator[Shown]:
        yield Shown(bar(texts.LOOKING, 0, 1))
        file = _file(photo)
        (_, faces), (number, crop) = self._found(file), self._cut(file, request)
        note = _which(faces, number)
        folder, shares = self._new_folder(), {}
        for done in invert_into(folder, crop, self.generator, preset, request, self.settings.generator, stop.is_set):
            if done.stage == "done":
                shares = done.origins
            else:
                yield Shown(bar(texts.STAGES[done.stage], done.step, done.total, note), preview=done.preview)
        portrait = Portrait3D.load(folder, base=self.generator)
        note = f"{note} {texts.ORIGINS.format(**shares)}".strip()
        text = (texts.STOPPED if stop.is_set() else texts.DONE).format(seconds=time.monotonic() - begin)
        yield Shown(message(f"{text} {note}", "done"), video=str(folder / "orbit.mp4"), portrait_id=self._keep(portrait, folder),
                    files=[str(folder / name) for name in ("orbit.mp4", "portrait.safetensors", "report.json")])

    def stop(self, session: str) -> None:
        """Ask a running inversion to end at its next step."""
        if flag := self.stops.get(session):
            flag.set()

    # -- opening a finished one -------------------------------------------------------------------------------------

    def open_example(self, index: int) -> Shown:
        """A portrait of the gallery, at once."""
        example = self.examples[index]
        portrait = Portrait3D.load(example.folder, base=self.generator)
        return Shown(message(example.title, "done"), video=str(example.video), portrait_id=self._keep(portrait, example.folder),
                     files=[str(example.video), str(example.folder / "portrait.safetensors")])

    def open_share(self, share_id: str) -> Shown | None:
        """A shared portrait, or None if the link leads nowhere."""
        folder = self.shares.find(share_id)
        if folder is None:
            return None
        work = self._new_folder()
        shutil.copyfile(folder / "orbit.mp4", work / "orbit.mp4")  # the page serves files from its work folder alone
        portrait = Portrait3D.load(folder, base=self.generator)
        return Shown("", video=str(work / "orbit.mp4"), portrait_id=self._keep(portrait, work))

    # -- looking, editing, sharing ----------------------------------------------------------------------------------

    def strengths(self, portrait_id: str | None) -> dict[str, float]:
        """Where all sliders begin: at what a portrait is edited by as it was opened; at 0 without one."""
        with self._lock:
            portrait = self.portraits.get(portrait_id or "")
        return {d.name: portrait.edits.get(d.name, 0.0) if portrait else 0.0 for d in self.directions}

    def view(self, portrait_id: str | None, yaw: float, pitch: float, zoom: float, background: str,
             strengths: Mapping[str, float]) -> np.ndarray | None:
        """One view with edits; None without a portrait."""
        portrait = self._edited(portrait_id, strengths)
        if portrait is None:
            return None
        out = portrait.render(yaw=yaw, pitch=pitch, zoom=zoom)
        return on_background(out, fitting(portrait, background), portrait.backdrop)

    def refilm(self, portrait_id: str | None, background: str, strengths: Mapping[str, float]) -> Iterator[Shown]:
        """A new video with the edits of the sliders."""
        portrait = self._edited(portrait_id, strengths)
        if portrait is None:
            yield Shown(message(texts.EXPIRED, "error"))
            return
        yield from self._film(orbit_frames(portrait, FRAMES, fitting(portrait, background)), "orbit.mp4", FRAMES)

    def film_expression(self, portrait_id: str | None, background: str, strengths: Mapping[str, float]) -> Iterator[Shown]:
        """A video in which the face takes on the expression of the sliders and lets go of it; what the other sliders do stays."""
        grouped = any(d.group == EXPRESSION for d in self.directions)
        moving = {d.name: strengths.get(d.name, 0.0) for d in self.directions if not grouped or d.group == EXPRESSION}
        portrait = self._edited(portrait_id, {name: s for name, s in strengths.items() if name not in moving})
        if portrait is None:
            yield Shown(message(texts.EXPIRED, "error"))
            return
        if not any(moving.values()):
            yield Shown(message(texts.NO_EXPRESSION, "error"))
            return
        pictures = expression_frames(portrait, moving, EXPRESSION_FRAMES, fitting(portrait, background))
        yield from self._film(pictures, "expression.mp4", EXPRESSION_FRAMES)

    def _film(self, pictures: Iterable[np.ndarray], name: str, total: int) -> Iterator[Shown]:
        folder = self._new_folder()
        for done in film_into(folder, pictures, name):
            yield Shown(bar(texts.STAGES["video"], done.step, total))
        yield Shown(message(texts.FILMED, "done"), video=str(folder / name), files=[str(folder / name)])

    def share(self, portrait_id: str | None, strengths: Mapping[str, float]) -> tuple[str, str] | None:
        """Store the portrait as it is now; its id and delete token, or None without a portrait."""
        portrait = self._edited(portrait_id, strengths)
        if portrait is None:
            return None
        folder = self._new_folder()
        video = self._video_of(portrait_id) if portrait is self.portraits.get(portrait_id) else None
        made = self.shares.add(portrait, video or write_orbit(portrait, folder / "orbit.mp4"))
        return made.id, made.token

    def _edited(self, portrait_id: str | None, strengths: Mapping[str, float]) -> Portrait3D | None:
        """A portrait at the strengths of the sliders: itself where they are as it was opened."""
        with self._lock:
            portrait = self.portraits.get(portrait_id or "")
            if portrait is not None:
                self.portraits.move_to_end(portrait_id)
        wanted = {name: strength for name, strength in strengths.items() if strength}
        return portrait if portrait is None or wanted == portrait.edits else portrait.edit(wanted)

    # -- the store --------------------------------------------------------------------------------------------------

    def _keep(self, portrait: Portrait3D, folder: Path) -> str:
        number = secrets.token_urlsafe(16)
        portrait.report.setdefault("folder", str(folder))
        with self._lock:
            self.portraits[number] = portrait
            while len(self.portraits) > self.settings.keep_portraits:
                self.portraits.popitem(last=False)
        return number

    def _video_of(self, portrait_id: str) -> Path | None:
        path = Path(self.portraits[portrait_id].report.get("folder", "")) / "orbit.mp4"
        return path if path.is_file() else None

    def _new_folder(self) -> Path:
        self._sweep()
        folder = self.settings.work / secrets.token_urlsafe(12)
        folder.mkdir(parents=True)
        return folder

    def _sweep(self, hours: float = 2.0) -> None:
        for folder in self.settings.work.iterdir():
            if folder.is_dir() and time.time() - folder.stat().st_mtime > hours * 3600:
                shutil.rmtree(folder, ignore_errors=True)


def _file(photo: str | None) -> _File:
    path = Path(photo or "")
    return _File(photo or "", path.stat().st_mtime_ns if path.is_file() else 0)


def _which(faces: list[Face], number: int) -> str:
    """Which of several faces it is."""
    return texts.FACES_FOUND.format(count=len(faces), number=number + 1) if len(faces) > 1 else ""


def fitting(portrait: Portrait3D, background: str) -> str:
    """The background that was asked for; white for a portrait that knows nothing of its photo's (an example, a shared one)."""
    return "white" if background == "blurred" and portrait.backdrop is None else background


def bar(text: str, step: int, total: int, note: str = "") -> str:
    """A progress bar as HTML."""
    share = 100 * step / max(total, 1)
    return (f'<div class="sg-status" role="status"><span>{html.escape(text)}</span><span class="sg-note">{html.escape(note)}</span>'
            f'<div class="sg-track"><div class="sg-fill" style="width:{share:.1f}%"></div></div></div>')


def message(text: str, kind: str = "idle") -> str:
    """One line as HTML; all text is escaped."""
    return f'<div class="sg-status sg-{kind}" role="status">{html.escape(text)}</div>'


def link_for(base: str, share_id: str) -> str:
    """The address of a share on this page."""
    return f"{base.split('?')[0].rstrip('/')}/?r={share_id}"
