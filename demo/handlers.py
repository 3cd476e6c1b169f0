"""What happens at each click: check, call the core, return what to show."""

from __future__ import annotations

import itertools
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
from symgan_core.faces import Face, crop_advice, draw_check, draw_faces, face_at, load_provider
from symgan_core.generator import load_generator
from symgan_core.inversion import PhotoRequest, Portrait3D, start_inversion
from symgan_core.portrait.editing import Direction, list_directions
from symgan_core.portrait.editing.directions import EXPRESSION

from . import texts
from .exports import check_export, export_into
from .gallery import Example, list_examples
from .line import Line, Place
from .looking import Looking, fitting
from .pace import Pace, Run, stages_of
from .photos import PhotoDesk
from .settings import Settings
from .share import SERVED, Share, ShareStore, copy_there
from .shown import Checked, Shown, bar, link_for, message, time_left, without_paths
from .store import EXAMPLE, ResultStore, VisitorLeft
from .work import FRAMES, film_into
from .zero import Room

__all__ = ["Checked", "Shown", "Studio", "bar", "link_for", "message"]
log = logging.getLogger("symgan.demo")
EXPRESSION_FRAMES = 72
DOWNLOADS = ("orbit.mp4", "portrait.safetensors", "report.json")
"""Files of a result that a visitor may take."""
LOOK_EVERY, SWEEP_EVERY = 5, 60
"""Seconds between two looks for visitors who are lost, and for all else that has to be deleted."""


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
        self.line, self.pace = Line(self.settings.queue_size), Pace()
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
            picture, faces = self.photos.faces(self.store.own_photo(session, photo))
        except SymganError:
            return None
        return face_at(picture, faces, *place)

    # -- making a portrait ------------------------------------------------------------------------------------------

    def check(self, photo: str | None, request: PhotoRequest, session: str) -> Checked:
        """Which faces there are, and how the chosen one will be cut out and posed. An upload moves into the visitor's folder."""
        try:
            self.store.touch(session)  # before the work: who leaves meanwhile gets no new folder
            own = self.store.own_photo(session, photo)
            (picture, faces), (number, crop) = self.photos.faces(own), self.photos.crop(own, request)
            yaw, pitch = crop.camera.yaw_pitch()
            advice = " ".join([_which(faces, number) or texts.FACE_FOUND, *crop_advice(crop)])
            boxes = draw_faces(picture, faces, number) if len(faces) > 1 else None
            return Checked(message(advice), self._picture(session, "boxes", boxes), self._picture(session, "check", draw_check(crop)),
                           (round(yaw), round(pitch)))
        except SymganError as error:
            return Checked(message(without_paths(str(error)), "error"), failed=True)
        except Exception:
            log.exception("checking failed")
            return Checked(message(texts.BROKEN, "error"), failed=True)

    def invert(self, photo: str | None, preset: str, request: PhotoRequest, session: str) -> Iterator[Shown]:
        """Photo to portrait, a picture every few steps. Errors end the stream with their one line; it just ends if the visitor leaves."""
        stop = self.stops[session] = threading.Event()
        try:
            with self.line.stand(self.pace.seconds(stages_of(preset))) as place:
                yield from self._waiting(place, stop)
                if stop.is_set():
                    yield Shown(message(texts.STOPPED_WAITING))
                else:
                    yield from self._invert(photo, preset, request, session, stop, place)
        except VisitorLeft:
            log.info("a visitor left while his photo was worked on")
        except SymganError as error:
            yield _refused(error)
        except Exception:
            log.exception("inversion failed")
            yield Shown(message(texts.BROKEN, "error"), failed=texts.BROKEN)
        finally:
            self.stops.pop(session, None)

    def _invert(self, photo: str | None, preset: str, request: PhotoRequest, session: str, stop: threading.Event,
                place: Place) -> Iterator[Shown]:
        run = Run(self.pace, stages_of(preset))
        yield Shown(self._how_far(run, place, "look", 0, 1, texts.LOOKING))
        own = self.store.own_photo(session, photo)
        (_, faces), (number, crop) = self.photos.faces(own), self.photos.crop(own, request)
        self._how_far(run, place, "look", 1, 1, texts.LOOKING)
        note, shares = _which(faces, number), {}
        with self.store.new_folder(session) as folder:
            for done in self.room.invert(folder, crop, preset, request, stop.is_set):
                self.store.expect(folder)
                if done.stage == "done":
                    shares = done.origins
                else:
                    far = self._how_far(run, place, done.stage, done.step, done.total, texts.STAGES[done.stage])
                    yield Shown(far, preview=done.preview)
            run.end()
            portrait_id = self.store.keep(session, folder)
        note = f"{note} {texts.ORIGINS.format(**shares)}".strip()
        text = (texts.STOPPED if stop.is_set() else texts.DONE).format(seconds=time.monotonic() - run.begun)
        yield self._opened(f"{text} {note}", portrait_id)

    def _how_far(self, run: Run, place: Place, stage: str, step: int, total: int, text: str) -> str:
        """One bar for the whole run, as HTML, with the time that is left, which those who wait are told too."""
        share, place.left = run.at(stage, step, total)
        return bar(text, share, 1, time_left(place.left))

    @staticmethod
    def _waiting(place: Place, stop: threading.Event | None = None) -> Iterator[Shown]:
        """While others are before a place in the line: its number, and when its turn is; until then, or until a stop."""
        for ahead, seconds in place.wait():
            yield Shown(bar(texts.WAITING.format(place=ahead, left=time_left(seconds)), 0, 1))
            if stop is not None and stop.is_set():
                return

    def _files(self, portrait_id: str | None, *new: Path) -> list[str]:
        """What can be downloaded: ``new`` files first, then those of a portrait."""
        folder = self.store.folder_of(portrait_id)
        own = [folder / name for name in DOWNLOADS if (folder / name).is_file()] if folder else []
        names = {path.name for path in new}
        return [str(path) for path in (*new, *(path for path in own if path.name not in names))]

    def stop(self, session: str) -> None:
        """Ask a running inversion to end at its next step."""
        if flag := self.stops.get(session):
            flag.set()

    # -- opening a finished one -------------------------------------------------------------------------------------

    def open_example(self, index: int, session: str) -> Shown:
        """The portrait of the gallery with this number, at once."""
        example = self.examples[index]
        self.store.touch(session)
        return self._opened(example.title, EXAMPLE + example.name)

    def open_example_named(self, name: str, session: str) -> Shown | None:
        """The portrait of the gallery with this name, or None if there is none."""
        names = [example.name for example in self.examples]
        return self.open_example(names.index(name), session) if name in names else None

    def open_share(self, share_id: str, session: str) -> Shown | None:
        """A shared portrait, or None if the link leads nowhere."""
        folder = self.shares.find(share_id)
        if folder is None:
            return None
        with self.store.new_folder(session) as own:  # the page serves files of visitors alone, and never a share's token
            copy_there(folder, own, SERVED)
            portrait_id = self.store.keep(session, own)
        return self._opened("", portrait_id, offered=False)

    def _opened(self, text: str, portrait_id: str, offered: bool = True) -> Shown:
        folder = self.store.folder_of(portrait_id)
        if folder is None:
            return Shown(message(texts.EXPIRED, "error"), failed=texts.EXPIRED)
        return Shown(message(text, "done") if text else "", video=_there(folder, "orbit.mp4"), portrait_id=portrait_id,
                     files=self._files(portrait_id) if offered else None, strip=_there(folder, "strip.webp"),
                     coarse=_there(folder, "coarse.webp"))

    # -- looking, editing, sharing ----------------------------------------------------------------------------------

    def folder_of(self, portrait_id: str | None) -> Path | None:
        """The folder of a portrait's files; None if there is none (any more)."""
        return self.store.folder_of(portrait_id)

    def strengths(self, portrait_id: str | None) -> dict[str, float]:
        """Where all sliders begin: at what a portrait is edited by as it was opened; at 0 without one."""
        portrait = self.portrait(portrait_id)
        return {d.name: portrait.edits.get(d.name, 0.0) if portrait else 0.0 for d in self.directions}

    def refilm(self, session: str, portrait_id: str | None, background: str, strengths: Mapping[str, float]) -> Iterator[Shown]:
        """A new video with the edits of the sliders."""
        portrait = self.with_edits(portrait_id, strengths)
        if portrait is None:
            yield Shown(message(texts.EXPIRED, "error"), failed=texts.EXPIRED)
            return
        yield from self._film(session, portrait_id, orbit_frames(portrait, FRAMES, fitting(portrait, background)), "orbit.mp4")

    def film_expression(self, session: str, portrait_id: str | None, background: str, strengths: Mapping[str, float]) -> Iterator[Shown]:
        """A video in which the face takes on the expression of the sliders and lets go of it; what the other sliders do stays."""
        grouped = any(d.group == EXPRESSION for d in self.directions)
        moving = {d.name: strengths.get(d.name, 0.0) for d in self.directions if not grouped or d.group == EXPRESSION}
        portrait = self.with_edits(portrait_id, {name: s for name, s in strengths.items() if name not in moving})
        if portrait is None or not any(moving.values()):
            said = texts.EXPIRED if portrait is None else texts.NO_EXPRESSION
            yield Shown(message(said, "error"), failed=said)
            return
        pictures = expression_frames(portrait, moving, EXPRESSION_FRAMES, fitting(portrait, background))
        yield from self._film(session, portrait_id, pictures, "expression.mp4", EXPRESSION_FRAMES)

    def _film(self, session: str, portrait_id: str | None, pictures: Iterable[np.ndarray], name: str,
              total: int = FRAMES) -> Iterator[Shown]:
        try:
            with self.line.stand(self.pace.seconds({"video": total})) as place, self.store.new_folder(session) as folder:
                yield from self._waiting(place)
                for done in film_into(folder, pictures, name):
                    self.store.expect(folder)
                    place.left = self.pace.seconds({"video": total - done.step})
                    yield Shown(bar(texts.STAGES["video"], done.step, total, time_left(place.left)))
        except VisitorLeft:
            return
        except SymganError as error:
            yield _refused(error)
            return
        yield Shown(message(texts.FILMED, "done"), video=_there(folder, name), files=self._files(portrait_id, folder / name),
                    strip=_there(folder, "strip.webp"), coarse=_there(folder, "coarse.webp"))

    def export(self, session: str, portrait_id: str | None, wanted: tuple[str, int, str], pose: tuple[float, float],
               strengths: Mapping[str, float]) -> Iterator[Shown]:
        """A head as a file (``exports.export_into``): ``wanted`` is its kind, its size in pixels and its background; a picture shows it at
        ``pose``, yaw and pitch in degrees."""
        portrait, (kind, size, background) = self.with_edits(portrait_id, strengths), wanted
        if portrait is None:
            yield Shown(message(texts.EXPIRED, "error"), failed=texts.EXPIRED if portrait_id else texts.NOTHING_TO_SHARE)
            return
        try:
            check_export(kind, size, background)
            with self.line.stand(self.pace.seconds({"video": FRAMES})) as place, self.store.new_folder(session) as folder:
                yield from self._waiting(place)
                yield Shown(bar(texts.EXPORTING, 0, 1))
                for done in export_into(folder, portrait, self.room, kind, size, fitting(portrait, background), pose):
                    yield Shown(bar(texts.EXPORTING, done.step, done.total))
        except VisitorLeft:
            return
        except SymganError as error:
            yield _refused(error)
            return
        yield Shown(message(texts.FILE_READY, "done"), files=self._files(portrait_id, folder / f"head.{kind}"))

    def share(self, session: str, portrait_id: str | None, strengths: Mapping[str, float],
              days: int | None = None) -> Iterator[Shown | Share]:
        """Store the portrait as it is now, for ``days`` (one of ``share.DAYS``, or the page's own); the share comes last, after what is to
        be shown while an edited head is filmed. Nothing comes without a portrait.

        Raises:
            RequestError: another number of days.
        """
        portrait, folder = self.with_edits(portrait_id, strengths), self.folder_of(portrait_id)
        if portrait is None or folder is None:
            return
        film = folder / "orbit.mp4"
        if portrait is not self.portrait(portrait_id) or not film.is_file():
            for shown in self._film(session, portrait_id, orbit_frames(portrait, FRAMES), "orbit.mp4"):
                yield shown
            if not shown.video:
                return
            film = Path(shown.video)
        yield self.shares.add(portrait, film, days)

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

    def forget_lost(self) -> None:
        """Forget visitors whose connection broke and who did not come back."""
        for session in self.store.lost():
            self.forget(session)

    def keep_clean(self) -> None:
        """Delete what is left alone, idle or expired, for ever: for a thread of its own. Faults are logged."""
        for look in itertools.count(1):
            time.sleep(LOOK_EVERY)
            try:
                self.forget_lost()
                if look % (SWEEP_EVERY // LOOK_EVERY) == 0:
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


def _refused(error: SymganError) -> Shown:
    """An error's line."""
    said = without_paths(str(error))
    return Shown(message(said, "error"), failed=said)


def _there(folder: Path, name: str) -> str | None:
    """The path of a file of ``folder``, if it is there."""
    return str(folder / name) if (folder / name).is_file() else None


def _which(faces: list[Face], number: int) -> str:
    """Which of several faces it is."""
    return texts.FACES_FOUND.format(count=len(faces), number=number + 1) if len(faces) > 1 else ""
