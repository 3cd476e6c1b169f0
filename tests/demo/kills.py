"""``python -m tests.demo.kills --kill 20 --term 5 --seed 0``: kills the page at random moments of a run with several users.

Each round, users invert photos and make and delete links until the page's process is killed (SIGKILL or SIGTERM, that process alone). Then
what is on the disk is looked at, the page is started again on the same folders, and looked at once more. Ends with 1 where a result or a
share does not open, a link that somebody got does not answer, a half file or anything of a photo is left, or the page does not end.

Runs are short (``quick_page.py``): what is written, and when, is as in long ones. Photos: the astronaut of scikit-image, and the made-up
people of ``examples``.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from gradio_client import Client, handle_file
from PIL import Image

from demo.gallery import EXAMPLES
from symgan_core.faces import load_provider
from symgan_core.generator import load_generator

from ..browser.driving import ROOT, Server
from .remains import Photo, Results, files_in, half_files, traces
from .visiting import Visitor

WITHIN = 240.0
"""Seconds after the users' arrival in which the page is killed: on two cores a run or two of four are done by then."""
END = 30.0
"""Seconds in which it has to end at SIGTERM."""
KEYS = ("photo there", "half files", "runs got", "links whole", "links gone")
"""Of each round, what the report counts: whether anything of a photo, and how many half files, lay on the disk after the kill; portraits
that programs had got so far; links that answered after the restart, and that did not, as they were deleted."""


@dataclass
class Links:
    """Ids of links: those that somebody got; those whose deletion was asked for; those whose deletion was confirmed."""

    made: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)


class Users:
    """Several users of one page, each in a thread of his own, until ``end``."""

    def __init__(self, url: str, photos: Sequence[Photo], links: Links, folder: Path):
        self._url, self._photos, self._links, self._folder = url, photos, links, folder
        self._killed = threading.Event()
        self.faults: list[str] = []
        works = (self._program, self._visitor, self._visitor, self._sharer)
        self._threads = [threading.Thread(target=self._loop, args=(work, number), daemon=True) for number, work in enumerate(works)]
        for thread in self._threads:
            thread.start()

    def killed(self) -> None:
        """From now on whatever fails fails for a good reason."""
        self._killed.set()

    def end(self) -> None:
        """Wait until all have noticed."""
        for thread in self._threads:
            thread.join(60)

    def _loop(self, work: Callable[[Photo, int], None], number: int) -> None:
        turn = number
        while not self._killed.is_set():
            try:
                work(self._photos[turn % len(self._photos)], number)
            except Exception as error:  # of httpx, gradio_client or the page: before the kill, none is right
                if not self._killed.is_set():
                    self.faults.append(f"user {number}: {type(error).__name__} {error}")
                return
            turn += 1

    def _program(self, photo: Photo, number: int) -> None:
        """A program that inverts by the API and keeps what it gets."""
        client = Client(self._url, verbose=False, download_files=str(self._folder / str(number)), httpx_kwargs={"trust_env": False})
        client.predict(handle_file(photo.path), api_name="/invert")

    def _visitor(self, photo: Photo, number: int) -> None:
        """A visitor who uploads, inverts, and makes a link."""
        visitor = Visitor(self._url)
        visitor.arrive()
        visitor.upload(photo.path)
        visitor.invert()
        self._links.made.add(visitor.share())
        visitor.leave()

    def _sharer(self, photo: Photo, number: int) -> None:
        """A visitor who makes links to the gallery's heads, and deletes each second one."""
        visitor = Visitor(self._url)
        visitor.arrive()
        visitor.open_example(random.randrange(3))
        self._links.made.add(visitor.share())
        self._links.made.add(share_id := visitor.share())
        self._links.doubtful.add(share_id)
        visitor.unshare()
        self._links.gone.add(share_id)
        visitor.leave()


