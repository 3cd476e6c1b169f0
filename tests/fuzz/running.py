"""Runs mutations against the doors that strangers reach, and judges what happens."""

from __future__ import annotations

import io
import json
import random
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from demo import asked
from demo.guard import Refused, check_body
from demo.share import ShareStore
from demo.shelves import FolderShelf
from symgan_core.errors import SymganError
from symgan_core.faces import read_photo
from symgan_core.generator import load_generator
from symgan_core.generator.official import read_official, read_state_dict
from symgan_core.portrait import Portrait3D

from .mutations import mutated
from .seeds import header_changed, photos, portrait, strange

SECONDS = 20.0
"""Of processor time that one input may take."""
GROWTH = 200
"""Megabytes that memory may grow by over a run, after the first inputs have loaded what they need."""
WARM = 40
"""Inputs before memory is first looked at."""


@dataclass
class Report:
    """What happened: outcomes by target, the worst time and the input that took it, growth of memory in MB, faults."""

    outcomes: Counter[str] = field(default_factory=Counter)
    worst: tuple[float, str] = (0.0, "")
    growth: float = 0.0
    faults: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report as text."""
        counts = [f"{name:36} {count}" for name, count in sorted(self.outcomes.items())]
        return [*counts, f"worst time {self.worst[0]:.2f} s ({self.worst[1]}), memory +{self.growth:.0f} MB, faults {len(self.faults)}",
                *self.faults[:20]]


class Targets:
    """Name and function of each door; a function takes a random generator and returns "read", or raises a SymganError."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._photos = photos()
        self._base, self._generator, self._portrait = portrait(folder)
        buffer = io.BytesIO()
        torch.save(self._base.state_dict(), buffer)
        self._states = [buffer.getvalue()]
        buffer = io.BytesIO()
        torch.save({"G_ema": {"a": torch.zeros(3)}}, buffer, _use_new_zipfile_serialization=False)
        self._states.append(buffer.getvalue())
        self._shares = ShareStore(FolderShelf(folder / "shares"), 7)
        (folder / "shares").mkdir()

    def all(self) -> list[tuple[str, int, Callable[[random.Random], str]]]:
        """Name, weight and function."""
        each = [(f"photo: {name}", 3, lambda rng, data=data: self.photo(mutated(data, rng))) for name, data in self._photos.items()]
        return [*each, ("portrait", 4, self.portrait), ("generator", 4, self.generator), ("pickle", 4, self.pickle), ("call", 4, self.call),
                ("arguments", 4, self.arguments), ("ids", 2, self.ids)]

    def photo(self, data: bytes) -> str:
        """The one door of photos."""
        seen = read_photo(data)
        assert seen.dtype == np.uint8 and seen.ndim == 3 and seen.shape[2] == 3 and max(seen.shape) <= 2048
        return "read"

    def _written(self, name: str, data: bytes) -> Path:
        path = self.folder / "input" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path

    def _changed(self, data: bytes, rng: random.Random) -> bytes:
        return header_changed(data, rng) if rng.random() < 0.6 else mutated(data, rng)

    def portrait(self, rng: random.Random) -> str:
        """A portrait's file, and a view of it."""
        path = self._written("portrait.safetensors", self._changed(self._portrait, rng))
        with torch.no_grad():
            Portrait3D.load(path.parent, "cpu", base=self._base).render(yaw=5)
        return "read"

    def generator(self, rng: random.Random) -> str:
        """A generator's file."""
        load_generator(self._written("generator.safetensors", self._changed(self._generator, rng)), "cpu")
        return "read"

    def pickle(self, rng: random.Random) -> str:
        """Pickles and state dicts."""
        path = self._written("model.pkl", mutated(rng.choice(self._states), rng))
        (read_official if rng.random() < 0.5 else read_state_dict)(path)
        return "read"

    def call(self, rng: random.Random) -> str:
        """A body, before Gradio parses it."""
        body = json.dumps({"data": [strange(rng) for _ in range(3)], "fn_index": strange(rng), "session_hash": "a"}).encode()
        try:
            check_body(mutated(body, rng) if rng.random() < 0.5 else body, rng.random() < 0.3)
        except Refused as refused:
            assert "\n" not in refused.line and refused.status in (400, 413)
            return f"refused {refused.status}"
        return "passed on"

    def arguments(self, rng: random.Random) -> str:
        """Arguments of calls."""
        value = strange(rng)
        name, check = rng.choice((("yaw", asked.number), ("face", asked.whole), ("kind", asked.word), ("edits", None)))
        found = asked.strengths(value if rng.random() < 0.5 else {str(value): strange(rng)}) if check is None \
            else check(name, value, "mp4" if check is asked.word else 0)
        assert found is not None
        return "read"

    def ids(self, rng: random.Random) -> str:
        """Names of shares, and their tokens."""
        name, token = strange(rng), strange(rng)
        if rng.random() < 0.3:
            name = "".join(rng.choice("AZaz09_-./\\%\0") for _ in range(22))
        assert self._shares.find(name) is None and not self._shares.delete(name, token)  # type: ignore[arg-type]
        assert self._shares.preview_of(name) is None and self._shares.title_of(name) is None  # type: ignore[arg-type]
        return "nothing found"


def run(count: int, seed: int, tell: Callable[[str], None] = lambda line: None) -> Report:
    """``count`` inputs, the same for the same seed, in a temporary folder."""
    report = Report()
    with tempfile.TemporaryDirectory() as home, mock.patch.object(tempfile, "tempdir", home), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a decoder's notes on broken files
        targets = Targets(Path(home))
        doors = targets.all()
        before, memory = set(targets.folder.rglob("*")), 0.0
        for number in range(count):
            rng = random.Random(f"{seed}:{number}")
            name, _, work = rng.choices(doors, [weight for _, weight, _ in doors])[0]
            _one(report, f"{name}", f"{seed}:{number}", lambda work=work, rng=rng: work(rng))
            if number == min(WARM, count - 1):
                memory = _megabytes()
            if number % 500 == 499:
                tell(f"{number + 1} inputs, worst {report.worst[0]:.2f} s, {len(report.faults)} faults")
        report.growth = _megabytes() - memory
        left = {path for path in set(targets.folder.rglob("*")) - before if "input" not in path.parts}
        report.faults += [f"left on the disk: {path}" for path in sorted(left)]
    if report.growth > GROWTH:
        report.faults.append(f"memory grew by {report.growth:.0f} MB")
    return report


def _one(report: Report, name: str, which: str, work: Callable[[], str]) -> None:
    began = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    try:
        outcome = work()
    except SymganError as error:
        outcome = f"refused ({type(error).__name__})"
        if "\n" in str(error) or not error.seen:
            report.faults.append(f"{name} {which}: not one line: {error}")
    except Exception as error:
        outcome = "FAULT"
        report.faults.append(f"{name} {which}: {type(error).__name__}: {str(error)[:200]}")
    took = time.process_time() - began[0] + resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began[1]
    report.outcomes[f"{name}: {outcome}"] += 1
    report.worst = max(report.worst, (took, f"{name} {which}"))
    if took > SECONDS:
        report.faults.append(f"{name} {which}: {took:.1f} s")


def _megabytes() -> float:
    """Of memory that this process holds now, as far as the system tells; else the most that it ever held."""
    status = Path("/proc/self/statm")
    if status.is_file():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
