"""``python -m demo.upload_space OWNER/NAME``: puts this project on a Hugging Face Space.

The Hub refuses plain git pushes of binary files; ``huggingface_hub`` stores weights and films as the Hub wants them.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
IGNORED = ("tests/*", "training/*", "docs/*", "scratch/*", "shared/*", "shares/*", "out/*", "build/*", "*__pycache__*", "*.pyc",
           "*.pyi", "*.egg-info/*", "Makefile", "pyproject.toml", "requirements.lock", "CHANGELOG.md", "CONTRIBUTING.md")
"""What a Space does not need, beside hidden files at any depth; of docs, the pictures that README names go with it."""
NEEDED = ("README.md", "app.py", "requirements.txt", "demo/", "symgan_core/", "examples/")
CPU_WHEELS = "--extra-index-url https://download.pytorch.org/whl/cpu"
"""With this index beside PyPI, pip takes PyTorch without 3 GB of CUDA; it then knows no GPU."""
_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def space_files(root: Path = ROOT) -> list[str]:
    """What is uploaded: files of the project, relative to ``root``; in a git checkout, tracked ones alone."""
    shown = set(re.findall(r"docs/[\w./-]+\.(?:jpg|png|webp|gif)", (root / "README.md").read_text()))
    return [name for name in _project_files(root) if (name in shown or not _ignored(name)) and (root / name).is_file()]


def _project_files(root: Path) -> list[str]:
    if (root / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
        return sorted(name for name in listed.split("\0") if name)
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def _ignored(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in IGNORED) or any(part.startswith(".") for part in name.split("/"))


def stage(folder: Path, files: Sequence[str], gpu: bool, root: Path = ROOT) -> None:
    """Copy ``files`` into ``folder`` as the Space gets them: without ``gpu``, requirements.txt asks for PyTorch without CUDA."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, folder / name)
    if not gpu:
        needs = folder / "requirements.txt"
        needs.write_text(f"{CPU_WHEELS}\n{needs.read_text()}")


def upload(repository: str, files: Sequence[str], api: Any, private: bool = False, gpu: bool = False, root: Path = ROOT) -> str:
    """Create the Space where there is none, and upload ``files`` in one commit; its address.

    Args:
        api: a ``huggingface_hub.HfApi``, logged in.
    """
    address = str(api.create_repo(repository, repo_type="space", space_sdk="gradio", private=private, exist_ok=True))
    with tempfile.TemporaryDirectory() as folder:
        stage(Path(folder), files, gpu, root)
        api.upload_folder(repo_id=repository, repo_type="space", folder_path=folder, commit_message="symgan: the page")
    return address


def main(words: Sequence[str] | None = None) -> int:
    """The command; 0 where all went well."""
    parser = argparse.ArgumentParser(prog="python -m demo.upload_space", description=__doc__.splitlines()[0])
    parser.add_argument("repository", metavar="OWNER/NAME")
    parser.add_argument("--private", action="store_true", help="create it so that you alone see it")
    parser.add_argument("--gpu", action="store_true", help="for ZeroGPU or a GPU of its own: PyTorch with CUDA")
    parser.add_argument("--dry-run", action="store_true", help="list files and their size; nothing is sent")
    args = parser.parse_args(words)
    if not _NAME.fullmatch(args.repository):
        parser.error(f"'{args.repository}' is not OWNER/NAME")
    files = space_files()
    missing = [need for need in NEEDED if not any(name.startswith(need) for name in files)]
    if missing:
        parser.error(f"the project lacks {', '.join(missing)}")
    if args.dry_run:
        total = sum((ROOT / name).stat().st_size for name in files)
        print(*files, f"{len(files)} files, {total / 1e6:.1f} MB", sep="\n")
        return 0
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    try:
        print(upload(args.repository, files, HfApi(), args.private, args.gpu))
    except (HfHubHTTPError, LocalTokenNotFoundError, OSError) as error:
        print(f"The Hub did not take it: {str(error).splitlines()[0]} Log in with `hf auth login`, with a token that may write.",
              file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
