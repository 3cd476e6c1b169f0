"""The lock file belongs to the ranges, and names nothing of the machine that made it."""

import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .lock import LOCK, closure, needed, read, text_of


def test_each_pinned_version_lies_within_the_ranges() -> None:
    versions = read(LOCK.read_text())
    for requirement in needed():
        version = versions.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not in requirements.lock: make lock"
        assert requirement.specifier.contains(version), f"{requirement} does not allow {version}: make lock"


def test_it_has_names_and_public_versions_alone() -> None:
    lines = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    assert lines and all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in lines)
    assert lines == sorted(lines, key=lambda line: line.split("==")[0]) and len({line.split("==")[0] for line in lines}) == len(lines)


def test_what_is_needed_in_turn_and_by_extras_is_in_it() -> None:
    plain, more = closure([Requirement("gradio")]), closure([Requirement("gradio[mcp]")])
    assert {"gradio", "gradio-client", "httpx"} <= plain.keys() < more.keys() and "mcp" in more
    assert {"gradio", "gradio-client", "httpx", "mcp"} <= read(LOCK.read_text()).keys()
    assert read(text_of(more)) == more


def test_a_build_of_ones_own_is_its_public_version(monkeypatch) -> None:
    class Built:
        version, requires = "2.14.1+cpu", ['nvidia-cublas; platform_system == "Linux"', 'pillow; extra == "more"']

    monkeypatch.setattr("tests.lock.distribution", lambda name: Built)
    assert closure([Requirement("torch>=2")]) == {"torch": "2.14.1"}
