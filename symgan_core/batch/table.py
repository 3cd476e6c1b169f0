"""Rows as a table in a file: Parquet where pyarrow is installed (extra ``batch``), else CSV."""

from __future__ import annotations

import csv
import importlib.util
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import whole_file

log = logging.getLogger("symgan")


def write_table(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Write ``rows``, which all have the same names, to ``path`` with the ending of its kind, which is returned; said if it is CSV."""
    if importlib.util.find_spec("pyarrow") is None:
        log.warning("The report is CSV: for Parquet, pip install 'symgan[batch]'.")
        path = path.with_suffix(".csv")
        with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path
    import pyarrow
    from pyarrow import parquet

    path = path.with_suffix(".parquet")
    columns = {name: pyarrow.array([row[name] for row in rows], _kind([row[name] for row in rows])) for name in rows[0]}
    with whole_file(path) as partial:
        parquet.write_table(pyarrow.table(columns), str(partial))
    return path


def _kind(values: list[Any]) -> Any:
    """The same for all runs, also where nothing is known of any row."""
    import pyarrow

    return pyarrow.float64() if any(isinstance(value, (int, float)) for value in values) else pyarrow.string()
