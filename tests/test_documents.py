"""The documents: what they point at is there."""

import re
from pathlib import Path

import pytest

from demo.settings import variables

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, part in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
        found = (page.parent / target) if target else page
        assert found.exists(), target
        if part:
            titles = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            assert part in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, (target, part)


def test_every_page_is_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[\w.]+)", (ROOT / "README.md").read_text()))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked


@pytest.mark.parametrize("page", [*PAGES, ROOT / "Dockerfile"], ids=lambda page: page.name)
def test_settings_of_the_page_that_are_named_exist(page: Path) -> None:
    known = {*variables()} | {"SYMGAN_BROWSER_REQUIRED", "SYMGAN_FACES"}
    assert set(re.findall(r"\bSYMGAN_[A-Z_]+\b", page.read_text())) <= known


def test_the_image_has_what_the_page_needs() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    taken = {name.rstrip("/") for line in copied for name in line.split()}
    assert {"app.py", "demo", "examples", "symgan_core", "requirements.txt"} <= taken
    assert taken <= {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    torch = re.findall(r'"(torch(?:vision)?[^"]*)"', (ROOT / "Dockerfile").read_text())
    assert set(torch) <= set((ROOT / "requirements.txt").read_text().split())
