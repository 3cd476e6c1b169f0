"""``python -m tests.demo.load --visitors 50 --minutes 10``: how the page bears many visitors at once.

Each visitor opens the page, and then, with the pauses of a person and in random order, opens heads of the gallery, moves sliders, now and
then uploads a photo and runs it, makes a link and follows it, leaves and comes again. Visitors are threads of this process
(``visiting.py``: the requests of a browser, which draws nothing); the page is a process of its own, with its settings as they are. One
table says how long each action took, what went wrong, and the most memory that the page and its children had.

Ends with 1 where anything but a full queue went wrong, the memory reached 4 GB, or the 95th percentile of gallery clicks 2 s.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from demo.gallery import list_examples

from ..browser.driving import Server
from .visiting import Failed, Visitor

PAUSE = 3.0, 12.0
"""Seconds between two actions of a visitor."""
ACTIONS = {"gallery": 12, "slider": 10, "link": 2, "run": 1}
"""What a visitor does next, by weight."""
STAY = 4, 16
"""Actions until a visitor leaves, and comes again as another."""
ARRIVING = 0.1
"""Share of the time in which the visitors come."""
PATIENCE = 20.0
"""Seconds after the end in which what is under way may still end."""
MEMORY, CLICK = 4e9, 2.0
"""Bytes of the page, and seconds of nineteen gallery clicks in twenty, that must not be reached."""
FULL = "queue is full", "waiting already"
"""In the refusals of Gradio's queue, and of the line of runs."""


class Figures:
    """Seconds and faults by action."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.faults: dict[str, Counter[str]] = defaultdict(Counter)
        self.waiting: Counter[str] = Counter()
        """Actions that are under way."""
        self._lock, self._closed = threading.Lock(), False

    def close(self) -> None:
        """What ends from now on counts no more: the page is closed."""
        with self._lock:
            self._closed = True

    def time(self, action: str, work: Callable, *args: object) -> bool:
        """Do it; says whether it went well."""
        begun = time.monotonic()
        with self._lock:
            self.waiting[action] += not self._closed
        try:
            work(*args)
        except Exception as error:  # of the page, of httpx: each is a line of the table
            said = str(error) if isinstance(error, Failed) else f"{type(error).__name__} {error}"
            self._count(lambda: self.faults[action].update([said]), action)
            return False
        self._count(lambda: self.seconds[action].append(time.monotonic() - begun), action)
        return True

    def _count(self, note: Callable[[], None], action: str) -> None:
        with self._lock:
            if not self._closed:
                note()
                self.waiting[action] -= 1

    def percentile(self, action: str, share: float) -> float:
        """Seconds that ``share`` of an action's took at most; 0 without any."""
        found = sorted(self.seconds[action])
        return found[min(int(share * len(found)), len(found) - 1)] if found else 0.0

    def lines(self) -> list[str]:
        """The table, and below it the faults."""
        rows = [f"{'action':14}{'count':>7}{'50%':>8}{'95%':>8}{'most':>8}{'faults':>8}{'at the end':>12}"]
        for action in sorted({*self.seconds, *self.faults, *self.waiting}):
            found = self.seconds[action]
            middle, most = (statistics.median(found), max(found)) if found else (0.0, 0.0)
            rows.append(f"{action:14}{len(found):7}{middle:8.2f}{self.percentile(action, 0.95):8.2f}{most:8.2f}"
                        f"{sum(self.faults[action].values()):8}{self.waiting[action]:12}")
        return rows + [f"{count} x {action}: {said}" for action, told in self.faults.items() for said, count in told.most_common()]

    def wrong(self) -> int:
        """How many faults are no full queue."""
        return sum(count for told in self.faults.values() for said, count in told.items() if not any(word in said.lower() for word in FULL))


