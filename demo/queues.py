"""How events are queued. Each kind of work has a queue of its own, so that none of them waits for another kind: what only looks something
up, such as a click in the gallery; drafts of an edited head; full pictures; a look at a photo; and what nobody has asked for yet, which is
left out while many wait. What optimises or films begins at once and takes its place in the line of ``line.py``, which tells who waits how
long it is."""

from __future__ import annotations

MOST_EVENTS = 400
"""Events that may wait, of all visitors: a bound on what somebody can fill the memory with. A page has a handful at most."""


def _queue(name: str, limit: int | None) -> dict[str, str | int | None]:
    return {"concurrency_id": name, "concurrency_limit": limit}


HEAVY_QUEUE, LIGHT_QUEUE = _queue("heavy", None), _queue("light", 4)
_OWN = {"show_progress": "hidden", "api_visibility": "private"}
"""Events of the page itself, which no program may call."""
_LAST = {"trigger_mode": "always_last"}
"""Where only the last of many counts."""
HEAVY, LIGHT, QUICK, PHOTOS = HEAVY_QUEUE | _OWN, LIGHT_QUEUE | _OWN, _queue("quick", 4) | _OWN, _queue("photos", 1) | _OWN
DRAFTS, FULL, SPARE = LIGHT | _LAST, _queue("full", 1) | _OWN | _LAST, _queue("spare", 1) | _OWN | _LAST
