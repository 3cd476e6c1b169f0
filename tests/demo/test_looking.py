"""What is drawn while a visitor looks at a head: modes, drafts, strips, and what is left out while others wait."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from demo.handlers import Studio
from demo.looking import DRAFT_SCALE, MANY, STRIP_YAWS, Look

from .serving import studio_in


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Studio:
    return studio_in(tmp_path_factory.mktemp("studio"))


def test_depth_and_origins_are_views_of_their_own(studio: Studio) -> None:
    number = studio.open_example_named("ada", "s").portrait_id
    colour, depth, origins = (studio.view("s", number, Look((-30, 0), mode=mode)).astype(int) for mode in ("colour", "depth", "origins"))
    assert np.ptp(depth, axis=2).max() < 2 and np.ptp(depth) > 100
    tinted = np.abs(origins - colour).max(2) > 8
    blue, orange = (origins[..., 2] - origins[..., 0] > 40) & tinted, (origins[..., 0] - origins[..., 2] > 60) & tinted
    assert blue.mean() > 0.05 and orange.mean() > 0.005 and tinted.mean() < 0.6


def test_a_draft_shows_the_same_head_with_fewer_pixels(studio: Studio) -> None:
    number, edits = studio.open_example_named("ada", "s").portrait_id, {"smile": 2.0}
    full, plain = (studio.view("s", number, Look((20, 0), strengths=strengths)) for strengths in (edits, {}))
    draft = studio.view("s", number, Look((20, 0), strengths=edits, scale=DRAFT_SCALE))
    assert draft.shape == (128, 128, 3)
    small = np.asarray(Image.fromarray(full).resize((128, 128), Image.Resampling.BOX)).astype(int)
    other = np.asarray(Image.fromarray(plain).resize((128, 128), Image.Resampling.BOX)).astype(int)
    assert np.abs(draft - small).mean() < 3 and np.abs(draft - small).mean() < np.abs(draft - other).mean()


def test_a_strip_ends_where_another_view_is_asked_for(studio: Studio, monkeypatch) -> None:
    number, drawn, draw = studio.open_example_named("ada", "s").portrait_id, [], studio._drawn

    def asked_meanwhile(session, portrait_id, look, asked):
        drawn.append(look.pose)
        if len(drawn) == 3:
            studio.view(session, portrait_id, Look(scale=DRAFT_SCALE))
        return draw(session, portrait_id, look, asked)

    pictures, yaws = studio.views("s", number, Look(strengths={"smile": 1.0}))
    assert len(pictures) == len(yaws) == len(STRIP_YAWS) and yaws == sorted(yaws)
    monkeypatch.setattr(studio, "_drawn", asked_meanwhile)
    assert studio.views("s", number, Look(strengths={"smile": 1.0})) is None
    assert drawn == [(yaw, 0.0) for yaw in STRIP_YAWS[:3]] + [(0, 0)]


@contextmanager
def busy(studio: Studio) -> Iterator[ThreadPoolExecutor]:
    """While this lasts nothing is computed; what was submitted to the pool is done at its end."""
    begun, free = threading.Event(), threading.Event()
    with ThreadPoolExecutor() as pool:
        pool.submit(studio.room.computing.call, lambda: begun.set() or free.wait(60))
        try:
            assert begun.wait(60)
            yield pool
        finally:
            free.set()


def wait_for(studio: Studio, pieces: int) -> None:
    until = time.monotonic() + 60
    while studio.room.computing.waiting() < pieces and time.monotonic() < until:
        time.sleep(0.01)
    assert studio.room.computing.waiting() == pieces


def test_only_the_last_view_that_a_visitor_asks_for_is_drawn(studio: Studio) -> None:
    number, small = studio.open_example_named("ada", "s").portrait_id, Look(scale=DRAFT_SCALE)
    with busy(studio) as pool:
        views = []
        for session in ("s", "other", "s"):
            views.append(pool.submit(studio.view, session, number, small))
            wait_for(studio, len(views))
    outdated, others, last = (view.result() for view in views)
    assert outdated is None and others.shape == last.shape == (128, 128, 3)


def test_nothing_is_drawn_ahead_while_many_wait(studio: Studio) -> None:
    number = studio.open_example_named("ada", "s").portrait_id
    with busy(studio) as pool:
        waiting = [pool.submit(studio.view, str(n), number, Look(scale=DRAFT_SCALE)) for n in range(MANY)]
        wait_for(studio, MANY)
        assert studio.views("s", number, Look(strengths={"smile": 1.0})) is None
        studio.prepare(number)
        assert studio.room.computing.waiting() == MANY and not any(view.done() for view in waiting)


def test_what_edits_need_is_made_before_the_first(studio: Studio, monkeypatch) -> None:
    number = studio.open_example_named("emil", "s").portrait_id
    studio.prepare(number)
    monkeypatch.setattr("symgan_core.portrait.editing.editor.face_surface", None)  # what takes long, and is kept
    assert studio.view("s", number, Look(strengths={"smile": 1.0}, scale=DRAFT_SCALE)).shape == (128, 128, 3)
    studio.prepare("gone")
