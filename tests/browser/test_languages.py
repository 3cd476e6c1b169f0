"""The page in the language of the browser: what Gradio translates, what handlers say, and what the viewer shows."""

import json

import pytest

from demo import texts

from .driving import Server, turning

SIZES = {"de-DE": (390, 844), "ja-JP": (1440, 900)}


@pytest.mark.parametrize("locale", ["de-DE", pytest.param("ja-JP", marks=pytest.mark.slow)])
def test_all_that_is_said_is_in_the_language_of_the_browser(browser, server: Server, locale: str) -> None:
    width, height = SIZES[locale]
    context = browser.new_context(viewport={"width": width, "height": height}, locale=locale)
    page = context.new_page()
    page.goto(server.url)
    turning(page)
    said = json.loads((texts.FOLDER / f"{locale[:2]}.json").read_text(encoding="utf-8"))
    page.locator("#status", has_text=said["EMPTY"]).wait_for(timeout=30_000)
    page.locator(".prose.sg-footer", has_text=said["FOOTER"].split("[")[0]).wait_for(timeout=30_000)
    assert page.title() == f"symgan: {said['TAGLINE']}" and page.evaluate("document.documentElement.lang") == locale[:2]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.inner_text(".sg-head p") == said["TAGLINE"] and page.inner_text(".sg-privacy").strip() == said["PRIVACY"]
    assert said["DROP"] in page.inner_text("#photo") and page.inner_text(".sv-hint") == said["HINT"]
    for element, key in (("go", "GO"), ("undo", "UNDO"), ("reset-all", "RESET"), ("share", "SHARE"), ("refilm", "NEW_VIDEO")):
        assert page.inner_text(f"#{element}") == said[key]
    assert page.input_value("#preset input") == said["PRESETS"]["fast"] and said["MODES"]["origins"] in page.inner_text("#mode")
    assert page.inner_text("#expression-wink") == said["EXPRESSIONS"]["wink"]
    assert page.inner_text("#reset-expression") == said["RESETS"]["expression"]
    for text in said["DIRECTIONS"]["smile"].values():
        assert text in page.inner_text("#edit-smile")
    assert page.locator(".sv-canvas").get_attribute("aria-label") == said["TURN_BY_KEYS"]
    assert page.locator(".sv-legend").text_content() == "".join(said["LEGEND"].values())
    assert "__i18n__" not in page.inner_text("body")
    page.locator("#gallery button", has_text=said["EXAMPLES"]["noor"]).click()
    page.locator("#status .sg-done", has_text=said["EXAMPLES"]["noor"]).wait_for(timeout=30_000)
    page.click("#go")
    page.locator(".toast-body", has_text=said["NO_PHOTO"]).wait_for(timeout=30_000)
    assert "Error" not in page.inner_text(".toast-body")
    page.goto(server.url + "?r=AAAAAAAAAAAAAAAAAAAAAA")
    page.locator("#status .sg-error", has_text=said["LINK_GONE"]).wait_for(timeout=60_000)
    context.close()


def test_another_language_gets_english_throughout(browser, server: Server) -> None:
    context = browser.new_context(locale="pt-BR")
    page = context.new_page()
    page.goto(server.url)
    turning(page)
    page.locator("#status", has_text=texts.ENGLISH.EMPTY).wait_for(timeout=30_000)
    assert page.inner_text("#go") == texts.ENGLISH.GO and page.evaluate("document.documentElement.lang") == "en"
    context.close()
