"""``python -m tests.lock > requirements.lock`` (``make lock``): the versions of all that the project and its extras install.

Read from the environment that runs it, which the gate installs from the ranges of ``pyproject.toml`` alone; whatever else lies there is
left out. A version is the public one: a build of one's own, such as ``+cpu`` of PyTorch, is chosen by the machine that installs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
PLATFORM = ("nvidia-", "cuda-", "triton")
"""Begin the names of what PyTorch brings on machines with CUDA alone: they follow from its version."""


def needed() -> list[Requirement]:
    """What ``pyproject.toml`` names: dependencies, all extras, and what builds it."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = content["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(line) for line in (*project["dependencies"], *(line for extra in extras for line in extra))]


def closure(wanted: Iterable[Requirement]) -> dict[str, str]:
    """Versions by name of what is wanted and, in turn, needs; as they are installed here.

    Raises:
        PackageNotFoundError: something is not.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    left = [(requirement, extra) for requirement in wanted for extra in ("", *requirement.extras)]
    while left:
        requirement, extra = left.pop()
        name = str(canonicalize_name(requirement.name))
        if (name, extra) in seen or name.startswith(PLATFORM):
            continue
        seen.add((name, extra))
        package = distribution(name)
        found[name] = Version(package.version).public
        for line in package.requires or ():
            one = Requirement(line)
            if one.marker is None or one.marker.evaluate({"extra": extra}):
                left += [(one, more) for more in ("", *one.extras)]
    return found


def read(text: str) -> dict[str, str]:
    """The versions by name in a lock file's text."""
    return dict(line.split("==") for line in text.splitlines() if line and not line.startswith("#"))


def text_of(versions: Mapping[str, str]) -> str:
    """A lock file's text."""
    python = ".".join(map(str, sys.version_info[:2]))
    head = f"# Versions with which the tests passed, for CI; made by `make lock` under Python {python}.\n"
    return head + "".join(f"{name}=={versions[name]}\n" for name in sorted(versions))


if __name__ == "__main__":
    try:
        print(text_of(closure(needed())), end="")
    except PackageNotFoundError as error:
        sys.exit(f"'{error.name}' is not installed: run `make lock`, which installs all extras first.")
