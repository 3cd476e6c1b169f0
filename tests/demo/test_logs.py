"""What the page's process writes for its operator."""

import json
import logging

import pytest

from demo.logs import set_up_log
from demo.metrics import Metrics
from demo.settings import Serving
from symgan_core.errors import PhotoError


@pytest.fixture(autouse=True)
def log_as_it_was():
    root, ours = logging.getLogger(), logging.getLogger("symgan")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = before[0], before[1], before[2]


def test_a_run_is_a_json_object_a_line(capsys):
    set_up_log("json")
    metrics = Metrics(lambda: 3)
    with metrics.run():
        metrics.stage("pivot", 12.34)
    stage, run = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert stage["stage"] == "pivot" and stage["seconds"] == 12.3
    assert run["outcome"] == "done" and run["line"] == 3 and run["level"] == "INFO" and run["seconds"] >= 0
    assert set(run) == {"time", "level", "logger", "message", "outcome", "seconds", "line"}


def test_a_fault_keeps_its_traceback_in_one_line(capsys):
    set_up_log("json")
    try:
        raise KeyError("x")
    except KeyError:
        logging.getLogger("symgan.demo").exception("a run failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "KeyError" in json.loads(line)["exc_info"]


def test_for_people_it_is_a_sentence(capsys):
    set_up_log("text")
    with pytest.raises(PhotoError), Metrics(lambda: 0).run():
        raise PhotoError("It is dark.")
    said = capsys.readouterr().err
    assert "run refused after" in said and "It is dark" not in said


def test_an_unknown_style_is_told():
    with pytest.raises(ValueError, match="SYMGAN_LOG is 'xml'"):
        Serving(log="xml")
