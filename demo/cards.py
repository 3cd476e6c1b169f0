"""What messengers show of an address of this page: title, sentence and picture, as tags in the HTML, since they run no script."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

COLUMNS, ROWS, TILE = 4, 2, 300
"""Photos in the picture of the whole page, and pixels of each."""
_OTHERS = re.compile(r'<meta\s+(?:property|name)="(?:og|twitter):[^>]*>\s*', re.DOTALL)
"""Gradio's own tags, which speak of Gradio."""
_SCRIPT = re.compile(r"<script\b|</head>", re.IGNORECASE)


@dataclass(frozen=True)
class Card:
    """``address`` and ``picture`` are absolute; ``private``: search engines are asked to leave the address alone."""

    title: str
    description: str
    address: str
    picture: str | None
    private: bool = False


def with_card(page: str, card: Card) -> str:
    """The page's HTML with the tags of ``card`` in place of those that it has; all text is escaped."""
    scripts = _SCRIPT.search(page)
    end = scripts.start() if scripts else 0  # what a script holds is left alone
    head = _OTHERS.sub("", page[:end])
    return f"{head}{tags(card)}\n{page[end:]}"


def tags(card: Card) -> str:
    """Title and meta tags, one a line."""
    properties = {"og:type": "website", "og:title": card.title, "og:description": card.description, "og:url": card.address,
                  "og:image": card.picture}
    names = {"twitter:card": "summary_large_image", "twitter:title": card.title, "twitter:description": card.description,
             "twitter:image": card.picture, "description": card.description, "robots": "noindex" if card.private else None}
    lines = [f"<title>{html.escape(card.title)}</title>"]
    for kind, values in (("property", properties), ("name", names)):
        lines += [f'<meta {kind}="{name}" content="{html.escape(value)}" />' for name, value in values.items() if value]
    return "\n".join(lines)


def mosaic(photos: Sequence[Path]) -> bytes:
    """A JPEG of the first photos beside each other, twice as wide as high."""
    sheet = Image.new("RGB", (COLUMNS * TILE, ROWS * TILE), "white")
    for number, photo in enumerate(photos[:COLUMNS * ROWS]):
        tile = ImageOps.fit(Image.open(photo).convert("RGB"), (TILE, TILE))
        sheet.paste(tile, (number % COLUMNS * TILE, number // COLUMNS * TILE))
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=88)
    return out.getvalue()
