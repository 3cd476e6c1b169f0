"""The example gallery: portraits made by this project, with ready results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


@dataclass(frozen=True)
class Example:
    """A finished portrait: its folder holds ``input.png``, ``orbit.mp4`` and ``portrait.safetensors``."""

    name: str
    title: str
    folder: Path

    @property
    def photo(self) -> Path:
        """The picture that was inverted."""
        return self.folder / "input.png"

    @property
    def video(self) -> Path:
        """The finished video."""
        return self.folder / "orbit.mp4"


def list_examples(root: Path = EXAMPLES) -> list[Example]:
    """What ``examples/manifest.json`` names, in its order."""
    manifest = json.loads((root / "manifest.json").read_text())
    return [Example(e["name"], e["title"], root / e["name"]) for e in manifest["examples"]]