@dataclass
class Report:
    """What was found: a line of numbers for each round (``KEYS``), and all that is not as it should be."""

    rounds: list[tuple[str, float, dict[str, int]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The table, the sums by signal, and the faults."""
        rows = [f"{'signal':8} {'after':>6} " + " ".join(f"{key:>12}" for key in KEYS)]
        rows += [f"{name:8} {after:5.1f}s " + " ".join(f"{counts[key]:12}" for key in KEYS) for name, after, counts in self.rounds]
        return [*rows, *(f"FAULT {fault}" for fault in self.faults), f"{len(self.rounds)} rounds, {len(self.faults)} faults"]


class Trial:
    """A page of its own in ``root``, and the rounds that it goes through."""

    def __init__(self, root: Path, report: Report):
        self.report, self._root, self._links = report, root, Links()
        generator, provider = load_generator("builtin", "cpu"), load_provider()
        self._photos = [Photo(path, provider, generator) for path in _photos(root)]
        self._results = Results(generator)
        self._home = root / "server"
        for name in ("tmp", "home"):
            (self._home / name).mkdir(parents=True)
        self.server = Server(self._home, ROOT / "tests/demo/quick_page.py", OMP_NUM_THREADS="1", TMPDIR=str(self._home / "tmp"),
                             HOME=str(self._home / "home"))
        self._first, self._read = self._work(), 0

    def round(self, kind: signal.Signals, after: float) -> None:
        """One kill, ``after`` seconds of work, and the start that follows it."""
        users = Users(self.server.url, self._photos, self._links, self._root / "got")
        time.sleep(after)
        users.killed()
        self._kill(kind)
        users.end()
        fault, home, shares = self._fault(kind, after), self._home, self._home / "shares"
        fault(users.faults)
        there, half = traces(home, self._photos), half_files(home)
        fault(self._results.damaged(home))
        if kind == signal.SIGTERM:
            fault(f"{one} is there after SIGTERM" for one in there)
        fault(self._told())
        self.server.start()
        fault(self._results.damaged(shares))
        fault(self._results.damaged(self._root / "got"))
        fault(f"{one} is there after the restart" for one in traces(home, self._photos))
        fault(f"{one} is half a file after the restart" for one in half_files(home))
        fault(f"work/{one} is there after the restart" for one in sorted(self._work() - self._first))
        whole, gone = self._answering(fault)
        got = sum(path.suffix == ".safetensors" for path in files_in(self._root / "got"))
        counts = (bool(there), len(half), got, whole, gone)
        self.report.rounds.append((kind.name, after, dict(zip(KEYS, map(int, counts), strict=True))))

    def _kill(self, kind: signal.Signals) -> None:
        self.server.process.send_signal(kind)
        try:
            self.server.process.wait(END)
        except subprocess.TimeoutExpired:
            self.report.faults.append(f"the page has not ended {END:.0f} s after {kind.name}")
            self.server.process.kill()
            self.server.process.wait()

    def _answering(self, fault: Callable) -> tuple[int, int]:
        """How many links answer, and how many are gone, as they should; one of them is opened."""
        links = self._links
        with httpx.Client(base_url=self.server.url, trust_env=False, timeout=60) as client:
            answers = {share_id: client.get(f"/share/{share_id}.jpg").status_code for share_id in links.made}
        fault(f"link {one} answers {answers[one]}" for one in links.made - links.doubtful if answers[one] != 200)
        fault(f"the deleted link {one} answers {answers[one]}" for one in links.gone if answers[one] != 404)
        if safe := sorted(links.made - links.doubtful):
            visitor = Visitor(self.server.url, random.choice(safe))
            visitor.arrive()
            visitor.leave()
        return sum(code == 200 for code in answers.values()), sum(code == 404 for code in answers.values())

    def _told(self) -> list[str]:
        """Tracebacks that the page has logged since the last look."""
        new = (self._home / "server.log").read_text()[self._read:]
        self._read += len(new)
        return [f"a traceback: {part.strip().splitlines()[-1]}" for part in new.split("Traceback (most recent call last):")[1:]]

    def _work(self) -> set[str]:
        work = self._home / "work"
        return {str(path.relative_to(work)) for path in files_in(work)}

    def _fault(self, kind: signal.Signals, after: float) -> Callable:
        return lambda found: self.report.faults.extend(f"{kind.name} after {after:.1f} s: {one}" for one in found)


def _photos(root: Path) -> list[Path]:
    """Photos as files of their own: the astronaut, and two of the gallery's made-up people."""
    import skimage.data

    folder = root / "photos"
    folder.mkdir(parents=True)
    Image.fromarray(skimage.data.astronaut()).save(folder / "astronaut.png")
    for name in ("noor", "emil"):
        shutil.copyfile(EXAMPLES / name / "input.png", folder / f"{name}.png")
    return sorted(folder.iterdir())


def run(root: Path, kills: int, terms: int, seed: int, say: Callable[[str], None] = lambda line: None, within: float = WITHIN) -> Report:
    """All rounds in random order, in a new folder ``root``; ``say`` gets a line for each; ``within`` as ``WITHIN`` has it."""
    chance, report = random.Random(seed), Report()
    kinds = [signal.SIGKILL] * kills + [signal.SIGTERM] * terms
    chance.shuffle(kinds)
    trial = Trial(root, report)
    try:
        for number, kind in enumerate(kinds, 1):
            trial.round(kind, chance.uniform(0, within))
            name, after, counts = report.rounds[-1]
            say(f"{number}/{len(kinds)} {name} after {after:.1f} s: {counts}, {len(report.faults)} faults so far")
    finally:
        trial.server.stop()
    return report


def main(words: Sequence[str] | None = None) -> int:
    """The command; 0 where all was well."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--kill", type=int, default=20, help="rounds that end with SIGKILL")
    parser.add_argument("--term", type=int, default=5, help="rounds that end with SIGTERM")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="leave the folder, to look at it")
    args = parser.parse_args(words)
    root = Path(tempfile.mkdtemp(prefix="symgan-kills-"))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        report = run(root / "trial", args.kill, args.term, args.seed, lambda line: print(line, file=sys.stderr, flush=True))
    finally:
        if args.keep:
            print(root, file=sys.stderr)
        else:
            shutil.rmtree(root, ignore_errors=True)
    print(*report.lines(), sep="\n")
    return bool(report.faults)


if __name__ == "__main__":
    sys.exit(main())
