"""Mutations of all that strangers send; ``python -m tests.fuzz`` runs as many as wanted."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo import asked
from demo.guard import Refused, check_body
from demo.shown import one_line
from symgan_core.errors import RequestError, SymganError
from symgan_core.faces import read_photo

from .running import Report, _one, run

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def test_some_mutations() -> None:
    assert run(60, 1).faults == []


@pytest.mark.slow
def test_more_mutations() -> None:
    assert run(600, 2).faults == []


def test_a_fault_is_seen() -> None:
    report = Report()
    for number, work in enumerate((lambda: "read", lambda: 1 / 0, lambda: json.loads("{"), lambda: asked.number("a", "b", 0))):
        _one(report, "x", str(number), work)
    assert len(report.faults) == 2 and report.outcomes["x: refused (RequestError)"] == 1 == report.outcomes["x: read"]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(JSON)
def test_any_json_is_a_value_or_one_line(value: object) -> None:
    for check in (lambda: asked.number("a", value, 0), lambda: asked.whole("a", value, 0), lambda: asked.word("a", value, "b"),
                  lambda: asked.strengths(value), lambda: asked.strengths({"smile": value})):
        try:
            check()
        except RequestError as error:
            assert one_line(str(error)).isprintable()
    try:
        check_body(json.dumps({"data": [value]}).encode())
    except Refused as refused:
        assert refused.status == 400


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"RIFF\0\0\0\0WEBP",
                        b"\0\0\0\x18ftypavif"]), st.binary(max_size=300))
def test_bytes_behind_a_magic_number(start: bytes, rest: bytes) -> None:
    with pytest.raises(SymganError):
        read_photo(start + rest)
