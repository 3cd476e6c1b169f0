"""Arguments of strangers: JSON of any kind comes in, a plain value or one line of refusal goes out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from symgan_core.errors import RequestError

LONGEST = 64
"""Characters of a name, and names in one object."""


def number(name: str, value: Any, default: float) -> float:
    """A finite number; ``default`` for None. Whether it is in range, whoever uses it knows.

    Raises:
        RequestError: it is of another type, or not finite.
    """
    if value is None:
        return default
    if not _is_number(value):
        raise RequestError(f"'{name}' is no number.", f"Give one, such as {default}.")
    if not math.isfinite(value) or abs(value) > 1e9:
        raise RequestError(f"'{name}' is out of range.", f"Give a number such as {default}.")
    return float(value)


def whole(name: str, value: Any, default: int) -> int:
    """The same of a number without a fraction."""
    found = number(name, value, default)
    if found != int(found):
        raise RequestError(f"'{name}' is no whole number.", f"Give one, such as {default}.")
    return int(found)


def word(name: str, value: Any, default: str) -> str:
    """A short text; ``default`` for None or an empty one.

    Raises:
        RequestError: it is of another type, or too long for any name.
    """
    if value is None or value == "":
        return default
    if not isinstance(value, str) or len(value) > LONGEST:
        raise RequestError(f"'{name}' is not a name.", f"Give one of at most {LONGEST} characters, such as {default}.")
    return value


def strengths(value: Any) -> dict[str, float]:
    """Strengths of edits by name.

    Raises:
        RequestError: it is no object of few names and finite numbers.
    """
    if not isinstance(value, Mapping) or len(value) > LONGEST:
        raise RequestError("The edits are no object of names and strengths.", 'Give them like {"smile": 1.5}.')
    for name, strength in value.items():
        word("edits", name, "smile")
        if not _is_number(strength) or not math.isfinite(strength):
            raise RequestError(f"The strength of '{name}' is no number.", 'Give edits like {"smile": 1.5}.')
    return {str(name): float(strength) for name, strength in value.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
