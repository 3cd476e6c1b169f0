"""Fingers, on a phone's screen."""

import pytest

from tests.browser.driving import at_rest, frame, middle, still

phone = pytest.mark.parametrize("page", [(390, 844)], indirect=True)


def swipe(page, across: float, up: float = 0.0, steps: int = 20) -> list[str]:
    """One finger from the middle of the head, so many pixels; the frames that are shown on its way."""
    finger, (x, y), seen = page.context.new_cdp_session(page), middle(page), []
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for number in range(1, steps + 1):
        place = {"x": x + across * number / steps, "y": y - up * number / steps}
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [place]})
        page.wait_for_timeout(20)
        seen.append(frame(page))
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    return seen


@phone
def test_a_swipe_turns_the_head_and_not_the_page(page) -> None:
    shown = at_rest(page)
    asked, scrolled = len(page.asked), page.evaluate("scrollY")
    seen = swipe(page, 120)
    assert len(set(seen)) > 4 and len(page.asked) == asked
    assert page.evaluate("scrollY") == scrolled
    still(page, shown)  # a fresh picture when the finger has left
    assert float(page.locator(".sv-canvas").get_attribute("aria-valuenow")) < -5


@phone
def test_a_finger_can_tilt_the_head(page) -> None:
    shown = at_rest(page)
    swipe(page, 0, up=60)
    assert still(page, shown) != shown
