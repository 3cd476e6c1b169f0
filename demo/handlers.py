"""What happens at each click: check, call the core, return what to show."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from symgan_core.batch.cluster import Cluster
from symgan_core.errors import SymganError
from symgan_core.faces import crop_hints, draw_check, draw_faces, face_at, load_provider
from symgan_core.generator import load_generator
from symgan_core.inversion import PhotoRequest, Portrait3D, start_inversion
from symgan_core.memory import give_back_memory, resident
from symgan_core.portrait.editing import Direction, list_directions

from .gallery import Example, list_examples
from .line import Line
from .making import Making
from .metrics import Metrics
from .pace import Pace
from .photos import PhotoDesk
from .settings import Settings
from .share import ShareStore
from .shelves import shelf_of
from .shown import Checked, Shown, bar, link_for, message, refused, told, which_face
from .store import EXAMPLE, ResultStore, VisitorLeft
from .texts import ENGLISH, Texts
from .zero import Room

__all__ = ["Checked", "Shown", "Studio", "bar", "link_for", "message"]
log = logging.getLogger("symgan.demo")
LOOK_EVERY, SWEEP_EVERY = 5, 60
"""Seconds between two looks for visitors who are lost, and for all else that has to be deleted."""
KEPT, TRIM_EVERY = 2_500_000_000, 20
"""Bytes from which on freed memory is given back while the page is busy, too, and seconds between two looks at that: with many visitors it
would grow for as long as they stay."""


@dataclass
class Studio(Making):
    """The page's workshop: one generator, the visitors' results, shared ones, and the stop flags of running sessions.

    ``session`` is Gradio's session hash everywhere, or "" where a client has none.
    """

    settings: Settings
    stops: dict[str, threading.Event] = field(default_factory=dict)
    early_stops: dict[str, float] = field(default_factory=dict)
    asked: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        computing, sharing = self.settings.computing, self.settings.sharing
        cluster = Cluster(computing.ray, computing.ray_gpus, "leave SYMGAN_RAY out", "SYMGAN_RAY=local") if computing.ray else None
        self.generator = load_generator(computing.generator, computing.device)
        self.provider = load_provider()
        self.shares = ShareStore(shelf_of(sharing.shares, self.settings.visiting.work), sharing.share_days)
        self.examples: list[Example] = list_examples()
        self.directions: tuple[Direction, ...] = list_directions(self.generator)
        self.room = Room(self.generator, computing.generator, cluster=cluster)
        self.line = Line(self.settings.serving.queue_size, cluster.at_once if cluster else lambda: 1)
        self.metrics = Metrics(self.line.__len__)
        self.pace = Pace(told=self.metrics.stage)
        self.photos = PhotoDesk(self.provider, self.generator, self.room.computing)
        self.store = ResultStore(self.settings.visiting, lambda folder: Portrait3D.load(folder, base=self.generator),
                                 {example.name: example.folder for example in self.examples}, self.photos.forget)

    def warm_up(self) -> None:
        """The first steps with an example's photo: what a process does for the first time takes seconds longer, and so no visitor waits
        for that. A fault is logged and no more."""
        computing = self.room.computing
        try:
            for example in self.examples[:1]:
                _, crop = self.photos.crop(str(example.photo), PhotoRequest(0))
                for event in computing.steps(iter(computing.call(start_inversion, crop, self.generator, "spi", "fast"))):
                    if event.stage == "pivot":
                        break
        except VisitorLeft:
            log.info("the page closes before it is warm")
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

    def check(self, photo: str | None, request: PhotoRequest, session: str, said: Texts = ENGLISH) -> Checked:
        """Which faces there are, and how the chosen one will be cut out and posed. An upload moves into the visitor's folder."""
        try:
            self.store.touch(session)  # before the work: who leaves meanwhile gets no new folder
            own = self.store.own_photo(session, photo)
            (picture, faces), (number, crop) = self.photos.faces(own), self.photos.crop(own, request)
            yaw, pitch = crop.camera.yaw_pitch()
            hints = (said.ADVICE[name].format(value=value) for name, value in crop_hints(crop))
            advice = " ".join([which_face(faces, number, said) or said.FACE_FOUND, *hints])
            boxes = draw_faces(picture, faces, number) if len(faces) > 1 else None
            return Checked(message(advice), self._picture(session, "boxes", boxes), self._picture(session, "check", draw_check(crop)),
                           (round(yaw), round(pitch)))
        except SymganError as error:
            return Checked(message(told(error, said), "error"), failed=True)
        except VisitorLeft:
            return Checked(message(said.PHOTO_GONE, "error"), failed=True)
        except Exception:
            log.exception("checking failed")
            return Checked(message(said.BROKEN, "error"), failed=True)

    # -- opening a finished one -------------------------------------------------------------------------------------

    def open_example(self, index: int, session: str, said: Texts = ENGLISH) -> Shown:
        """The portrait of the gallery with this number, at once."""
        example = self.examples[index]
        self.store.touch(session)
        title = said.EXAMPLES.get(example.name, example.title)
        return self._opened(title, EXAMPLE + example.name, said)

    def open_example_named(self, name: str, session: str, said: Texts = ENGLISH) -> Shown | None:
        """The portrait of the gallery with this name, or None if there is none."""
        names = [example.name for example in self.examples]
        return self.open_example(names.index(name), session, said) if name in names else None

    def open_share(self, share_id: str, session: str, said: Texts = ENGLISH) -> Shown | None:
        """A shared portrait, or None if the link leads nowhere; ``failed`` where shares cannot be reached."""
        try:
            if self.shares.find(share_id) is None:
                return None
            with self.store.new_folder(session) as own:  # the page serves files of visitors alone, and never a share's token
                if not self.shares.copy(share_id, own):  # deleted just now
                    return None
                portrait_id = self.store.keep(session, own)
        except SymganError as error:
            return refused(error, said)
        return self._opened("", portrait_id, said, offered=False)

    # -- looking, editing, sharing ----------------------------------------------------------------------------------

    def folder_of(self, portrait_id: str | None) -> Path | None:
        """The folder of a portrait's files; None if there is none (any more)."""
        return self.store.folder_of(portrait_id)

    def strengths(self, portrait_id: str | None) -> dict[str, float]:
        """Where all sliders begin: at what a portrait is edited by as it was opened; at 0 without one."""
        portrait = self.portrait(portrait_id)
        return {d.name: portrait.edits.get(d.name, 0.0) if portrait else 0.0 for d in self.directions}

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
        self.early_stops.pop(session, None)
        self.asked.pop(session, None)
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
                self.store.work.drop_broken()
                sweeping, trimming = (look % (every // LOOK_EVERY) == 0 for every in (SWEEP_EVERY, TRIM_EVERY))
                if sweeping:
                    self.store.sweep()
                if (sweeping and not len(self.line)) or (trimming and resident([os.getpid()]) > KEPT):
                    give_back_memory()
                if sweeping:
                    self.shares.sweep()  # last, for an address may not answer
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
