"""What the page's process writes to standard error: lines for people, or a JSON object a line. No visitor, no photo and no id is in any."""

from __future__ import annotations

import logging

LOGGER = "symgan"
FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s"
STYLES = ("text", "json")


def set_up_log(style: str) -> None:
    """Let the project's own messages be seen, from INFO on, in one of ``STYLES``; other libraries' warnings are written alike.

    In JSON, what a message says in numbers stands in fields of its own, such as ``outcome`` and ``seconds``.
    """
    handler = logging.StreamHandler()
    if style == "json":
        from pythonjsonlogger.json import JsonFormatter

        handler.setFormatter(JsonFormatter(FIELDS, rename_fields={"asctime": "time", "levelname": "level", "name": "logger"}))
    else:
        handler.setFormatter(logging.Formatter(FIELDS))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(LOGGER).setLevel(logging.INFO)
