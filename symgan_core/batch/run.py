"""Many photos, each once: in this process, in several, or on a Ray cluster. What is done is a folder that has its name; a run that was cut
goes on with the others."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..files import check_results, clear_partials, write_text
from ..generator.checkpoint import source_hash
from ..jobs import Order, chosen_method
from ..progress import Bar
from .photos import Photo, list_photos
from .table import write_table
from .workers import Task, Workers, start_workers

SETTINGS = "batch.json"
"""In the folder of results: what all of them were made with."""


@dataclass
class _Count:
    """Photos so far: ``done`` now, ``before`` in earlier runs, ``failed``, and ``same`` as another one."""

    done: int = 0
    before: int = 0
    failed: int = 0
    same: int = 0


def run_batch(folder: Path, out: Path, order: Order, workers: Workers = Workers(), bar: Bar | None = None) -> str:
    """Invert all photos below ``folder`` into ``out``, each into a folder of its own, and write a report on all.

    A photo is known by its content: what lies under several names is inverted once, and what is done already is not done again. Failures
    are listed in the report and tried again in the next run.

    Returns:
        A line on what has been done.

    Raises:
        RequestError: there is no photo, the place cannot be written, ``out`` holds results of another order, or there are no such workers.
    """
    bar = bar or Bar()
    if not order.method.endswith(".py"):  # a file is run by who works, once a process
        chosen_method(order)  # a wrong name is said before any work
    check_results(out, (SETTINGS,))
    photos = list_photos(folder, out)
    _check_settings(out, order)
    clear_partials(out)
    rows, tasks, count = _planned(photos, folder, out, order)
    for photo, row in rows.items():
        if row["status"] == "failed":
            count.failed += 1
            bar.say(f"{photo.path.relative_to(folder)}: {row['reason']}")
    try:
        with closing(start_workers(workers, tasks)) as outcomes:
            _follow(outcomes, len(tasks), rows, folder, count, bar)
    finally:
        clear_partials(out)
        bar.close()
        report = write_table([_row(photo, folder, out, found) for photo, found in rows.items()], out / "report")
    counts = [f"{count.done} done"]
    counts += [f"{number} {what}" for number, what in ((count.before, "done before"), (count.same, "the same as another"),
                                                       (count.failed, "failed")) if number]
    return f"{len(photos)} photo(s): {', '.join(counts)}. Report: {report}"


def _planned(photos: list[Photo], folder: Path, out: Path, order: Order) -> tuple[dict[Photo, dict[str, Any]], list[Task], _Count]:
    """What is known of each photo, what is to be done, and the counts before that."""
    rows: dict[Photo, dict[str, Any]] = {}
    tasks, count, first = [], _Count(), {}
    # By content alone, so that a photo that has been renamed since is not done again.
    there = {path.parent.name.rpartition("-")[2]: path.parent.name for path in out.glob("[!.]*/report.json")}
    for photo in photos:
        if photo.reason:
            rows[photo] = {"status": "failed", "reason": photo.reason, "folder": ""}
        elif photo.digest in first:
            count.same += 1
            known = first[photo.digest]
            rows[photo] = {"status": "same", "reason": f"the same as {known.path.relative_to(folder)}", "folder": rows[known]["folder"]}
        else:
            first[photo.digest] = photo
            count.before += photo.key in there
            rows[photo] = {"status": "done" if photo.key in there else "left", "reason": "", "folder": there.get(photo.key, photo.name)}
            if photo.key not in there:
                tasks.append(Task(photo, out.resolve() / photo.name, order))
    return rows, tasks, count


def _follow(outcomes: Iterable[tuple[Task, str]], total: int, rows: dict[Photo, dict[str, Any]], folder: Path, count: _Count,
            bar: Bar) -> None:
    """Note the outcome of each task as it comes, and show how long the others will take."""
    begun, failed_before = time.monotonic(), count.failed
    if total:
        bar.say(f"{total} photo(s) to do.")
        bar.show("photos", 0, total)
    for number, (task, reason) in enumerate(outcomes, 1):
        rows[task.photo] |= {"status": "failed" if reason else "done", "reason": reason}
        count.failed += bool(reason)
        count.done += not reason
        if reason:
            bar.say(f"{task.photo.path.relative_to(folder)}: {reason}")
        left = (time.monotonic() - begun) / number * (total - number)
        failed = f"{count.failed - failed_before} failed, " if count.failed > failed_before else ""
        bar.show("photos", number, total, f"{failed}{_duration(left)} left")


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 120:
        return f"about {round(minutes / 60)} h"
    return f"about {minutes} min" if minutes > 1 else f"about {round(seconds)} s"


def _check_settings(out: Path, order: Order) -> None:
    """Results of one folder have one order. Raises RequestError if there are others."""
    asked = {name: value for name, value in asdict(order).items() if name not in ("device", "request")}
    asked["generator"] = source_hash(order.generator)
    path = out / SETTINGS
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        known = None
    if known is None:
        write_text(path, json.dumps(asked, indent=1) + "\n")
    elif known != asked:
        different = ", ".join(name for name in asked if not isinstance(known, dict) or known.get(name) != asked[name])
        raise RequestError(f"'{out}' holds results of another order ({different}).", "Name another folder, or ask for the same again.")


def _row(photo: Photo, folder: Path, out: Path, found: dict[str, Any]) -> dict[str, Any]:
    """A line of the report on all; numbers are those of the photo's own report."""
    row: dict[str, Any] = {"photo": str(photo.path.relative_to(folder)), "sha256": photo.digest, **found}
    try:
        report = json.loads((out / row["folder"] / "report.json").read_text()) if row["folder"] else {}
    except (OSError, ValueError):  # it failed, or is left
        report, row["folder"] = {}, ""
    view, metrics = report.get("view", {}), report.get("metrics", {})
    return row | {"method": report.get("method"), "preset": report.get("preset"), "device": report.get("device"),
                  "seconds": round(sum(report["seconds"].values()), 2) if "seconds" in report else None,
                  "yaw": view.get("yaw"), "pitch": view.get("pitch"), "psnr": metrics.get("psnr"), "lpips": metrics.get("lpips"),
                  "mirror_weight": report.get("mirror_weight")}
