"""The page's workshop without a browser: what a click gets, also when things go wrong."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from demo import build, handlers, making, texts, work
from demo.edits import edit_block
from demo.handlers import KEPT, LOOK_EVERY, TRIM_EVERY, Studio
from demo.looking import Look
from demo.making import Wanted
from demo.page import Page
from symgan_core.errors import SymganError
from symgan_core.inversion import METHODS, PhotoRequest
from symgan_core.portrait.editing import DIRECTIONS, PRESETS, Direction

from .serving import studio_in


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Studio:
    return studio_in(tmp_path_factory.mktemp("studio"))


def seen(studio: Studio, portrait_id: str, yaw: float, background: str, strengths: dict[str, float]) -> np.ndarray:
    return studio.view("s", portrait_id, Look((yaw, 0), background, strengths))


def test_an_example_opens_with_video_and_view(studio: Studio) -> None:
    shown = studio.open_example(0, "s")
    assert Path(shown.video).is_file() and studio.portrait(shown.portrait_id)
    assert studio.open_example_named("noor", "s").portrait_id == "example:noor" and studio.open_example_named("..", "s") is None
    zeros = {d.name: 0 for d in studio.directions}
    front, side = seen(studio, shown.portrait_id, 0, "white", zeros), seen(studio, shown.portrait_id, 40, "white", zeros)
    assert front.shape == (512, 512, 3) and np.abs(front.astype(int) - side).mean() > 5
    wider = seen(studio, shown.portrait_id, 0, "white", zeros | {"face_width": 2.0})
    assert np.abs(front.astype(int) - wider).mean() > 1
    assert np.array_equal(seen(studio, shown.portrait_id, 0, "white", zeros), front)
    dark = seen(studio, shown.portrait_id, 0, "#1f2430", zeros)
    assert dark[2, 2].tolist() == pytest.approx([31, 36, 48], abs=2) and np.abs(dark[256, 256].astype(int) - front[256, 256]).max() < 3
    assert np.array_equal(seen(studio, shown.portrait_id, 0, "blurred", zeros), front)  # examples have no photo


def test_files_are_made_as_the_head_stands_there(studio: Studio) -> None:
    number = studio.open_example(0, "s").portrait_id
    *_, last = studio.export("s", number, Wanted("png", 128, "transparent", (20.0, 5.0)), {"smile": 1.0})
    with Image.open(last.files[0]) as picture:
        assert picture.size == (128, 128) and picture.mode == "RGBA"
    assert [Path(path).name for path in last.files] == ["head.png", "orbit.mp4", "portrait.safetensors", "report.json"]
    refused = ((("mp4", 512, "transparent"), "transparent"), (("exe", 512, "white"), "no kind"), (("png", 9999, "white"), "range"))
    for wanted, said in refused:
        *_, last = studio.export("s", number, Wanted(*wanted), {})
        assert said in last.failed and last.files is None
    *_, last = studio.export("s", "gone", Wanted("png", 128), {})
    assert last.failed == texts.ENGLISH.EXPIRED


def test_who_waits_is_told_his_place_and_may_stop(studio: Studio, astronaut, tmp_path) -> None:
    Image.fromarray(astronaut).save(tmp_path / "photo.png")
    with studio.line.stand(90.0):
        waiting = studio.invert(str(tmp_path / "photo.png"), "fast", PhotoRequest(), "later")
        first = next(waiting).status
        assert "place 1 " in first and "about 90 s left" in first
        studio.stop("later")
        rest = list(waiting)
        assert len(rest) == 1 and texts.ENGLISH.STOPPED_WAITING in rest[0].status and len(studio.line) == 1
    assert len(studio.line) == 0


def test_warming_up_goes_as_far_as_the_first_step(studio: Studio, monkeypatch, caplog) -> None:
    """So far that a first photo meets nothing new: faces, a guess, an optimiser. Nothing is kept of it, and a fault stops nobody."""
    met, start = [], handlers.start_inversion

    def noting(*args):
        for event in start(*args):
            met.append(event.stage)
            yield event

    monkeypatch.setattr(handlers, "start_inversion", noting)
    studio.warm_up()
    assert met == ["guess", "guess", "pivot"] and not caplog.records
    monkeypatch.setattr(handlers, "start_inversion", lambda *args: 1 / 0)
    studio.warm_up()
    assert "warming up failed" in caplog.text


def test_what_is_gone_is_said(studio: Studio) -> None:
    assert studio.view("s", "gone") is None and not list(studio.share("s", "gone", {}, 7))
    assert studio.portrait("gone") is None and studio.portrait(None) is None and studio.folder_of("gone") is None
    for film in (studio.refilm, studio.film_expression):
        assert texts.ENGLISH.EXPIRED in list(film("s", "gone", "white", {"smile": 1.0}))[-1].status
    assert not any(studio.strengths("gone").values()) and not any(studio.strengths(None).values())


def test_a_share_opens_after_a_restart(studio: Studio) -> None:
    made, = studio.share("s", studio.open_example(1, "s").portrait_id, {"smile": 0}, 1)
    again = Studio(studio.settings)
    shown = again.open_share(made.id, "other")
    assert made.days == 1 and Path(shown.video).is_file() and seen(again, shown.portrait_id, 10, "white", {}).any()
    assert not (again.folder_of(shown.portrait_id) / "share.json").exists()  # it holds the token
    assert again.open_share("A" * 22, "other") is None
    assert not again.delete_link(made.id, "wrong") and again.delete_link(made.id, made.token) and again.open_share(made.id, "s") is None


def test_two_studios_with_one_address_have_the_same_links(studio: Studio, tmp_path, monkeypatch) -> None:
    shares = f"memory://{tmp_path.name}/shares"
    one, other = (studio_in(tmp_path / name, shares=shares) for name in ("one", "other"))
    made, = one.share("s", one.open_example(1, "s").portrait_id, {"smile": 0}, 1)
    shown = other.open_share(made.id, "t")
    assert Path(shown.video).is_relative_to(tmp_path / "other" / "work") and other.portrait(shown.portrait_id)
    assert not list((tmp_path / "one" / "work").glob("tmp*"))  # nothing stays of what was on its way
    monkeypatch.setattr(other.shares.shelf, "copy", lambda *args: (_ for _ in ()).throw(SymganError("Away.")))
    assert other.open_share(made.id, "t").failed == "Away."
    assert other.delete_link(made.id, made.token) and one.open_share(made.id, "s") is None
    monkeypatch.setattr(one.shares.shelf, "new", lambda *args: (_ for _ in ()).throw(SymganError("Away.")))
    last = list(one.share("s", one.open_example(1, "s").portrait_id, {"smile": 0}, 1))[-1]
    assert last.failed == "Away."


def test_a_share_of_an_edited_head_opens_with_its_sliders(studio: Studio, monkeypatch) -> None:
    monkeypatch.setattr(making, "orbit_frames", lambda portrait, count: [portrait.edits])
    for name in ("write_video", "write_strip"):
        monkeypatch.setattr(work, name, write_video)
    plain, edits = studio.open_example(0, "s").portrait_id, {"smile": 1.5, "face_width": -1.0}
    zeros = studio.strengths(plain)
    assert list(zeros) == [d.name for d in DIRECTIONS] and not any(zeros.values())
    shown = studio.open_share(list(studio.share("s", plain, zeros | edits))[-1].id, "s")
    assert Path(shown.strip).is_file() and Path(shown.coarse).is_file()
    assert studio.strengths(shown.portrait_id) == zeros | edits
    views = {name: seen(studio, shown.portrait_id, 0, "white", zeros | sliders).astype(int) for name, sliders in (
        ("shared", edits), ("undone", {}), ("more", edits | {"mouth_open": 1.0}))}
    for name, strengths in (("shared", edits), ("undone", {}), ("more", edits | {"mouth_open": 1.0})):
        apart = views[name].astype(int) - seen(studio, plain, 0, "white", zeros | strengths)
        assert np.abs(apart).mean() < 0.3, name  # pictures are encoded once more
    # Sliders that were not moved: its own video does. Others: a new one.
    same, other = (studio.settings.sharing.shares / list(studio.share("s", shown.portrait_id, zeros | sliders))[-1].id
                   for sliders in (edits, {}))
    assert (same / "orbit.mp4").read_text() == "[{'smile': 1.5, 'face_width': -1.0}]" and (other / "orbit.mp4").read_text() == "[{}]"


def write_video(pictures, path: Path, side: int | None = None) -> Path:
    path.write_text(str(pictures))
    return path


def test_an_expression_is_filmed_over_the_other_edits(studio: Studio, monkeypatch) -> None:
    asked = []

    def frames(portrait, strengths, count, background):
        asked.append((portrait.edits, {name: s for name, s in strengths.items() if s}, background))
        return iter([f"frame {i}" for i in range(count)])

    monkeypatch.setattr(making, "expression_frames", frames)
    monkeypatch.setattr(work, "write_video", write_video)
    number = studio.open_example(0, "s").portrait_id
    *_, before, last = studio.film_expression("s", number, "#1f2430", studio.strengths(number) | {"age": 1.0, "smile": 2.0, "wink": -1.0})
    assert asked == [({"age": 1.0}, {"smile": 2.0, "wink": -1.0}, "#1f2430")] and "width:100" in before.status
    assert Path(last.video).read_text().count("frame") == 72 and "sg-done" in last.status
    assert last.files[0] == last.video and len(last.files) == 4
    nothing = list(studio.film_expression("s", number, "white", {"age": 1.0}))
    assert len(nothing) == 1 and texts.ENGLISH.NO_EXPRESSION in nothing[0].status and nothing[0].video is None
    # Directions of another generator are in no group: all of them are filmed.
    monkeypatch.setattr(studio, "directions", tuple(replace(d, group="") for d in DIRECTIONS))
    list(studio.film_expression("s", number, "white", {"age": 1.0}))
    assert asked[1:] == [({}, {"age": 1.0}, "white")]


def test_sliders_stand_in_groups_with_buttons_that_set_some_of_them(studio: Studio) -> None:
    assert texts.EXPRESSIONS.keys() == PRESETS.keys()
    with gr.Blocks():
        block = edit_block(studio.directions)
    assert list(block.sliders) == [d.name for d in DIRECTIONS]
    assert [(s.minimum, s.maximum, s.value) for s in block.sliders.values()] == [(-d.limit, d.limit, 0) for d in DIRECTIONS]
    said = {s.button.value: s.strengths for s in block.setters}
    resets = [texts.RESETS[key] for key in ("expression", "shape", "hair", "colour-and-light")]
    assert list(said) == [*texts.EXPRESSIONS.values(), *resets]
    assert block.sliders["jaw"].label == texts.DIRECTIONS["jaw"]["label"] and block.sliders["jaw"].info == texts.DIRECTIONS["jaw"]["hint"]
    expression = {d.name: 0 for d in DIRECTIONS if d.group == "Expression"}
    assert said[resets[0]] == said[texts.EXPRESSIONS["neutral"]] == expression
    surprise = said[texts.EXPRESSIONS["surprise"]]
    assert surprise == expression | PRESETS["surprise"] and surprise.keys() == expression.keys()
    values = [float(i) for i in range(len(DIRECTIONS))]
    assert block.named(values) == {d.name: v for d, v in zip(DIRECTIONS, values, strict=True)}
    assert block.at({"jaw": 1.0}) == {block.sliders["jaw"]: 1.0}
    with gr.Blocks():  # of a generator whose directions have no names of their own
        plain = edit_block([Direction(f"component_{i}", f"Component {i}", "", 2.0) for i in range(3)])
    assert [s.button.value for s in plain.setters] == [texts.RESETS["components"]] and len(plain.sliders) == 3


def test_undo_ends_where_the_portrait_was_opened() -> None:
    studio = SimpleNamespace(strengths={"edited": {"smile": 1.0, "age": 0.0}}.get)
    page = SimpleNamespace(studio=studio, past="past", edits=SimpleNamespace(sliders={"smile": "smile", "age": "age"}))
    assert Page.take_back(page, [[1.5, 0.0], [1.5, 2.0]], "edited") == {"past": [[1.5, 0.0]], "smile": 1.5, "age": 0.0}
    assert Page.take_back(page, [[1.5, 0.0]], "edited") == {"past": [], "smile": 1.0, "age": 0.0}


def test_the_page_builds(studio: Studio) -> None:
    assert len(build(studio).fns) > 20


def test_a_photo_is_checked_before_time_is_spent(studio: Studio, astronaut: np.ndarray, tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(astronaut).save(path)
    first = studio.check(str(path), PhotoRequest(0), "s")
    crop = np.array(Image.open(first.crop))
    assert not first.failed and first.boxes is None and crop.shape == (360, 360, 3) and abs(first.pose[0]) < 30
    monkeypatch.setattr(studio.provider, "find", lambda photo: 1 / 0)  # what was found is remembered
    turned = studio.check(str(path), PhotoRequest(0, 40.0, 5.0, roll=10.0), "s")
    assert turned.pose == (40, 5) and np.abs(np.array(Image.open(turned.crop)).astype(int) - crop).mean() > 5
    assert studio.check(str(path), PhotoRequest(0, 100.0, 0.0), "s").failed
    gone = studio.check(str(tmp_path / "none.png"), PhotoRequest(0), "s")
    assert gone.failed and texts.ENGLISH.PHOTO_GONE in gone.status and "/" not in gone.status.replace("</", "")


@pytest.mark.parametrize("kind", ["none", "text", "nobody"])
def test_bad_photos_end_in_one_line(studio: Studio, kind: str, tmp_path) -> None:
    path = tmp_path / "photo.png"
    if kind == "text":
        path.write_text("hello")
    if kind == "nobody":
        Image.new("RGB", (200, 200), (10, 200, 90)).save(path)
    last = list(studio.invert(None if kind == "none" else str(path), "fast", PhotoRequest(0), "s"))[-1]
    assert last.failed and "\n" not in last.failed and "sg-error" in last.status and "s" not in studio.stops


def test_a_fault_of_ours_shows_no_traceback(studio: Studio, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(studio.provider, "find", lambda photo: 1 / 0)
    Image.new("RGB", (200, 200)).save(tmp_path / "p.png")
    last = list(studio.invert(str(tmp_path / "p.png"), "fast", PhotoRequest(0), "s"))[-1]
    assert "our side" in last.failed and "Zero" not in last.status


def test_a_stop_that_is_faster_than_its_run_is_not_lost(studio: Studio, astronaut, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(work, "FRAMES", 8)
    Image.fromarray(astronaut).save(tmp_path / "photo.png")
    studio.stop("fast")
    stopped = list(studio.invert(str(tmp_path / "photo.png"), "fast", PhotoRequest(), "fast"))[-1]
    assert "Stopped" in stopped.status and not studio.early_stops
    studio.stop("fast")
    studio.forget("fast")
    assert not studio.early_stops  # and does not stop the next


def test_stopping_nobody_is_harmless(studio: Studio) -> None:
    studio.stop("unknown")
    assert "spi" in METHODS


@pytest.mark.parametrize(("held", "given"), [(KEPT + 1, 2), (KEPT - 1, 0)])
def test_a_busy_page_gives_back_memory_that_it_does_not_use(studio: Studio, monkeypatch, held: int, given: int) -> None:
    looks, trims = iter(range(2 * TRIM_EVERY // LOOK_EVERY)), []

    def sleep(seconds: float) -> None:
        if next(looks, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(handlers, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(handlers, "resident", lambda processes: held)
    monkeypatch.setattr(handlers, "give_back_memory", lambda: trims.append(True))
    with studio.line.stand(60), pytest.raises(KeyboardInterrupt):
        studio.keep_clean()
    assert len(trims) == given
