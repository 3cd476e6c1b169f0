"""What an operator may watch."""

import time
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from demo import routes
from demo.computing import WorkerThread
from demo.metrics import OUTCOMES, Metrics
from demo.pace import Pace, Run
from demo.routes import app_options
from demo.store import VisitorLeft
from symgan_core.errors import PhotoError


def runs(metrics: Metrics) -> dict[str, int]:
    """Counted runs by outcome."""
    found = dict(line.rsplit(" ", 1) for line in metrics.text().decode().splitlines() if line.startswith("symgan_runs_total"))
    return {name: int(float(found[f'symgan_runs_total{{outcome="{name}"}}'])) for name in OUTCOMES}


@pytest.mark.parametrize(("error", "outcome"), [
    (None, "done"), (VisitorLeft(), "left"), (GeneratorExit(), "left"), (PhotoError("It is dark."), "refused"), (KeyError("x"), "failed")])
def test_a_run_is_counted_by_how_it_ends(error, outcome):
    metrics = Metrics(lambda: 0)
    assert runs(metrics) == dict.fromkeys(OUTCOMES, 0)
    try:
        with metrics.run():
            if error:
                raise error
    except BaseException as raised:
        assert raised is error
    assert runs(metrics) == dict.fromkeys(OUTCOMES, 0) | {outcome: 1}


def test_a_stopped_run_says_so():
    metrics = Metrics(lambda: 0)
    with metrics.run() as ended:
        ended.name = "stopped"
    assert runs(metrics)["stopped"] == 1 and runs(metrics)["done"] == 0


def test_stages_and_the_line_are_counted():
    line = []
    metrics = Metrics(lambda: len(line))
    run = Run(Pace(told=metrics.stage), {"look": 1, "guess": 2, "pivot": 4, "tuning": 4, "video": 60})
    for stage in ("look", "guess", "pivot"):
        run.at(stage, 1, 1)
    line.append("somebody")
    text = metrics.text().decode()
    assert 'symgan_stage_seconds_count{stage="look"} 1.0' in text and 'symgan_stage_seconds_count{stage="guess"} 1.0' in text
    assert 'stage="pivot"' not in text  # not over yet
    assert "symgan_line 1.0" in text


@pytest.fixture
def page():
    studio = SimpleNamespace(metrics=Metrics(lambda: 0), line=[], room=SimpleNamespace(computing=WorkerThread()), examples=[])
    own = [route for route in app_options(studio)["routes"] if route.path in ("/healthz", "/metrics")]
    return SimpleNamespace(studio=studio, client=TestClient(Starlette(routes=own)))


def test_numbers_are_served(page):
    answer = page.client.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain") and "symgan_runs_total" in answer.text


def test_a_page_is_well_until_work_is_stuck(page, monkeypatch):
    assert page.client.get("/healthz").json() == {"well": True, "line": 0}
    monkeypatch.setattr(routes, "STUCK", -1.0)
    answer = page.client.get("/healthz")
    assert answer.status_code == 503 and not answer.json()["well"]


def test_the_seconds_of_a_piece_of_work_are_known():
    computing = WorkerThread()
    assert computing.busy() == 0
    assert computing.call(lambda: (time.sleep(0.01), computing.busy())[1]) >= 0.01
