"""How events are queued: what optimises or films one at a time, what draws a picture two at a time."""

from __future__ import annotations

HEAVY_QUEUE = {"concurrency_id": "heavy", "concurrency_limit": 1}
LIGHT_QUEUE = {"concurrency_id": "light", "concurrency_limit": 2}
_OWN = {"show_progress": "hidden", "api_visibility": "private"}
HEAVY, LIGHT = HEAVY_QUEUE | _OWN, LIGHT_QUEUE | _OWN
"""Events of the page itself, which no program may call."""
ALWAYS = LIGHT | {"trigger_mode": "always_last"}
"""Where only the last of many counts."""
