"""The heavy work of the page, one at a time: photo to head, films, files, links."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from symgan_core.errors import SymganError
from symgan_core.export import expression_frames, orbit_frames
from symgan_core.inversion import PhotoRequest
from symgan_core.portrait.editing.directions import EXPRESSION

from .exports import check_export, export_into
from .line import Line, Place
from .looking import Looking, fitting
from .metrics import Metrics
from .pace import Pace, Run, stages_of
from .photos import PhotoDesk
from .share import Share, ShareStore
from .shown import Shown, bar, message, refused, time_left, waiting, which_face
from .store import VisitorLeft
from .texts import ENGLISH, Texts
from .work import FRAMES, film_into, reported

log = logging.getLogger("symgan.demo")
EARLY = 5.0
"""Seconds for which a stop waits for its run to begin."""
EXPRESSION_FRAMES = 72
DOWNLOADS = ("orbit.mp4", "portrait.safetensors", "report.json")
"""Files of a result that a visitor may take."""


@dataclass(frozen=True)
class Wanted:
    """A file that a visitor asks for: its ``kind`` (``exports.KINDS``), ``size`` in pixels, background, and the pose of a picture, yaw and
    pitch in degrees."""

    kind: str
    size: int
    background: str = "white"
    pose: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class _Job:
    """A run: whose it is, in which language he is spoken to, what stops it, and its place in the line."""

    session: str
    said: Texts
    stop: threading.Event
    place: Place


class Making(Looking):
    """The part of the studio that makes. ``session`` is the visitor's, ``said`` his language.

    What each method yields is shown as it comes; an error ends it with its one line. It just ends if the visitor leaves.
    """

    photos: PhotoDesk
    shares: ShareStore
    line: Line
    pace: Pace
    metrics: Metrics
    stops: dict[str, threading.Event]
    early_stops: dict[str, float]

    def invert(self, photo: str | None, preset: str, request: PhotoRequest, session: str, said: Texts = ENGLISH) -> Iterator[Shown]:
        """Photo to portrait, a picture every few steps."""
        stop = self.stops[session] = threading.Event()
        early = time.monotonic() - self.early_stops.pop(session, -math.inf) < EARLY
        try:
            with self.line.stand(self.pace.seconds(stages_of(preset))) as place:
                yield from _until_turn(place, said, stop.is_set)
                if stop.is_set():
                    yield Shown(message(said.STOPPED_WAITING))
                else:
                    if early:
                        stop.set()
                    with self.metrics.run() as outcome:
                        yield from self._invert(photo, preset, request, _Job(session, said, stop, place))
                        outcome.name = "stopped" if stop.is_set() else "done"
        except VisitorLeft:
            log.info("a visitor left while his photo was worked on")
        except SymganError as error:
            yield refused(error, said)
        except Exception:
            log.exception("inversion failed")
            yield Shown(message(said.BROKEN, "error"), failed=said.BROKEN)
        finally:
            self.stops.pop(session, None)

    def _invert(self, photo: str | None, preset: str, request: PhotoRequest, job: _Job) -> Iterator[Shown]:
        run, said = Run(self.pace, stages_of(preset)), job.said

        def bar_at(stage: str, step: int, total: int) -> str:
            """One bar for the whole run, with the time that is left, which those who wait are told too."""
            share, job.place.left = run.at(stage, step, total)
            return bar(said.LOOKING if stage == "look" else said.STAGES[stage], share, time_left(job.place.left, said))

        yield Shown(bar_at("look", 0, 1))
        shares, skipped = {}, 0
        with self.store.new_folder(job.session) as folder:
            own = self.store.own_photo(job.session, photo)
            (_, faces), (number, crop) = self.photos.faces(own), self.photos.crop(own, request)
            self.store.expect(folder)
            yield Shown(bar_at("look", 1, 1))
            for done in self.room.invert(folder, crop, preset, request, job.stop.is_set):
                self.store.expect(folder)
                if done.stage == "done":
                    shares, skipped = done.origins, done.skipped
                else:
                    yield Shown(bar_at(done.stage, done.step, done.total), preview=done.preview)
            run.end()
            portrait_id = self.store.keep(job.session, folder)
        text = (said.STOPPED if job.stop.is_set() else said.DONE).format(seconds=time.monotonic() - run.begun)
        left_out = said.SKIPPED.format(steps=skipped) if skipped else ""
        notes = (text, left_out, which_face(faces, number, said), said.ORIGINS.format(**shares))
        yield self._opened(" ".join(note for note in notes if note), portrait_id, said)

    def stop(self, session: str) -> None:
        """Ask a running inversion to end at its next step, or one that is about to begin: a click may arrive before its run does."""
        if flag := self.stops.get(session):
            flag.set()
        else:
            now = time.monotonic()
            recent = {other: at for other, at in self.early_stops.copy().items() if now - at < EARLY}
            self.early_stops = recent | {session: now}

    def refilm(self, session: str, portrait_id: str | None, background: str, strengths: Mapping[str, float],
               said: Texts = ENGLISH) -> Iterator[Shown]:
        """A new video with the edits of the sliders."""
        portrait = self.with_edits(portrait_id, strengths)
        if portrait is None:
            yield Shown(message(said.EXPIRED, "error"), failed=said.EXPIRED)
            return
        yield from self._film(session, portrait_id, orbit_frames(portrait, FRAMES, fitting(portrait, background)), "orbit.mp4", said=said)

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
        yield from self._film(session, portrait_id, pictures, "expression.mp4", EXPRESSION_FRAMES, said)

    def _film(self, session: str, portrait_id: str | None, pictures: Iterable[np.ndarray], name: str, total: int = FRAMES,
              said: Texts = ENGLISH) -> Iterator[Shown]:
        def work(folder: Path, place: Place) -> Iterator[Shown]:
            for done in reported(self.room.computing.steps(film_into(folder, pictures, name))):
                self.store.expect(folder)
                place.left = self.pace.seconds({"video": total - done.step})
                yield Shown(bar(said.STAGES["video"], done.step / total, time_left(place.left, said)))

        folder = yield from self._in_turn(session, total, said, work)
        if folder is None:
            return
        yield Shown(message(said.FILMED, "done"), video=_there(folder, name), files=self._files(portrait_id, folder / name),
                    strip=_there(folder, "strip.webp"), coarse=_there(folder, "coarse.webp"))

    def export(self, session: str, portrait_id: str | None, wanted: Wanted, strengths: Mapping[str, float],
               said: Texts = ENGLISH) -> Iterator[Shown]:
        """A head as a file, with the edits of the sliders (``exports.export_into``)."""
        portrait = self.with_edits(portrait_id, strengths)
        if portrait is None:
            told = said.EXPIRED if portrait_id else said.NOTHING_TO_SHARE
            yield Shown(message(told, "error"), failed=told)
            return

        def work(folder: Path, place: Place) -> Iterator[Shown]:
            yield Shown(bar(said.EXPORTING, 0))
            background = fitting(portrait, wanted.background)
            for done in export_into(folder, portrait, self.room, wanted.kind, wanted.size, background, wanted.pose):
                yield Shown(bar(said.EXPORTING, done.step / done.total))

        try:
            check_export(wanted.kind, wanted.size, wanted.background)
        except SymganError as error:
            yield refused(error, said)
            return
        folder = yield from self._in_turn(session, FRAMES, said, work)
        if folder is not None:
            yield Shown(message(said.FILE_READY, "done"), files=self._files(portrait_id, folder / f"head.{wanted.kind}"))

    def _in_turn(self, session: str, frames: int, said: Texts, work: Callable[[Path, Place], Iterator[Shown]],
                 ) -> Generator[Shown, None, Path | None]:
        """Work of about so many frames in a new folder of the visitor, when it is its turn; returns the folder, or None if he has left or
        the work was refused."""
        try:
            with self.line.stand(self.pace.seconds({"video": frames})) as place, self.store.new_folder(session) as folder:
                yield from _until_turn(place, said)
                yield from work(folder, place)
        except VisitorLeft:
            return None
        except SymganError as error:
            yield refused(error, said)
            return None
        return folder

    def share(self, session: str, portrait_id: str | None, strengths: Mapping[str, float], days: int | None = None,
              said: Texts = ENGLISH) -> Iterator[Shown | Share]:
        """Store the portrait as it is now, for ``days`` (one of ``share.DAYS``, or the page's own); the share comes last, after what is to
        be shown while an edited head is filmed, or what was refused. Nothing comes without a portrait.
        """
        portrait, folder = self.with_edits(portrait_id, strengths), self.store.folder_of(portrait_id)
        if portrait is None or folder is None:
            return
        film = folder / "orbit.mp4"
        if portrait is not self.portrait(portrait_id) or not film.is_file():
            shown = None
            for shown in self._film(session, portrait_id, orbit_frames(portrait, FRAMES), "orbit.mp4", said=said):
                yield shown
            if shown is None or not shown.video:
                return
            film = Path(shown.video)
        try:
            yield self.shares.add(portrait, film, days, self.room.computing.call)
        except VisitorLeft:  # the page closes
            return
        except SymganError as error:
            yield refused(error, said)

    def _opened(self, text: str, portrait_id: str, said: Texts, offered: bool = True) -> Shown:
        """A finished head; ``offered``: its files may be taken."""
        folder = self.store.folder_of(portrait_id)
        if folder is None:
            return Shown(message(said.EXPIRED, "error"), failed=said.EXPIRED)
        return Shown(message(text, "done") if text else "", video=_there(folder, "orbit.mp4"), portrait_id=portrait_id,
                     files=self._files(portrait_id) if offered else None, strip=_there(folder, "strip.webp"),
                     coarse=_there(folder, "coarse.webp"))

    def _files(self, portrait_id: str | None, *new: Path) -> list[str]:
        """What can be downloaded: ``new`` files first, then those of a portrait."""
        folder = self.store.folder_of(portrait_id)
        own = [folder / name for name in DOWNLOADS if (folder / name).is_file()] if folder else []
        names = {path.name for path in new}
        return [str(path) for path in (*new, *(path for path in own if path.name not in names))]


def _until_turn(place: Place, said: Texts, stopped: Callable[[], bool] = lambda: False) -> Iterator[Shown]:
    """While others are before a place in the line: its number, and when its turn is; until then, or until a stop."""
    for ahead, seconds in place.wait():
        yield Shown(bar(waiting(ahead, seconds, said), 0))
        if stopped():
            return


def _there(folder: Path, name: str) -> str | None:
    """The path of a file of ``folder``, if it is there."""
    return str(folder / name) if (folder / name).is_file() else None
