"""The page in a real Chromium: a turning head, drag and keys, gallery, sliders, modes, files, and what is left of a photo."""

import pytest

from .driving import (
    Server,
    at,
    at_rest,
    both_sizes,
    draft,
    frame,
    middle,
    none_left,
    open_from_gallery,
    phone_too,
    pictures_in,
    slide,
    still,
    turning,
    upload,
)


@both_sizes
def test_a_head_turns_before_anything_is_clicked(page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("document.querySelector('.sv-canvas').getBoundingClientRect().bottom < window.innerHeight")
    assert page.locator("#gallery button img").count() >= 8
    assert "deleted when you leave" in page.inner_text(".sg-privacy")


@both_sizes
def test_the_head_follows_hand_and_keys_without_the_server(page) -> None:
    at_rest(page)
    x, y = middle(page)
    before, seen = len(page.asked), set()
    page.mouse.move(x, y)
    page.mouse.down()
    for number in range(30):
        page.mouse.move(x + 4 * number, y)
        page.wait_for_timeout(15)
        seen.add(frame(page))
    assert len(seen) > 4 and len(page.asked) == before
    page.mouse.up()
    rested = still(page)  # a fresh picture when the hand rests
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    still(page, rested)
    page.locator(".sv-canvas").dblclick()
    page.wait_for_function("document.querySelector('.sv-canvas').getAttribute('aria-valuenow') === '0'", timeout=10_000)


@phone_too
def test_gallery_opens_at_once_and_sliders_reset_again_and_again(page) -> None:
    open_from_gallery(page, 2)
    shown = at_rest(page)
    for _ in range(3):
        slide(page, "edit-smile", 2)
        shown = still(page, shown)
        page.click("#reset-all")
        at(page, "edit-smile", 0)
        shown = still(page, shown)
    slide(page, "edit-smile", 1)
    first = draft(page, shown)
    shown = still(page, shown)
    assert first != shown  # a small picture at once, and the full one by itself
    page.click("#undo")
    at(page, "edit-smile", 0)


@pytest.mark.slow
def test_two_visitors_reset_ten_times_in_a_row(page, browser, server: Server) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-US")
    other = context.new_page()
    other.goto(server.url)
    turning(other)
    shown = {visitor: at_rest(visitor) for visitor in (page, other)}
    for number in range(10):
        for visitor in shown:
            slide(visitor, "edit-smile", 2 - number / 10)
        shown = {visitor: still(visitor, old) for visitor, old in shown.items()}
        for visitor in shown:
            visitor.click("#reset-all")
        for visitor, old in shown.items():
            at(visitor, "edit-smile", 0)
            shown[visitor] = still(visitor, old)
    context.close()


@phone_too
def test_an_edited_head_can_be_turned_without_the_server(page) -> None:
    shown = at_rest(page)
    page.click("#expression-surprise")
    for name, value in (("brow_raise", 2), ("eye_opening", 2), ("mouth_open", 1.6), ("smile", 0)):
        at(page, f"edit-{name}", value)
    still(page, shown)
    x, y = middle(page)
    page.wait_for_selector(".sv-canvas[data-own=true]", timeout=120_000)  # the strip of the edited head
    page.wait_for_timeout(1500)
    before, seen = len(page.asked), set()
    page.mouse.move(x, y)
    page.mouse.down()
    for number in range(25):
        page.mouse.move(x - 5 * number, y)
        page.wait_for_timeout(15)
        seen.add(frame(page))
    assert len({name for name in seen if name.startswith("data:")}) > 3 and len(page.asked) == before
    page.mouse.up()


def choose(page, element: str, label: str) -> None:
    """Choose from a dropdown."""
    page.locator(f"#{element} input").click()
    page.locator(f"#{element} [role=option]", has_text=label).click()


@phone_too
def test_photo_depth_origins_and_mesh_are_shown(page) -> None:
    shown = at_rest(page)
    page.click("#mode >> text=Photo")
    page.wait_for_selector(".sv-photo:not([hidden])", timeout=30_000)
    page.locator(".sv-canvas").focus()
    page.keyboard.press("ArrowLeft")  # whoever turns the head wants to see it
    page.wait_for_selector(".sv-photo[hidden]", state="attached", timeout=30_000)
    shown = still(page, shown)
    page.wait_for_selector("#mode label.selected:has-text('Head')", timeout=30_000)
    page.click("#mode >> text=Photo")
    page.wait_for_selector(".sv-photo:not([hidden])", timeout=30_000)
    slide(page, "edit-smile", 1)  # and so does whoever edits it
    page.wait_for_selector(".sv-photo[hidden]", state="attached", timeout=30_000)
    shown = still(page, shown)
    page.wait_for_selector("#mode label.selected:has-text('Head')", timeout=30_000)
    page.click("#mode >> text=Depth")
    shown = still(page, shown)
    assert page.locator(".sv-legend").is_hidden()
    page.click("#mode >> text=Origins")
    shown = still(page, shown)
    page.locator(".sv-legend", has_text="Made up").wait_for(timeout=10_000)
    page.click("#mode >> text=Head")
    still(page, shown)
    assert page.locator(".sv-legend").is_hidden()
    page.locator("#downloads > button").click()
    choose(page, "kind", "GLB")
    page.click("#make-file")
    page.wait_for_selector("#mesh canvas", timeout=180_000)
    page.locator("#files", has_text=".glb").wait_for(timeout=30_000)


@phone_too
def test_a_bad_file_is_told_in_a_line_and_loses_nothing(page, tmp_path) -> None:
    path = tmp_path / "photo.png"
    path.write_text("this is no picture")
    page.set_input_files("#photo input[type=file]", str(path))
    page.locator("#status .sg-error", has_text="not a picture").wait_for(timeout=60_000)
    page.click("#go")
    page.locator(".toast-body", has_text="not a picture").wait_for(timeout=60_000)
    page.locator("#go").wait_for(timeout=10_000)
    assert not page.locator("#stop").is_visible()


@phone_too
def test_nothing_of_a_photo_stays_behind(page, server: Server, astronaut, tmp_path) -> None:
    """Deleted by a click, and at the start after a crash; ``test_links`` has who leaves, and ``test_run`` SIGTERM."""
    work = server.folder / "work"
    upload(page, astronaut, tmp_path)
    assert pictures_in(work)
    page.click("#forget")
    page.locator("#status .sg-done", has_text="are deleted").wait_for(timeout=30_000)
    assert none_left(work)
    upload(page, astronaut, tmp_path)
    server.process.kill()
    server.process.wait()
    assert pictures_in(work)
    server.start()
    assert none_left(work)


def test_an_unknown_link_is_told(browser, server: Server) -> None:
    page = browser.new_page()
    page.goto(server.url + "?r=AAAAAAAAAAAAAAAAAAAAAA")
    page.wait_for_selector("#status .sg-error", timeout=60_000)
    assert "does not lead" in page.inner_text("#status")
