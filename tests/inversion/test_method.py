"""Methods by name, methods of one's own, and weights that are changed, with public names alone."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from symgan_core import invert_crop
from symgan_core.cli import main
from symgan_core.errors import RequestError
from symgan_core.evaluation import evaluate, methods_at
from symgan_core.generator import TriPlaneGenerator, save_generator
from symgan_core.inversion import METHODS, PRESETS, Inversion, Method, Pivot, Term, load_method, make_target, register_method, settings
from symgan_core.inversion.terms.depth import DepthPrior
from symgan_core.inversion.terms.landmarks import Landmarks
from symgan_core.inversion.terms.photo import Photo
from symgan_core.inversion.terms.prior import LatentPrior
from symgan_core.inversion.terms.pseudo_views import Neighbours, PseudoViews
from tests.evaluation.test_benchmark import write_set
from tests.inversion.heads import photo_of, short, start

OWN = """
from __future__ import annotations

from dataclasses import dataclass

from symgan_core.inversion import Method, Pivot, Term, register_method
from symgan_core.inversion.terms.photo import Photo


@dataclass(frozen=True)
class Brightness(Term):
    weight: float = 2.0

    def losses(self, step, scale):
        return {"brightness": scale * (step.view.out.image.mean() - step.view.image.mean()).abs()}


register_method(Method("my_method", perceptual="gradient", pivot=Pivot(terms=(Photo(), Brightness()))))
"""


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps a stage, and no method is left behind."""
    monkeypatch.setitem(PRESETS, "fast", (2, 2))
    known = dict(METHODS)
    yield
    METHODS.clear()
    METHODS.update(known)


@dataclass(frozen=True)
class Counted(Term):
    """Notes each of its steps."""

    weight: float = 1.0
    every: int = 1

    seen = []

    def losses(self, step, scale):
        self.seen.append((step.number, scale))
        return {"counted": scale * step.view.out.image.mean()}


def test_a_method_of_ones_own_is_found_by_its_name(tiny: TriPlaneGenerator, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    assert load_method(tmp_path / "own.py") == "my_method"
    image, mask, camera = photo_of(tiny, 0)
    report = invert_crop(image, camera, mask, "my_method", "fast", tiny).report
    assert report["method"] == "my_method" and report["steps"] == {"pivot": 2} and report["losses"]["pivot"]["brightness"] >= 0
    write_set(tiny, tmp_path / "set.npz", people=1)
    assert evaluate(tmp_path / "set.npz", methods_at("fast", "my_method"), tiny)["methods"]["my_method"]["mean"]["renders"] == 2


def test_the_command_line_finds_it_in_its_file(tiny: TriPlaneGenerator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.py").write_text(OWN)
    write_set(tiny, tmp_path / "set.npz", people=1)
    save_generator(tiny, tmp_path / "tiny.safetensors")
    files = ["--generator", str(tmp_path / "tiny.safetensors"), "--json", str(tmp_path / "o.json"), "--device", "cpu"]
    assert main(["evaluate", str(tmp_path / "set.npz"), "--methods", str(tmp_path / "own.py"), "--preset", "fast", *files]) == 0
    assert list(json.loads((tmp_path / "o.json").read_text())["methods"]) == ["my_method"] and "| my_method |" in capsys.readouterr().out
    assert main(["evaluate", "set.npz", "--methods", str(tmp_path / "none.py"), *files]) == 2
    assert "no file" in capsys.readouterr().err


def test_a_name_belongs_to_one_method_and_a_file_has_to_register_one(tmp_path: Path) -> None:
    assert register_method(METHODS["w"]) is METHODS["w"]
    with pytest.raises(RequestError, match="already"):
        register_method(replace(METHODS["w"], perceptual="gradient"))
    with pytest.raises(RequestError, match="cannot name"):
        register_method(replace(METHODS["w"], name="../w"))
    (tmp_path / "nothing.py").write_text("x = 1")
    with pytest.raises(RequestError, match="registers no"):
        load_method(tmp_path / "nothing.py")


def test_a_weight_is_changed_from_python(tiny: TriPlaneGenerator) -> None:
    image, mask, camera = photo_of(tiny, 30)
    plain = METHODS["w_plus"]
    strong = replace(plain, pivot=replace(plain.pivot, terms=(Photo(), LatentPrior(5.0))), preset="fast")
    ends = [invert_crop(image, camera, mask, method, "fast", tiny) for method in ("w_plus", strong)]
    priors = [portrait.report["losses"]["pivot"]["prior"] for portrait in ends]
    assert priors[1] > 100 * priors[0] and not torch.equal(ends[0].ws, ends[1].ws)


def test_a_term_without_weight_is_not_computed_and_others_every_so_often(tiny: TriPlaneGenerator) -> None:
    for term, seen in ((Counted(0.0), []), (Counted(0.5, 2), [(0, 1.0), (2, 1.0), (4, 1.0)])):
        Counted.seen.clear()
        method = Method("counted", perceptual="gradient", preset="fast", pivot=Pivot(steps=5, terms=(Photo(), term)))
        image, mask, camera = photo_of(tiny, 0)
        events = list(Inversion(make_target(image, camera, mask, tiny), tiny, method))
        assert Counted.seen == seen and [e.step - 1 for e in events if "counted" in e.losses] == [number for number, _ in seen]


@pytest.mark.parametrize(("term", "name"), [
    (Photo(perceptual=0.0), "perceptual"), (Photo(pixel=0.0), "pixel"), (Photo(opacity=0.0), "opacity"), (LatentPrior(0.0), "prior"),
    (Landmarks(0.0), "points")])
def test_no_loss_of_stage_1_without_weight_is_computed(tiny: TriPlaneGenerator, term: Term, name: str) -> None:
    spi = short("spi", 2, 1)
    for chosen, there in ((type(term)(), True), (term, False)):
        terms = tuple(chosen if type(old) is type(term) else old for old in spi.pivot.terms)
        events = list(start(tiny, replace(spi, tuning=None, pivot=replace(spi.pivot, terms=terms))))
        assert any(name in event.losses for event in events) == there


@pytest.mark.parametrize(("term", "name"), [(DepthPrior(0.0), "depth"), (PseudoViews((Neighbours(0.0),)), "neighbour")])
def test_no_loss_of_stage_2_without_weight_is_computed(tiny: TriPlaneGenerator, term: Term, name: str) -> None:
    spi = short("spi", 1, 4)
    for terms, there in ((spi.tuning.terms, True), ((spi.tuning.terms[0], term), False)):
        events = list(start(tiny, replace(spi, tuning=replace(spi.tuning, terms=terms))))
        assert any(name in event.losses for event in events) == there


def test_presets_say_how_many_steps_unless_the_method_does() -> None:
    assert (settings("spi", "fast").pivot.steps, settings("spi", "fast").tuning.steps) == PRESETS["fast"]
    assert settings("w", "fast").tuning is None
    assert (settings("spi_paper", "fast").pivot.steps, settings("spi_paper", "fast").tuning.steps) == (500, 1000)
    assert settings("pose_opt").pivot.optimize_camera and not settings("pti").pivot.optimize_camera
    assert np.all([settings(name).name == name for name in METHODS])
