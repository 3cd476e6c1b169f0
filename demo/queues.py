"""How events are queued: what draws a picture two at a time; what only looks something up, such as a click in the gallery, waits for none
of these; what optimises or films begins at once and takes its place in the line of ``line.py``, which tells who waits how long it is."""

from __future__ import annotations

HEAVY_QUEUE = {"concurrency_id": "heavy", "concurrency_limit": None}
LIGHT_QUEUE = {"concurrency_id": "light", "concurrency_limit": 2}
_OWN = {"show_progress": "hidden", "api_visibility": "private"}
HEAVY, LIGHT = HEAVY_QUEUE | _OWN, LIGHT_QUEUE | _OWN
QUICK = {"concurrency_id": "quick", "concurrency_limit": 4} | _OWN
"""Events of the page itself, which no program may call."""
ALWAYS = LIGHT | {"trigger_mode": "always_last"}
"""Where only the last of many counts."""
