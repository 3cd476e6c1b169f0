"""The page for everybody: axe-core, names, visible focus, a layout that stands still and fits every width, in light and dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from .driving import at, both_sizes, open_group, upload

WIDTHS = [(320, 700), (390, 844), (768, 1024), (1024, 768), (1440, 900), (1920, 1080)]
slow = pytest.mark.slow
themes = pytest.mark.parametrize("page", [(1440, 900, "light"), pytest.param((1440, 900, "dark"), marks=slow)], indirect=True)
looks = pytest.mark.parametrize("page", [
    (1440, 900, "light"), (390, 844, "dark"), pytest.param((1440, 900, "dark"), marks=slow),
    pytest.param((390, 844, "light"), marks=slow)], indirect=True)

SHIFTS = """new Promise(done => {
  if (!PerformanceObserver.supportedEntryTypes.includes('layout-shift')) return done(NaN);
  let sum = 0;
  new PerformanceObserver(list => list.getEntries().forEach(e => { if (!e.hadRecentInput) sum += e.value; }))
    .observe({ type: 'layout-shift', buffered: true });
  setTimeout(() => done(sum), 500);
})"""

FOCUS = """() => {
  const look = node => { const s = getComputedStyle(node); return { line: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 1
    ? s.outlineStyle + s.outlineWidth + s.outlineColor : '', shade: s.boxShadow }; };
  const now = document.activeElement, last = window.lastFocus, hidden = [];
  if (last) {
    const then = last.look, plain = look(last.node);
    if ((!then.line || then.line === plain.line) && (then.shade === 'none' || then.shade === plain.shade)) hidden.push(last.html);
  }
  const html = now.outerHTML.slice(0, 200);
  window.lastFocus = now === document.body ? null : { node: now, look: look(now), html };
  const first = now.dataset.met;
  if (now !== document.body) now.dataset.met = 1;
  const id = now.closest('[id]')?.id;
  return { end: Boolean(first), html, id, tag: now.tagName, kind: now.type || '', hidden };
}"""

COVERED = """nodes => nodes.filter(node => {
  if (!node.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
  node.scrollIntoView({ block: 'center', behavior: 'instant' });
  const box = node.getBoundingClientRect(), hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return !(hit && (node.contains(hit) || hit.contains(node)));
}).map(node => node.outerHTML.slice(0, 200))"""

OVER_THE_HEAD = """async () => {
  const canvas = document.querySelector('.sv-canvas'), over = [], bottom = document.documentElement.scrollHeight;
  for (let top = 0; top < bottom; top += 120) {
    window.scrollTo({ top, behavior: 'instant' });
    await new Promise(requestAnimationFrame);
    const box = canvas.getBoundingClientRect();
    for (const x of [.12, .37, .62, .87]) for (const y of [.1, .3, .5, .7, .9]) {
      const hit = document.elementFromPoint(box.x + x * box.width, box.y + y * box.height);
      if (hit && hit !== canvas && !hit.contains(canvas)) over.push(`${top}: ${hit.outerHTML.slice(0, 160)}`);
    }
  }
  return over;
}"""


def findings(page, state: str) -> list[str]:
    """What axe-core finds critical or serious, with the elements."""
    page.wait_for_timeout(400)  # colours that change slowly
    return [f"{state}: {found['id']}: {node['html'][:300]} {node['failureSummary']}" for found in Axe().run(page).response["violations"]
            if found["impact"] in ("critical", "serious") for node in found["nodes"]]


def open_all(page) -> None:
    """Open what can be opened."""
    for button in reversed(page.locator(".gr-accordion > button:not(.open)").all()):
        button.click()


@looks
def test_axe_finds_nothing_serious(page, astronaut, tmp_path) -> None:
    assert page.evaluate("document.body.classList.contains('dark')") == page.url.endswith("dark")
    found = findings(page, "start")
    page.locator("#gallery button").nth(2).click()
    page.locator("#status .sg-done").wait_for(timeout=30_000)
    page.click("#share")
    page.wait_for_selector("#link textarea, #link input", timeout=120_000)
    open_all(page)
    page.locator("#files a").first.wait_for(timeout=10_000)
    page.locator("#photo").scroll_into_view_if_needed()  # the picture to check is loaded where it can be seen
    upload(page, astronaut, tmp_path)
    page.click("#expression-smile")
    at(page, "edit-smile", 2)
    found += findings(page, "result")
    page.click("#preset input")
    found += findings(page, "list")
    page.keyboard.press("Escape")
    path = tmp_path / "photo.png"
    path.write_text("this is no picture")
    page.locator("#photo button[aria-label*=emove], #photo button[aria-label*=lear]").first.click()
    page.set_input_files("#photo input[type=file]", str(path))
    page.locator("#status .sg-error").wait_for(timeout=60_000)
    found += findings(page, "error")
    assert not found, "\n".join(found)


def test_pictures_buttons_and_the_head_have_names(page, astronaut, tmp_path) -> None:
    upload(page, astronaut, tmp_path)
    titles = page.locator("#gallery .caption-label").all_inner_texts()
    assert len(set(titles)) >= 8
    assert [page.get_by_role("button", name=title, exact=True).count() for title in titles] == [1] * len(titles)
    pictures = page.evaluate("[...document.querySelectorAll('img')].filter(i => i.checkVisibility()).map(i => [i.src, i.alt.trim()])")
    assert len(pictures) >= 10 and not [source for source, alt in pictures if not alt]
    assert page.locator("#check img").get_attribute("alt") != page.locator("#photo img").get_attribute("alt")
    assert page.locator(".sv-canvas").get_attribute("aria-label")
    options = page.locator("#options > button")
    assert options.get_attribute("aria-expanded") == "false"
    options.click()
    page.wait_for_selector("#options > button[aria-expanded=true]", timeout=5000)


@themes
def test_where_the_keyboard_is_can_be_seen(page) -> None:
    assert page.evaluate("document.body.classList.contains('dark')") == page.url.endswith("dark")
    for group in ("shape", "hair", "colour-and-light"):
        open_group(page, group)
    for element in ("options", "downloads", "my-links"):
        page.locator(f"#{element} > button").click()
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    page.mouse.move(1, 1)
    met, hidden = [], []
    for _ in range(400):
        page.keyboard.press("Tab")
        seen = page.evaluate(FOCUS)
        hidden += seen["hidden"]
        if seen["end"]:
            break
        met.append(seen)
    assert not hidden, "\n".join(hidden)
    assert {"CANVAS", "BUTTON", "INPUT", "A"} <= {seen["tag"] for seen in met}
    assert sum(seen["kind"] == "range" for seen in met) > 20
    assert sum("thumbnail-item" in seen["html"] for seen in met) >= 8
    assert {"go", "share", "preset", "background", "options", "downloads"} <= {seen["id"] for seen in met}


@both_sizes
def test_nothing_jumps_while_the_page_comes_up(page) -> None:
    page.wait_for_timeout(5000)
    assert page.evaluate(SHIFTS) <= 0.1


def test_every_width_fits(page) -> None:
    """No sideways scroll, nothing lies on anything else; the gallery is above the fold; head and sliders together on a phone."""
    bottoms = page.evaluate("[...document.querySelectorAll('#gallery img')].map(image => image.getBoundingClientRect().bottom)")
    assert len(bottoms) >= 8 and max(bottoms) < 900
    open_all(page)
    for width, height in WIDTHS:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".sg-main button, .sg-main input, .sg-main a, .sg-main canvas").evaluate_all(COVERED) == [], width
        assert page.evaluate(OVER_THE_HEAD) == [], width
        page.evaluate("window.scrollTo({ top: 0, behavior: 'instant' })")
        page.locator("#edit-brow_raise input[type=range]").evaluate("node => node.scrollIntoView({ block: 'center' })")
        head, slider = page.locator(".sv-canvas").bounding_box(), page.locator("#edit-brow_raise input[type=range]").bounding_box()
        assert head["y"] >= -1 and head["y"] + head["height"] <= height, width
        assert slider["y"] >= 0 and slider["y"] + slider["height"] <= height, width
