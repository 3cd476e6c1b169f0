"""What happens at each click: check, call the core, return what to show."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from symgan_core.errors import SymganError
from symgan_core.export import expression_frames, orbit_frames
from symgan_core.faces import Face, crop_hints, draw_check, draw_faces, load_provider
from symgan_core.generator import load_generator
from symgan_core.inversion import PhotoRequest, Portrait3D, start_inversion
from symgan_core.portrait.editing import Direction, list_directions
from symgan_core.portrait.editing.directions import EXPRESSION

from .gallery import Example, list_examples
from .looking import Looking, fitting
from .photos import PhotoDesk
from .settings import Settings
from .share import SERVED, Share, ShareStore, copy_there
from .shown import Checked, Shown, bar, link_for, message, without_paths
from .store import EXAMPLE, ResultStore, VisitorLeft
from .texts import ENGLISH, Texts
from .work import FRAMES, film_into
from .zero import Room

__all__ = ["Checked", "Shown", "Studio", "bar", "link_for", "message"]
log = logging.getLogger("symgan.demo")
EXPRESSION_FRAMES = 72
SWEEP_EVERY = 60
"""Seconds between two looks for what has to be deleted."""


@dataclass
class Studio(Looking):
    """The page's workshop: one generator, the visitors' results, shared ones, and the stop flags of running sessions.

    ``session`` is Gradio's session hash everywhere, or "" where a client has none.
    """

    settings: Settings
    stops: dict[str, threading.Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.generator = load_generator(self.settings.generator, self.settings.device)
        self.provider = load_provider()
        self.shares = ShareStore(self.settings.shares, self.settings.share_days)
        self.examples: list[Example] = list_examples()
        self.directions: tuple[Direction, ...] = list_directions(self.generator)
        self.room = Room(self.generator, self.settings.generator)
        self.photos = PhotoDesk(self.provider, self.generator)
        self.store = ResultStore(self.settings, lambda folder: Portrait3D.load(folder, base=self.generator),
                                 {example.name: example.folder for example in self.examples}, self.photos.forget)

    def warm_up(self) -> None:
        """The first steps with an example's photo: what a process does for the first time takes seconds longer, and so no visitor waits
        for that. A fault is logged and no more."""
        try:
            for example in self.examples[:1]:
                _, crop = self.photos.crop(str(example.photo), PhotoRequest(0))
                for event in start_inversion(crop, self.generator, "spi", "fast"):
                    if event.stage == "pivot":
                        break
        except Exception:
            log.exception("warming up failed")

    def face_at(self, photo: str | None, place: tuple[int, int], session: str) -> int | None:
        """The number of the face that lies at a place of the picture of all faces, in its pixels; None where there is none."""
        try:
            _, faces = self.photos.faces(self.store.own_photo(session, photo))
        except SymganError:
            return None
        x, y = place
        return next((n for n, face in enumerate(faces) if face.box[0] <= x <= face.box[2] and face.box[1] <= y <= face.box[3]), None)

    # -- making a portrait ------------------------------------------------------------------------------------------

    def check(self, photo: str | None, request: PhotoRequest, session: str, said: Texts = ENGLISH) -> Checked:
        """Which faces there are, and how the chosen one will be cut out and posed. An upload moves into the visitor's folder."""
        try:
            self.store.touch(session)  # before the work: who leaves meanwhile gets no new folder
            own = self.store.own_photo(session, photo)
            (picture, faces), (number, crop) = self.photos.faces(own), self.photos.crop(own, request)
            yaw, pitch = crop.camera.yaw_pitch()
            hints = (said.ADVICE[name].format(value=value) for name, value in crop_hints(crop))
            advice = " ".join([_which(faces, number, said) or said.FACE_FOUND, *hints])
            boxes = draw_faces(picture, faces, number) if len(faces) > 1 else None
            return Checked(message(advice), self._picture(session, "boxes", boxes), self._picture(session, "check", draw_check(crop)),
                           (round(yaw), round(pitch)))
        except SymganError as error:
            return Checked(message(_told(error, said), "error"), failed=True)
        except Exception:
            log.exception("checking failed")
            return Checked(message(said.BROKEN, "error"), failed=True)

    def invert(self, photo: str | None, preset: str, request: PhotoRequest, session: str,
               said: Texts = ENGLISH) -> Iterator[Shown]:
        """Photo to portrait, a picture every few steps. Errors end the stream with their one line; it just ends if the visitor leaves."""
        stop = self.stops[session] = threading.Event()
        try:
            yield from self._invert(photo, preset, request, session, said, stop)
        except VisitorLeft:
            log.info("a visitor left while his photo was worked on")
        except SymganError as error:
            told = _told(error, said)
            yield Shown(message(told, "error"), failed=told)
        except Exception:
            log.exception("inversion failed")
            yield Shown(message(said.BROKEN, "error"), failed=said.BROKEN)
        finally:
            self.stops.pop(session, None)

    def _invert(self, photo: str | None, preset: str, request: PhotoRequest, session: str, said: Texts,
                stop: threading.Event) -> Iterator[Shown]:
        begin = time.monotonic()
        yield Shown(bar(said.LOOKING, 0, 1))
        own = self.store.own_photo(session, photo)
        (_, faces), (number, crop) = self.photos.faces(own), self.photos.crop(own, request)
        note, shares = _which(faces, number, said), {}
        with self.store.new_folder(session) as folder:
            for done in self.room.invert(folder, crop, preset, request, stop.is_set):
                self.store.expect(folder)
                if done.stage == "done":
                    shares = done.origins
                else:
                    yield Shown(bar(said.STAGES[done.stage], done.step, done.total, note),
                                preview=done.preview)
            portrait_id = self.store.keep(session, folder)
        note = f"{note} {said.ORIGINS.format(**shares)}".strip()
        text = (said.STOPPED if stop.is_set() else said.DONE).format(seconds=time.monotonic() - begin)
        yield self._opened(f"{text} {note}", portrait_id, ("orbit.mp4", "portrait.safetensors", "report.json"), said)

    def stop(self, session: str) -> None:
        """Ask a running inversion to end at its next step."""
        if flag := self.stops.get(session):
            flag.set()

    # -- opening a finished one -------------------------------------------------------------------------------------

    def open_example(self, index: int, session: str, said: Texts = ENGLISH) -> Shown:
        """The portrait of the gallery with this number, at once."""
        example = self.examples[index]
        self.store.touch(session)
        title = said.EXAMPLES.get(example.name, example.title)
        return self._opened(title, EXAMPLE + example.name, ("orbit.mp4", "portrait.safetensors"), said)

    def open_example_named(self, name: str, session: str, said: Texts = ENGLISH) -> Shown | None:
        """The portrait of the gallery with this name, or None if there is none."""
        names = [example.name for example in self.examples]
        return self.open_example(names.index(name), session, said) if name in names else None

    def open_share(self, share_id: str, session: str, said: Texts = ENGLISH) -> Shown | None:
        """A shared portrait, or None if the link leads nowhere."""
        folder = self.shares.find(share_id)
        if folder is None:
            return None
        with self.store.new_folder(session) as own:  # the page serves files of visitors alone, and never a share's token
            copy_there(folder, own, SERVED)
            portrait_id = self.store.keep(session, own)
        return self._opened("", portrait_id, (), said)

    def _opened(self, text: str, portrait_id: str, downloads: tuple[str, ...], said: Texts) -> Shown:
        folder = self.store.folder_of(portrait_id)
        if folder is None:
            return Shown(message(said.EXPIRED, "error"), failed=said.EXPIRED)
        return Shown(message(text, "done") if text else "", video=_there(folder, "orbit.mp4"), portrait_id=portrait_id,
                     files=[str(folder / name) for name in downloads] or None, strip=_there(folder, "strip.webp"),
                     coarse=_there(folder, "coarse.webp"))

    # -- looking, editing, sharing ----------------------------------------------------------------------------------

    def folder_of(self, portrait_id: str | None) -> Path | None:
        """The folder of a portrait's files; None if there is none (any more)."""
        return self.store.folder_of(portrait_id)

    def strengths(self, portrait_id: str | None) -> dict[str, float]:
        """Where all sliders begin: at what a portrait is edited by as it was opened; at 0 without one."""
        portrait = self.portrait(portrait_id)
        return {d.name: portrait.edits.get(d.name, 0.0) if portrait else 0.0 for d in self.directions}

    def refilm(self, session: str, portrait_id: str | None, background: str, strengths: Mapping[str, float],
               said: Texts = ENGLISH) -> Iterator[Shown]:
        """A new video with the edits of the sliders."""
        portrait = self.with_edits(portrait_id, strengths)
        if portrait is None:
            yield Shown(message(said.EXPIRED, "error"), failed=said.EXPIRED)
            return
        yield from self._film(session, orbit_frames(portrait, FRAMES, fitting(portrait, background)), "orbit.mp4", FRAMES, said)

    def film_expression(self, session: str, portrait_id: str | None, background: str, strengths: Mapping[str, float],
                        said: Texts = ENGLISH) -> Iterator[Shown]:
        """A video in which the face takes on the expression of the sliders and lets go of it; what the other sliders do stays."""
        grouped = any(d.group == EXPRESSION for d in self.directions)
        moving = {d.name: strengths.get(d.name, 0.0) for d in self.directions if not grouped or d.group == EXPRESSION}
        portrait = self.with_edits(portrait_id, {name: s for name, s in strengths.items() if name not in moving})
        if portrait is None or not any(moving.values()):
            told = said.EXPIRED if portrait is None else said.NO_EXPRESSION
            yield Shown(message(told, "error"), failed=told)
            return
        pictures = expression_frames(portrait, moving, EXPRESSION_FRAMES, fitting(portrait, background))
        yield from self._film(session, pictures, "expression.mp4", EXPRESSION_FRAMES, said)

    def _film(self, session: str, pictures: Iterable[np.ndarray], name: str, total: int, said: Texts) -> Iterator[Shown]:
        try:
            with self.store.new_folder(session) as folder:
                for done in film_into(folder, pictures, name):
                    self.store.expect(folder)
                    yield Shown(bar(said.STAGES["video"], done.step, total))
        except VisitorLeft:
            return
        yield Shown(message(said.FILMED, "done"), video=_there(folder, name), files=[str(folder / name)],
                    strip=_there(folder, "strip.webp"), coarse=_there(folder, "coarse.webp"))

    def share(self, session: str, portrait_id: str | None, strengths: Mapping[str, float], days: int | None = None) -> Share | None:
        """Store the portrait as it is now, for ``days`` (one of ``share.DAYS``, or the page's own); None without a portrait.

        Raises:
            RequestError: another number of days.
        """
        portrait, folder = self.with_edits(portrait_id, strengths), self.folder_of(portrait_id)
        if portrait is None or folder is None:
            return None
        if portrait is self.portrait(portrait_id) and (folder / "orbit.mp4").is_file():
            return self.shares.add(portrait, folder / "orbit.mp4", days)
        with self.store.new_folder(session) as film:
            for _ in film_into(film, orbit_frames(portrait, FRAMES)):
                pass
            return self.shares.add(portrait, film / "orbit.mp4", days)

    def delete_link(self, share_id: str | None, token: str | None) -> bool:
        """Delete a share with its token; says whether there was one that this token deletes."""
        return self.shares.delete(share_id, token)

    # -- visitors ---------------------------------------------------------------------------------------------------

    def touch(self, session: str) -> None:
        """This visitor is here: what is his stays."""
        self.store.touch(session)

    def forget(self, session: str) -> None:
        """Delete all that is this visitor's, photo and results, on disk and in memory; what he runs ends. Links that he made stay."""
        self.stop(session)
        self.store.forget(session)

    def forget_all(self) -> None:
        """Delete all visitors' photos and results: at the end of the process."""
        for session in list(self.stops):
            self.stop(session)
        self.store.forget_all()

    def keep_clean(self) -> None:
        """Delete what is idle or expired, every minute, for ever: for a thread of its own. Faults are logged."""
        while True:
            time.sleep(SWEEP_EVERY)
            try:
                self.store.sweep()
                self.shares.sweep()
            except Exception:
                log.exception("cleaning failed")

    def _picture(self, session: str, kind: str, picture: np.ndarray | None, ending: str = "webp") -> str | None:
        """A picture as a file in the visitor's folder; None without one, or if he has left."""
        path = None if picture is None else self.store.picture_path(session, kind, ending)
        if picture is None or path is None:
            return None
        try:
            Image.fromarray(picture).save(path)
        except FileNotFoundError:  # he has left just now
            return None
        return str(path)


def _there(folder: Path, name: str) -> str | None:
    """The path of a file of ``folder``, if it is there."""
    return str(folder / name) if (folder / name).is_file() else None


def _told(error: SymganError, said: Texts) -> str:
    """An error's line; the core's are English."""
    return said.PHOTO_GONE if error.seen == ENGLISH.PHOTO_GONE else without_paths(str(error))


def _which(faces: list[Face], number: int, said: Texts) -> str:
    """Which of several faces it is."""
    return said.FACES_FOUND.format(count=len(faces), number=number + 1) if len(faces) > 1 else ""
