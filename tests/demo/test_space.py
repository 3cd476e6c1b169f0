"""The project as a Space: what is uploaded, and that the platform finds what it asks for."""

import re
import subprocess
from pathlib import Path

import pytest

from demo import upload_space
from demo.upload_space import CPU_WHEELS, ROOT, main, space_files, upload


class FakeApi:
    """Records what is asked of the Hub, and what the uploaded folder held."""

    def __init__(self):
        self.calls, self.held = [], {}

    def create_repo(self, repo_id, **options):
        self.calls.append(("create_repo", repo_id, options))
        return f"https://hub.example/spaces/{repo_id}"

    def upload_folder(self, folder_path, **options):
        self.calls.append(("upload_folder", options["repo_id"], options))
        root = Path(folder_path)
        self.held = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def front_matter() -> dict[str, str]:
    head = re.match(r"---\n(.*?)\n---\n", (ROOT / "README.md").read_text(), re.DOTALL)
    return {key: value.strip('"') for key, value in (line.split(": ", 1) for line in head[1].splitlines())}


def test_the_front_matter_is_what_the_hub_wants() -> None:
    head = front_matter()
    gradio = next(line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("gradio"))
    assert head["sdk"] == "gradio" and gradio == f"gradio[mcp]=={head['sdk_version']}"
    assert head["python_version"] in ("3.10", "3.12") and head["license"] == "apache-2.0"  # ZeroGPU has these two
    assert (ROOT / head["app_file"]).is_file() and len(head["short_description"]) <= 60
    assert "--" not in (ROOT / "requirements.txt").read_text()


def test_spaces_is_imported_before_torch() -> None:
    lines = [line.strip() for line in (ROOT / "app.py").read_text().splitlines()]
    imports = [line.split()[1] for line in lines if line.startswith(("import ", "from "))]
    heavy = [name for name in imports if name.split(".")[0] in ("spaces", "torch", "gradio", "demo", "symgan_core")]
    assert heavy[0] == "spaces"


def test_a_space_gets_what_it_runs_on() -> None:
    files = space_files()
    ignored = subprocess.run(["git", "check-ignore", "--stdin"], input="\n".join(files), cwd=ROOT, capture_output=True, text=True).stdout
    assert not ignored and len(files) == len(set(files))
    assert {"app.py", "README.md", "requirements.txt", "LICENSE", "demo/page.css", "examples/noor/portrait.safetensors",
            "examples/manifest.json", "symgan_core/generator/weights/builtin.safetensors", "docs/gallery.jpg"} <= set(files)
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "symgan_core").rglob("*.safetensors")} <= set(files)
    for folder in ("tests/", "training/", ".", "scratch/", "shared/"):
        assert not [name for name in files if name.startswith(folder)], folder
    assert [name for name in files if name.endswith((".md", ".txt")) and name.startswith("docs/")] == []


def test_files_are_found_without_git_too(tmp_path: Path) -> None:
    for name in ("README.md", "app.py", "demo/a.py", "demo/__pycache__/a.pyc", ".venv/lib/x.py", "tests/t.py", "docs/a.jpg", "docs/b.jpg",
                 "symgan_core/.ruff_cache/x", "symgan_core/weights/w.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("![](docs/a.jpg)" if name == "README.md" else "")
    assert space_files(tmp_path) == ["README.md", "app.py", "demo/a.py", "docs/a.jpg", "symgan_core/weights/w.safetensors"]


@pytest.mark.parametrize("gpu", [False, True])
def test_an_upload_is_a_space_and_one_commit(gpu: bool) -> None:
    api, files = FakeApi(), space_files()
    assert upload("someone/symgan", files, api, private=True, gpu=gpu) == "https://hub.example/spaces/someone/symgan"
    assert [call[:2] for call in api.calls] == [("create_repo", "someone/symgan"), ("upload_folder", "someone/symgan")]
    assert api.calls[0][2] == {"repo_type": "space", "space_sdk": "gradio", "private": True, "exist_ok": True}
    assert api.calls[1][2]["repo_type"] == "space" and sorted(api.held) == sorted(files)
    own, sent = (ROOT / "requirements.txt").read_text(), api.held["requirements.txt"].decode()
    assert sent == (own if gpu else f"{CPU_WHEELS}\n{own}")
    assert api.held["app.py"] == (ROOT / "app.py").read_bytes()


def test_a_dry_run_needs_no_network(capsys, monkeypatch) -> None:
    monkeypatch.setattr(upload_space, "upload", lambda *args: pytest.fail("uploaded"))
    assert main(["someone/symgan", "--dry-run"]) == 0
    *listed, total = capsys.readouterr().out.splitlines()
    assert listed == space_files() and re.fullmatch(rf"{len(listed)} files, \d+\.\d MB", total)
    with pytest.raises(SystemExit):
        main(["symgan", "--dry-run"])