class Guest:
    """A thread's visitor: comes, acts, leaves and comes again until ``until`` (``time.monotonic()``)."""

    def __init__(self, url: str, figures: Figures, until: float, seed: int):
        self._url, self._figures, self._until, self._chance = url, figures, until, random.Random(seed)
        self._visitor: Visitor
        self._photos = [example.photo for example in list_examples()]

    def stay(self, wait: float) -> None:
        """All visits, the first after ``wait`` seconds."""
        time.sleep(wait)
        while time.monotonic() < self._until:
            if self._figures.time("arrive", self._arrive):
                for _ in range(self._chance.randint(*STAY)):
                    self._pause()
                    if time.monotonic() >= self._until:
                        break
                    getattr(self, self._chance.choices(list(ACTIONS), list(ACTIONS.values()))[0])()
                self._figures.time("leave", self._visitor.leave)
            self._pause()

    def gallery(self) -> None:
        """A head of the gallery."""
        self._figures.time("gallery", self._visitor.open_example, self._chance.randrange(len(self._photos)))

    def slider(self) -> None:
        """A slider is moved: a draft while it is held, the full picture, and, after a rest, views from all sides."""
        self._figures.time("near sliders", self._visitor.fire, "viewer", "near")
        name = self._chance.choice(("smile", "age", "hair_length", "jaw"))
        if self._figures.time("slider", self._visitor.slide, name, round(self._chance.uniform(-2, 2), 1)):
            self._figures.time("full picture", self._visitor.fire, "viewer", "turn", {"yaw": 0, "pitch": 0})
            self._figures.time("strip", self._visitor.fire, "viewer", "strip")

    def link(self) -> None:
        """A link is made, and followed."""
        made: list[str] = []
        if self._figures.time("make a link", lambda: made.append(self._visitor.share())):
            self._figures.time("follow a link", self._follow, made[0])

    def run(self) -> None:
        """A photo is uploaded, and made into a head."""
        if self._figures.time("upload", self._visitor.upload, self._chance.choice(self._photos)):
            self._pause()
            self._figures.time("run", self._visitor.invert)

    def _arrive(self) -> None:
        self._visitor = Visitor(self._url)
        self._visitor.arrive()

    def _follow(self, share_id: str) -> None:
        other = Visitor(self._url, share_id)
        other.arrive()
        other.leave()

    def _pause(self) -> None:
        time.sleep(self._chance.uniform(*PAUSE))


class Memory:
    """Looks each second how much memory a process and all below it have; ``most``: bytes."""

    def __init__(self, process: int):
        self.most, self._process = 0, process
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while Path(f"/proc/{self._process}").exists():
            self.most = max(self.most, sum(map(_resident, family(self._process))))
            time.sleep(1)


def family(process: int) -> list[int]:
    """The number of a process, and of all below it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:  # it has just ended
            continue
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _resident(process: int) -> int:
    """Bytes, of memory that several processes share its part (a child that was just forked has all of its parent's); 0 of a process that
    is no more."""
    try:
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0


def run(folder: Path, visitors: int, minutes: float, seed: int) -> tuple[Figures, int]:
    """All visits of a page in ``folder``; the figures, and the most memory in bytes."""
    server, figures = Server(folder), Figures()
    memory = Memory(server.process.pid)
    try:
        seconds = 60 * minutes
        until = time.monotonic() + seconds
        guests = [Guest(server.url, figures, until, seed + number) for number in range(visitors)]
        threads = [threading.Thread(target=guest.stay, args=(ARRIVING * seconds * number / visitors,), daemon=True)
                   for number, guest in enumerate(guests)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(until + PATIENCE - time.monotonic(), 0))
        figures.close()
    finally:
        server.stop()
    return figures, memory.most


def main(words: Sequence[str] | None = None) -> int:
    """The command; 0 where all stayed within its bounds."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo.load", description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        figures, most = run(Path(folder), args.visitors, args.minutes, args.seed)
    click = figures.percentile("gallery", 0.95)
    print(*figures.lines(), f"memory at most {most / 1e9:.2f} GB; gallery clicks {click:.2f} s at 95 %; faults but a full queue: "
          f"{figures.wrong()}", sep="\n")
    return int(figures.wrong() > 0 or most >= MEMORY or click >= CLICK)


if __name__ == "__main__":
    sys.exit(main())
