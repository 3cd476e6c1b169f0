"""``python -m training.tables FILE.json ...``: the tables of ``docs/benchmarks.md``, from what ``symgan evaluate --json`` wrote.

Means, and, where there are several seeds, their spread from seed to seed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple


class Column(NamedTuple):
    """``title``, and where the figure stands: ``part`` and ``key``; ``digits`` behind the point; ``distance``: 1 minus the figure."""

    title: str
    part: str
    key: str
    digits: int = 3
    distance: bool = False


PEOPLE = (
    Column("LPIPS of the face", "real", "lpips_face", 4), Column("points", "real", "points", 4),
    Column("identity distance", "real", "identity_distance"), Column("sharpness", "sharpness", "mean", 2),
    Column("given view, dB", "input", "psnr", 1), Column("given view, LPIPS", "input", "lpips"))
VIEWS = (
    Column("input", "input", "haarpsi", distance=True), Column("novel views", "novel", "haarpsi", distance=True),
    Column("hidden pixels", "hidden", "haarpsi", distance=True), Column("depth of novel views", "novel", "depth_l1", 4))


def main() -> None:
    """Print a table for each file."""
    parser = argparse.ArgumentParser(prog="python -m training.tables", description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.json")
    for path in parser.parse_args().files:
        print("\n".join(table(json.loads(path.read_text()))), end="\n\n")


def table(result: dict[str, Any]) -> list[str]:
    """Lines of Markdown: a method a row, or, of one method on views with ground truth, a person a row."""
    methods = result["methods"]
    people = "real" in next(iter(methods.values()))["mean"]
    columns = PEOPLE if people else VIEWS
    rows = {name: (found["mean"], found.get("spread")) for name, found in methods.items()}
    if not people and len(methods) == 1:
        (found,) = methods.values()
        rows = {name: (one, None) for name, one in found["each"].items()} | {"mean": rows.popitem()[1]}
    title, seeds = "method" if people or len(methods) > 1 else "person", len(result["seeds"])
    cells = [[name, *(cell(column, *figures) for column in columns)] for name, figures in rows.items()]
    head = [title, *(column.title for column in columns)]
    said = f"n = {len(next(iter(methods.values()))['each'])}, preset `{result['preset']}`, {seeds} seed{'s' * (seeds > 1)}"
    return [said, "", *("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *cells))]


def cell(column: Column, mean: dict[str, Any], spread: dict[str, Any] | None) -> str:
    """A figure, with its spread where there is one; "–" where it was not measured."""
    value = mean.get(column.part, {}).get(column.key)
    if value is None:
        return "–"
    text = f"{1 - value if column.distance else value:.{column.digits}f}"
    return text if spread is None else f"{text} ± {spread[column.part][column.key]:.{column.digits}f}"


if __name__ == "__main__":
    main()
